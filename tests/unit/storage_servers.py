"""Servers of files on loopback: S3 by moto with rules of access, HTTP by the standard library, and one that stops."""

from __future__ import annotations

import importlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from dask_machines import free_port

BUCKET = "bucket"


@dataclass(frozen=True)
class S3:
    """A server with one bucket.

    Attributes:
        endpoint: its address.
        client: of its owner.
        settings: environment in which the bucket can be read.
    """

    endpoint: str
    client: Any
    settings: dict[str, str]

    def put(self, folder: Path, key: str) -> str:
        """Copy the files below a folder under a key; return their address."""
        for path in folder.rglob("*"):
            if path.is_file():
                name = f"{key}/{path.relative_to(folder).as_posix()}"
                self.client.put_object(Bucket=BUCKET, Key=name, Body=path.read_bytes())
        return f"s3://{BUCKET}/{key}"


@contextmanager
def s3_server() -> Iterator[S3]:
    """Start a server that checks signatures and rights."""
    boto3 = importlib.import_module("boto3")  # without types
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not _answers(f"{endpoint}/moto-api/"):
            assert time.monotonic() < until and server.poll() is None
            time.sleep(0.1)
        client = partial(boto3.client, endpoint_url=endpoint, region_name="us-east-1")
        free = {"aws_access_key_id": "owner", "aws_secret_access_key": "owner"}  # rights count from the reset on
        iam = client("iam", **free)
        iam.create_user(UserName="reader")
        rights = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [rights]})
        iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=policy)
        key = iam.create_access_key(UserName="reader")["AccessKey"]
        settings = {
            "AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }  # fmt: skip
        httpx.post(f"{endpoint}/moto-api/reset-auth", content=b"0").raise_for_status()
        owner = client("s3", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
        owner.create_bucket(Bucket=BUCKET)
        yield S3(endpoint, owner, settings)
        for opened in (iam, owner):
            opened.close()
    finally:
        server.kill()
        server.wait()


def _answers(address: str) -> bool:
    try:
        httpx.get(address)
    except httpx.TransportError:
        return False
    return True


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def http_server(folder: Path) -> Iterator[str]:
    """Serve a folder with its listings; gives its address, with a slash."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def stops_after(endpoint: str, size_bytes: int) -> Iterator[str]:
    """Pass connections on to a server, and end each after so many bytes of answers; gives the address."""
    host, _, port = endpoint.removeprefix("http://").rstrip("/").rpartition(":")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(near: socket.socket) -> None:
        with near, suppress(OSError), socket.create_connection((host, int(port))) as far:
            threading.Thread(target=_pass_on, args=(near, far, sys.maxsize), daemon=True).start()
            _pass_on(far, near, size_bytes)
            near.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def _pass_on(source: socket.socket, sink: socket.socket, limit: int) -> None:
    with suppress(OSError):
        while limit > 0 and (block := source.recv(min(65536, limit))):
            sink.sendall(block)
            limit -= len(block)


def left_in(cache: Path) -> list[str]:
    """Return the files in a cache of data, but for its lock."""
    return sorted(os.path.relpath(path, cache) for path in cache.rglob("*") if path.is_file() and path.name != ".lock")

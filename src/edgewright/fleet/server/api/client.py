"""Client of the operator API, for the fleet's own folder or a remote server, with the same API for both."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import msgspec

from edgewright.core.errors import CheckFailedError, InputError, OutputError
from edgewright.core.read_only_database import read_unchanged
from edgewright.core.request_origin import account
from edgewright.fleet.protocol.api_records import Problem
from edgewright.fleet.protocol.layout import Transport, Unreachable
from edgewright.fleet.protocol.transport import HttpTransport
from edgewright.fleet.repository.folder import open_fleet
from edgewright.fleet.server.api.app import LOCAL, App
from edgewright.fleet.server.control_plane import Plane, open_plane, reading_plane
from edgewright.fleet.server.database import sqlite
from edgewright.fleet.server.database.engine import open_empty, open_to_read

T = TypeVar("T")
Exchange = Callable[[str, str, bytes], tuple[int, bytes]]
"""Sends a method, a path and a body; returns status and body of the answer."""
_LARGEST = 64 << 20
_JSON = "application/json"
NO_DATABASE = "no database yet: no device has enrolled"


class ApiClient:
    """Sends requests to the operator API."""

    def __init__(self, exchange: Exchange, where: str) -> None:
        self._exchange, self.where = exchange, where

    def ask(self, kind: type[T], method: str, path: str, record: object = None) -> T:
        """Send one request and return the decoded answer.

        Args:
            kind: type of the answer.
            method: such as 'GET'.
            path: path with query.
            record: the body, of the endpoint's type.

        Raises:
            InputError: the server refused the request.
            CheckFailedError: the request conflicts with the current state (409).
            OutputError: the server cannot answer.
        """
        status, content = self._exchange(method, path, b"" if record is None else msgspec.json.encode(record))
        if status >= 300:
            raise _refused(status, content, self.where)
        try:
            return msgspec.json.decode(content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise OutputError("an answer of a control plane", str(error), self.where) from None


def _refused(status: int, content: bytes, where: str) -> InputError | CheckFailedError | OutputError:
    try:
        problem = msgspec.json.decode(content, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return OutputError("an answer of a control plane", f"status {status}", where)
    location = problem.where or where
    if status == 409:
        got = f", got {problem.got}" if problem.got else ""
        return CheckFailedError(f"expected {problem.expected}{got} - at {location}", problem.do)
    if status >= 500:
        return OutputError(problem.expected, problem.got, location, problem.do)
    return InputError(problem.expected, problem.got, location, problem.do, code=problem.code)


def _in_process(app: App, user: str) -> Exchange:
    """Call the application in this process without a network; a user who may write the folder is an administrator."""
    who = (f"studio:{user}" if user else f"local:{account(str(os.getuid()))}")[:64]

    async def ask(method: str, path: str, body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(path)
        headers = [(b"host", b"fleet"), (b"content-type", _JSON.encode()), (b"content-length", b"%d" % len(body))]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": unquote(parts.path), "raw_path": parts.path.encode(), "query_string": parts.query.encode(),
            "root_path": "", "headers": headers, "server": ("fleet", 80), "client": None, LOCAL: (who, "admin"),
        }  # fmt: skip
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        status, content = 500, list[bytes]()

        async def receive() -> dict[str, Any]:
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message: Any) -> None:  # noqa: ANN401 - of ASGI
            nonlocal status
            status = message.get("status", status)
            content.append(message.get("body", b""))

        await app(scope, receive, send)
        return status, b"".join(content)

    def exchange(method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Run the exchange to its end; use another thread if an event loop is already running, as in a notebook."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(ask(method, path, body))
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, ask(method, path, body)).result()

    return exchange


def _remote(transport: Transport, token: str) -> Exchange:
    """Call a remote server over HTTP; raises OutputError if there is no answer."""

    def exchange(method: str, path: str, body: bytes) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {token}", **({"Content-Type": _JSON} if body else {})}
        try:
            with transport.exchange(method, path, headers, body) as answer:
                return answer.status, answer.whole(_LARGEST)
        except Unreachable as error:
            do = "Set the certificate authority with --ca-file" if "certificate" in str(error) else "Ask again later"
            raise OutputError("an answer of the control plane", str(error), do=do) from None

    return exchange


class _Folder:
    """Answers requests from a fleet's folder: reading changes no file, and the first change opens the database.

    Args:
        folder: of the fleet.
        say: called once, before the first answer that no database gave.
        user: of a shared studio, for the audit log; empty for the account of this process.
    """

    def __init__(self, folder: Path, say: Callable[[str], None], user: str) -> None:
        self._folder, self._say, self._user = folder, say, user
        self._plane: Plane | None = None
        self._exchange: Exchange | None = None
        self._writable = False

    def exchange(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Answer one request."""
        if method != "GET" and not self._writable:
            self._open(open_plane(self._folder), writable=True)
        if self._writable:
            assert self._exchange is not None  # noqa: S101 - opened above, or by an earlier change
            return self._exchange(method, path, body)
        return read_unchanged(self._folder / sqlite.NAME, lambda: self._reading()(method, path, body))

    def _reading(self) -> Exchange:
        if self._exchange is None:
            database = open_to_read(self._folder)
            if database is not None:
                return self._open(reading_plane(self._folder, database))
            # Not kept: a server may make the database before the next request.
            self._say(NO_DATABASE)
            self._say = lambda line: None
            return _in_process(App(reading_plane(self._folder, open_empty())), self._user)
        return self._exchange

    def _open(self, plane: Plane, *, writable: bool = False) -> Exchange:
        self.close()
        self._plane, self._writable, self._exchange = plane, writable, _in_process(App(plane), self._user)
        return self._exchange

    def close(self) -> None:
        """Close the database."""
        if self._plane is not None:
            self._plane.close()


@contextmanager
def local_client(folder: Path, say: Callable[[str], None] = lambda line: None, user: str = "") -> Iterator[ApiClient]:
    """Provide the API of a fleet's folder, even while no server runs.

    Args:
        folder: of the fleet.
        say: called once where there is no database yet.
        user: of a shared studio, for the audit log; empty for the account of this process.

    Raises:
        InputError: the folder contains no fleet, or its database is newer than this program.
    """
    open_fleet(folder)
    opened = _Folder(folder, say, user)
    try:
        yield ApiClient(opened.exchange, str(folder))
    finally:
        opened.close()


@contextmanager
def remote_client(url: str, token: str, ca_file: str = "") -> Iterator[ApiClient]:
    """Provide the API of a remote server.

    Args:
        url: https, or http to this machine.
        token: token of an operator.
        ca_file: trusted certificates instead of the system's.

    Raises:
        InputError: the address is invalid.
    """
    transport = HttpTransport(url, ca_file)
    try:
        yield ApiClient(_remote(transport, token), url)
    finally:
        transport.close()

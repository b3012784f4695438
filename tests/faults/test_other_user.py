"""A process of another user of this machine finds no way into studio, chat server, their keys and their files."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from agent_example import package
from chat_server import served
from documents_example import manual_index
from edgewright.cli.main import run
from edgewright.studio.access import owner_access
from edgewright.studio.server import studio_app
from studio_server import StudioAddress, started

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.geteuid() != 0, reason="needs root to act as another user")]
USER = pwd.getpwnam("nobody")
# Runs as the other user with the standard library alone. It prints every success: answers below 400 to requests
# without the secret, files and facts of processes that it can read and that contain a secret, and files it changed.
SCRIPT = r"""
import encodings.idna, http.client, json, os, pathlib, socket, sys
order = json.load(sys.stdin)
if order["user"]:  # the interpreter itself may be in a folder that is closed to this user
    os.setgroups([]); os.setresgid(*3 * [order["group"]]); os.setresuid(*3 * [order["user"]])
found, tried, refused = [], 0, {}
for port in order["ports"]:
    names = (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}", "evil.example", "")
    cookies = [f"edgewright-{name}-{port}={value}" for name in ("studio", "serve") for value in ("", "0", "x" * 43)]
    tricks = [{}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Bearer " + "A" * 43},
              {"Authorization": "Basic cm9vdDo="}, {"X-Forwarded-For": "127.0.0.1"}, {"X-Real-IP": "127.0.0.1"},
              {"X-HTTP-Method-Override": "GET"}, {"X-Original-URL": "/"}, {"Sec-Fetch-Site": "none"},
              *({"Cookie": cookie} for cookie in cookies)]
    plans = [(route, {"Host": names[0], "Origin": f"http://{names[0]}", **trick})
             for route in order["routes"] for trick in tricks]
    plans += [(route, {"Host": name, "Origin": origin}) for route in order["routes"][:6] for name in names
              for origin in (f"http://{name}", "null", "http://evil.example")]
    plans += [(("GET", f"/?token={guess}"), {"Host": names[0]}) for guess in ("", "0", "A" * 43, "%00", "a&token=b")]
    for (method, path), headers in plans:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        body = b"token=guess&to=/" if method == "POST" else None
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {**headers, **kind, **({"Content-Length": str(len(body))} if body else {})}.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        text, tried = answer.read(), tried + 1
        refused[answer.status] = refused.get(answer.status, 0) + 1
        secret = [word for word in order["secrets"] if word.encode() in text]
        if answer.status < 400 or secret or answer.getheader("Set-Cookie"):
            found.append([port, method, path, headers, answer.status])
        connection.close()
    for raw in (b"GET / HTTP/1.0\r\n\r\n", b"GET http://evil/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                b"GET /sign-in HTTP/1.1\r\nHost: %s\r\n\r\nGET / HTTP/1.1\r\nHost: %s\r\n\r\n"
                % (names[0].encode(), names[0].encode())):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
            line.sendall(raw)
            line.shutdown(socket.SHUT_WR)
            text, tried = b"".join(iter(lambda: line.recv(65536), b"")), tried + 1
        if b" 200 " in text or any(word.encode() in text for word in order["secrets"]):
            found.append([port, raw.decode()])
def readable(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""
for top in order["folders"]:
    os.listdir(top)
    for path in [pathlib.Path(top), *pathlib.Path(top).rglob("*")]:
        tried += 1
        if any(word.encode() in readable(path) for word in order["secrets"]):
            found.append(["read", str(path)])
        if os.access(path, os.W_OK):
            found.append(["write", str(path)])
for private in order["private"]:
    tried += 1
    if os.access(private, os.R_OK) or os.access(private, os.W_OK):
        found.append(["access", private])
for process in order["processes"]:
    for name in ("cmdline", "environ", "mem", "maps", "stat", "status"):
        tried += 1
        if any(word.encode() in readable(pathlib.Path(f"/proc/{process}/{name}")) for word in order["secrets"]):
            found.append(["process", process, name])
    for folder in ("fd", "cwd", "root"):
        try:
            found.append(["process", process, folder, os.listdir(f"/proc/{process}/{folder}")])
        except OSError:
            tried += 1
print(json.dumps({"user": os.getuid(), "tried": tried, "found": found, "refused": refused}))
"""


class Servers(NamedTuple):
    """Running servers of this user, and what the other user must not get."""

    addresses: list[StudioAddress]
    processes: list[int]
    routes: list[tuple[str, str]]
    folder: Path


def _routes(folder: Path) -> list[tuple[str, str]]:
    """Return every address of the studio with filled parameters, and those of the chat API."""
    routes: list[tuple[str, str]] = []
    for route in studio_app(folder, 8765, owner_access("unused")).routes:
        path = "/".join("x" if part.startswith("{") else part for part in getattr(route, "path", "/").split("/"))
        routes += [(method, path) for method in ("GET", "POST")]
    chat = [("GET", "/v1/models"), ("POST", "/v1/chat/completions")]
    climbs = [("GET", "/page/..%2f..%2fetc/passwd"), ("GET", "/../../etc/passwd"), ("GET", "/static/%2e%2e/%2e%2e/x")]
    return [("GET", "/"), ("POST", "/sign-in"), *sorted(set(routes)), *chat, *climbs]


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    # pytest's own folders are closed to other users, a user's folders are not: only what is secret must be closed.
    with tempfile.TemporaryDirectory() as temporary, pytest.MonkeyPatch.context() as patch:
        folder = Path(temporary)
        folder.chmod(0o755)
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        (folder / "runs").mkdir()
        assert run(["fleet", "init", str(folder / "fleet")]) == 0
        package(folder / "pump.edge")
        assert run(["fleet", "publish", str(folder / "pump.edge"), "--fleet", str(folder / "fleet")]) == 0
        index = manual_index(folder)
        with started(folder / "runs") as (studio, process), served("--index", index) as (chat, chat_process):
            yield Servers([studio, chat], [process.pid, chat_process.pid], _routes(folder / "runs"), folder)


def _attack(order: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT], input=json.dumps(order), capture_output=True, text=True, timeout=300,
        check=False, cwd="/", env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    outcome: dict[str, Any] = json.loads(done.stdout)
    assert outcome["user"] == order["user"]
    return outcome


def test_another_user_finds_no_way_in(servers: Servers) -> None:
    state = servers.folder / "state"
    keys = [path for path in (servers.folder / "fleet" / "keys").rglob("*") if path.is_file()]
    records = [path for path in state.rglob("*") if path.is_file()]
    assert keys
    assert len(records) >= 4
    secrets = [address.token for address in servers.addresses]
    assert all(secrets)
    outcome = _attack(
        {
            "user": USER.pw_uid,
            "group": USER.pw_gid,
            "ports": [int(address.rpartition(":")[2]) for address in servers.addresses],
            "routes": servers.routes,
            "secrets": [
                *secrets,
                *(
                    line
                    for path in keys
                    if path.suffix == ".key"
                    for line in path.read_text().splitlines()
                    if len(line) > 40
                ),
            ],
            "folders": [str(servers.folder)],
            "private": [str(path) for path in (*keys, *records)],
            "processes": servers.processes,
        }
    )
    assert outcome["found"] == []
    assert outcome["tried"] > 1000
    assert outcome["refused"]["401"] > 500


def test_the_owner_gets_in_where_the_other_user_does_not(servers: Servers) -> None:
    order = {"user": 0, "ports": [], "routes": [], "private": [], "processes": servers.processes, "folders": [],
             "secrets": [address.token for address in servers.addresses]}  # fmt: skip
    assert len(_attack(order)["found"]) >= 6

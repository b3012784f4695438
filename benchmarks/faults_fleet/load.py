"""The load of a recorded control plane: kept connections to its listener, and a process that reads beside it.

The listener is the one of `fleet serve`, in the recorded process itself, with as many open files as a small server has.
Another process keeps connections open up to a share of its capacity. Between steps it asks over some of them and
reads the folder as a command does; it keeps its snapshot until the next step, so that the recorded program writes and
checkpoints while the snapshot is open. Then it opens and closes the database as a command that writes does: where the
recorded program has lost its locks, this takes the log away below it.
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import struct
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, suppress
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.faults.forking import fork
from benchmarks.faults.workload import Load
from benchmarks.faults_fleet.control import Control
from edgewright.fleet.protocol.api_records import AuditVerified, DevicePage
from edgewright.fleet.protocol.rollout_records import RolloutsSeen
from edgewright.fleet.server import http_server
from edgewright.fleet.server.api.client import local_client
from edgewright.fleet.server.control_plane import Plane, open_plane
from edgewright.fleet.server.database.engine import open_to_read
from edgewright.fleet.server.database.tables import audit

SHARES = (0.5, 0.7, 0.95)
"""Of the server's capacity for connections."""
FILES = 400
"""Open files that the recorded process may have; about half of them are connections."""
_PAGES = 50
_ADDRESSES, _POLLED, _SECONDS = 16, 4, 30.0
_POLL = b"GET /metadata/timestamp.json HTTP/1.1\r\nHost: fleet\r\n\r\n"
_REQUESTS = (
    ("/v1/fleet/devices", DevicePage),
    ("/v1/fleet/rollouts", RolloutsSeen),
    ("/v1/fleet/audit/verified", AuditVerified),
)
_CONNECT, _STEP, _RELEASE = b"c", b"s", b"r"


class _Companion:
    """The process beside: it keeps connections and reads; forked before any file of the folder is open."""

    def __init__(self, folder: Path) -> None:
        self._socket, other = socket.socketpair()
        child = fork()
        if child == 0:
            try:
                self._socket.close()
                _attend(folder, other)
            except BaseException:  # noqa: BLE001 - told to the recorded process
                with suppress(OSError):
                    other.sendall(b"!" + traceback.format_exc().encode())
            finally:
                os._exit(0)
        other.close()
        self._child = child

    def ask(self, act: bytes, port: int = 0, count: int = 0) -> None:
        """Wait until it is done.

        Raises:
            RuntimeError: it failed.
        """
        self._socket.sendall(act + struct.pack("!II", port, count))
        answer = self._socket.recv(65_536)
        if answer != b".":
            raise RuntimeError(answer[1:].decode() or "the process beside ended")

    def close(self) -> None:
        """End it."""
        self._socket.close()
        os.waitpid(self._child, 0)


def _attend(folder: Path, control_socket: socket.socket) -> None:
    """Do what is asked until the other process ends."""
    connections: list[socket.socket] = []
    snapshot = ExitStack()
    steps = 0
    while len(request := control_socket.recv(9, socket.MSG_WAITALL)) == 9:
        kind, port, count = request[:1], *struct.unpack("!II", request[1:])
        if kind == _CONNECT:
            for connection in connections:
                connection.close()
            connections = [_connected(port, number) for number in range(count)]
        else:
            snapshot.close()
            steps += 1
            if kind == _STEP and steps % 2:
                _read(folder / "fleet", _REQUESTS[steps // 2 % len(_REQUESTS)], snapshot)
            elif kind == _STEP:
                open_plane(folder / "fleet").close()
            for number in range(_POLLED * bool(connections)):
                _poll(connections[(steps * _POLLED + number) % len(connections)])
        control_socket.sendall(b".")


def _connected(port: int, number: int) -> socket.socket:
    source = (f"127.0.0.{2 + number % _ADDRESSES}", 0)
    connection = socket.create_connection(("127.0.0.1", port), timeout=_SECONDS, source_address=source)
    _poll(connection)
    return connection


def _poll(connection: socket.socket) -> None:
    connection.sendall(_POLL)
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65_536)
        if not part:
            raise ConnectionError("the server closed a kept connection")
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(65_536)


def _read(folder: Path, request: tuple[str, type], snapshot: ExitStack) -> None:
    """Read as `fleet devices` and other commands do, and keep a snapshot of the database open."""
    with local_client(folder) as client:
        client.ask(request[1], "GET", request[0])
    database = open_to_read(folder)
    if database is not None:
        snapshot.callback(database.close)
        snapshot.enter_context(database.reading()).execute(sa.select(sa.func.count()).select_from(audit))


class _Listening:
    """The listener of `fleet serve` over an open control plane, in a thread of its own."""

    def __init__(self, plane: Plane) -> None:
        self._plane, self._loop = plane, asyncio.new_event_loop()
        self._stop: Callable[[], object] = lambda: None
        self._ready = threading.Event()
        self._where = http_server.Listening(port=0).checked()
        self.port = self._where.port
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        if not self._ready.wait(_SECONDS):
            raise RuntimeError("the listener did not start")

    @property
    def capacity(self) -> int:
        """Connections that it keeps at most."""
        return int(next(iter(self._plane.counted.capacity.collect())).samples[0].value)

    def close(self) -> None:
        """End it as a termination signal does."""
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join(_SECONDS)
        self._plane.stopping = False

    def _run(self) -> None:
        # Signals come to the main thread, which is the recorded program's: what they do is called instead.
        def keep(number: int, act: Callable[..., object], *arguments: object) -> None:
            self._stop = partial(act, *arguments)

        vars(self._loop)["add_signal_handler"] = keep
        serve = http_server._serve(self._plane, self._where, lambda _: self._ready.set())
        self._loop.run_until_complete(serve)


@contextmanager
def _under_load(folder: Path, share: float) -> Iterator[Callable[[], None]]:
    """Serve each control plane that is opened meanwhile, with a share of its connections open; see the module.

    The process that calls it keeps the low limit of open files until it ends.
    """
    companion = _Companion(folder)
    served: list[_Listening] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))

    def attend(plane: Plane) -> Callable[[], None]:
        listening = _Listening(plane)
        companion.ask(_CONNECT, listening.port, round(share * listening.capacity))
        served.append(listening)

        def leave() -> None:
            companion.ask(_RELEASE)
            served.remove(listening)
            listening.close()

        return leave

    def between() -> None:
        if served:
            companion.ask(_STEP)

    parts, attended = http_server.PARTS, Control.attend
    http_server.PARTS, Control.attend = (), staticmethod(attend)
    sa.event.listen(sa.Engine, "connect", _checkpoint_often)
    try:
        with redirect_stderr(None):  # the log of each start
            yield between
    finally:
        sa.event.remove(sa.Engine, "connect", _checkpoint_often)
        http_server.PARTS, Control.attend = parts, attended
        companion.close()


def _checkpoint_often(connection: Any, record: object) -> None:  # noqa: ANN401 - of the driver
    """Let checkpoints come while the other process holds a snapshot: the default of 1,000 pages is not reached here."""
    connection.execute(f"PRAGMA wal_autocheckpoint={_PAGES}").close()


LOADS: dict[str, Load] = {f"{share:.0%} of its connections open": partial(_under_load, share=share) for share in SHARES}

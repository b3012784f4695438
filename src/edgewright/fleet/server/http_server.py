"""A server of the control plane: one process, one address, TLS unless it stays on this machine."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import resource
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from edgewright.fleet.server import log, retention
from edgewright.fleet.server.api.app import App
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.rollouts import worker
from edgewright.fleet.server.server_registry import serving
from edgewright.schema.errors import InputError

PORT = 8798
_PATIENCE = 5.0
_CONNECTIONS = 20_000
"""Devices that keep a connection open while they wait for their next poll."""
_BUFFER = 16_384
"""Bytes that a connection may read ahead; it keeps them for as long as it lives, and there are many."""
_HEADER_MS = 90_000
"""Milliseconds for a request's head to arrive, counted from the answer before: also how long a connection may idle."""


@dataclass(frozen=True)
class Listening:
    """Where and how a server listens.

    Attributes:
        certificate, key: PEM files; None for no TLS.
        behind_proxy: another program speaks TLS in front of this one.
    """

    host: str = "127.0.0.1"
    port: int = PORT
    certificate: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False

    def checked(self) -> Listening:
        """Return the same with a port that is free: port 0 asks the system for one.

        Raises:
            InputError: not on this machine and without TLS, half a certificate, or a port that cannot be used.
        """
        if (self.certificate is None) != (self.key is None):
            raise InputError("--tls-cert and --tls-key", "one of them")
        for path in (self.certificate, self.key):
            if path is not None and not path.is_file():
                raise InputError("a file in PEM", "none", str(path))
        if not (self.certificate or self.behind_proxy or _local(self.host)):
            raise InputError(
                "TLS, for an address that other machines reach", f"--host {self.host} without it", "",
                "Set --tls-cert and --tls-key, or --behind-proxy if a proxy in front handles TLS",
            )  # fmt: skip
        port = _free(self.host, self.port)
        return Listening(self.host, port, self.certificate, self.key, self.behind_proxy)

    @property
    def address(self) -> str:
        """Address to configure on devices."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}"


def _local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _free(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
            tried.listen(1)
        except OSError as error:
            got = f"{port}, which another program uses" if error.errno == errno.EADDRINUSE else str(error.strerror)
            raise InputError(
                "an address and a free port", got, f"{host}:{port}", "Name another with --port, or --port 0 for any"
            ) from None
        return int(tried.getsockname()[1])


def serve(plane: Plane, where: Listening, ready: Callable[[str], None]) -> int:
    """Serve until Ctrl-C or a termination signal, then answers what it has begun and write what waits.

    Args:
        plane: opened; it is closed at the end.
        where: checked.
        ready: called with the address once it answers.

    Returns:
        The signal that ended it.

    Raises:
        InputError: another process has the folder for itself.
    """
    _many_files()
    try:
        with serving(plane.folder):
            return asyncio.run(_serve(plane, where, ready))
    finally:
        plane.close()


def _many_files() -> None:
    """Raise the limit of open files as far as the system allows: a connection is a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _CONNECTIONS + 1000 if hard == resource.RLIM_INFINITY else min(hard, _CONNECTIONS + 1000)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _server(app: App, where: Listening) -> Server:
    server = Server(
        app, address=where.host, port=where.port, interface=Interfaces.ASGINL, log_enabled=False,
        websockets=False, http=HTTPModes.http1, backlog=4096, backpressure=_CONNECTIONS,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_MS, max_buffer_size=_BUFFER),
        ssl_cert=where.certificate, ssl_key=where.key,
    )  # fmt: skip
    server.workers_kill_timeout = int(_PATIENCE)
    return server


async def _serve(plane: Plane, where: Listening, ready: Callable[[str], None]) -> int:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def end(number: int) -> None:
        plane.stopping = True
        if not ended.done():
            ended.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    stop = await asyncio.to_thread(start_parts, plane)
    server = _server(App(plane), where)
    serving = asyncio.create_task(server.serve())
    try:
        await _answers(where, serving)
        log.line("info", "serving", address=where.address)
        ready(where.address)
        await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        plane.stopping = True
        server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait({serving}, timeout=_PATIENCE)
        await asyncio.to_thread(stop)
        log.line("info", "ended")
    return ended.result() if ended.done() else 0


async def _answers(where: Listening, serving: asyncio.Task[None]) -> None:
    """Wait until the server takes connections; InputError where it could not begin."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(where.host, where.host)  # noqa: S104 - compared, not bound
    while not serving.done():
        try:
            _, writer = await asyncio.open_connection(host, where.port)
        except OSError:
            await asyncio.sleep(0.01)
            continue
        writer.close()
        return
    reason = serving.exception()
    raise InputError("a server that begins", str(reason or "one that ended"), where.address, "Check the certificate")


Stop = Callable[[], None]
PARTS: tuple[Callable[[Plane], Stop], ...] = (retention.start, worker.start)
"""What a server starts, in this order; each returns what stops it."""


def start_parts(plane: Plane) -> Stop:
    """Start every part; what is returned stops them in the opposite order.

    Raises:
        EdgewrightError: one could not start; those before it are stopped.
    """
    stops: list[Stop] = []

    def stop() -> None:
        while stops:
            try:
                stops.pop()()
            except Exception as error:  # noqa: BLE001 - the others are to be stopped too
                log.broken(error, "stopping")

    try:
        for part in PARTS:
            stops.append(part(plane))  # noqa: PERF401 - those before a failure must be known
    except BaseException:
        stop()
        raise
    return stop

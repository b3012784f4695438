"""The HTTP server of the control plane: one process, one address, TLS except on the loopback interface."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from edgewright.core.server_port import answers, free_port
from edgewright.fleet.server import connection_limits, log, retention
from edgewright.fleet.server.api.app import App
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database import integrity_check
from edgewright.fleet.server.rollouts import worker
from edgewright.fleet.server.server_registry import serving
from edgewright.schema.errors import InputError

PORT = 8798
_PATIENCE = 5.0
_BUFFER = 16_384
"""Read buffer of a connection in bytes; small because there are many long-lived connections."""
_HEADER_MS = 90_000
"""Milliseconds for a request's head to arrive after the previous answer; also the idle timeout of a connection."""


@dataclass(frozen=True)
class Listening:
    """Address and TLS settings of a server.

    Attributes:
        host: address to listen on.
        port: port to listen on; 0 for any free port.
        certificate, key: PEM files; None for no TLS.
        behind_proxy: whether a proxy in front of this server handles TLS.
    """

    host: str = "127.0.0.1"
    port: int = PORT
    certificate: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False

    def checked(self) -> Listening:
        """Check the settings and return them with a free port; port 0 becomes a port chosen by the system.

        Raises:
            InputError: TLS is missing for a non-local address, certificate or key is missing, or the port is in use.
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
        return replace(self, port=free_port(self.host, self.port))

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


def serve(plane: Plane, where: Listening, ready: Callable[[str], None]) -> int:
    """Serve until Ctrl-C or a termination signal, then finish open requests and write the waiting operations.

    Args:
        plane: open control plane; this function closes it.
        where: checked settings.
        ready: called with the address when the server accepts connections.

    Returns:
        The signal that stopped the server.

    Raises:
        InputError: another process has locked the folder.
    """
    try:
        with serving(plane.folder):
            return asyncio.run(_serve(plane, where, ready))
    finally:
        plane.close()


def _server(app: App, where: Listening, most: int) -> Server:
    server = Server(
        app, address=where.host, port=where.port, interface=Interfaces.ASGINL, log_enabled=False,
        websockets=False, http=HTTPModes.http1, backlog=4096, backpressure=most,
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
    most = connection_limits.capacity()
    server = _server(App(plane), where, most)
    unwatch = connection_limits.watch(where.port, most, plane.counted, shared=where.behind_proxy)
    serving = asyncio.create_task(server.serve())
    try:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(where.host, where.host)  # noqa: S104 - compared, not bound
        await answers(host, where.port, serving, where.address, "Check the certificate")
        log.line("info", "serving", address=where.address)
        ready(where.address)
        await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        plane.stopping = True
        server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait({serving}, timeout=_PATIENCE)
        unwatch()
        await asyncio.to_thread(stop)
        log.line("info", "ended")
    return ended.result() if ended.done() else 0


Stop = Callable[[], None]
PARTS: tuple[Callable[[Plane], Stop], ...] = (integrity_check.start, retention.start, worker.start)
"""Parts of a server in starting order; each returns a function that stops it."""


def start_parts(plane: Plane) -> Stop:
    """Start every part and return a function that stops them in reverse order.

    Raises:
        EdgewrightError: a part could not start; the parts before it are stopped.
    """
    with ExitStack() as parts:
        for part in PARTS:
            parts.callback(_ended, part(plane))
        return parts.pop_all().close


def _ended(stop: Stop) -> None:
    """Stop a part; a failure is logged, since the other parts must stop too."""
    try:
        stop()
    except Exception as error:  # noqa: BLE001 - as the docstring says
        log.broken(error, "stopping")

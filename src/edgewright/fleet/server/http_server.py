"""The HTTP server of the control plane: one process, one address, TLS except on the loopback interface."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from edgewright.core.errors import CertificateError
from edgewright.core.request_origin import free_port, server_context
from edgewright.fleet.server import background, retention
from edgewright.fleet.server.api.app import App
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database import engine, sqlite
from edgewright.fleet.server.database.postgres import serving
from edgewright.fleet.server.http_listener import HttpListener
from edgewright.fleet.server.limits import connection_capacity
from edgewright.fleet.server.rollouts import worker

PORT = 8798
_PATIENCE_S = 5.0


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
            raise CertificateError("--tls-cert and --tls-key", "one of them")
        for path in (self.certificate, self.key):
            if path is not None and not path.is_file():
                raise CertificateError("a file in PEM", "none", str(path))
        if not (self.certificate or self.behind_proxy or _local(self.host)):
            raise CertificateError(
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


async def _start_listener(plane: Plane, where: Listening) -> HttpListener:
    tls = server_context(where.certificate, where.key) if where.certificate and where.key else None
    capacity = connection_capacity()

    def report(closed: int) -> None:
        plane.counted.closed.inc(closed)
        background.line("warning", "connections.closed", count=closed, most=capacity)

    listener = await HttpListener.start(
        App(plane), where.host, where.port, capacity, is_shared=where.behind_proxy, tls=tls, report=report
    )
    plane.counted.capacity.set(capacity)
    plane.counted.connections = lambda: len(listener.connections)
    return listener


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
    try:
        listener = await _start_listener(plane, where)
        background.line("info", "serving", address=where.address)
        with suppress(OSError):  # an announcement that cannot be written
            ready(where.address)
        await ended
        plane.stopping = True
        await listener.stop(_PATIENCE_S)
    finally:
        plane.stopping = True
        await asyncio.to_thread(stop)
        background.line("info", "ended")
    return ended.result()


Stop = Callable[[], None]
PARTS: tuple[Callable[[Plane], Stop], ...] = (
    lambda plane: sqlite.start(plane.database.files),
    lambda plane: engine.start_integrity_check(plane.database, plane.ready),
    retention.start,
    worker.start,
)
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
        background.broken(error, "stopping")

"""The HTTP server of the control plane: one process, one address, TLS except on the loopback interface."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from edgewright.core.request_origin import free_port
from edgewright.fleet.server import log, retention
from edgewright.fleet.server.api.app import App
from edgewright.fleet.server.connection_limits import OpenConnections, capacity
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database import file_watch, integrity_check
from edgewright.fleet.server.database.serving import serving
from edgewright.fleet.server.http_listener import HttpListener, server_context
from edgewright.fleet.server.rollouts import worker
from edgewright.schema.errors import InputError

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


def _listener(plane: Plane, where: Listening) -> HttpListener:
    tls = server_context(where.certificate, where.key) if where.certificate and where.key else None
    connections = OpenConnections(capacity(), shared=where.behind_proxy)
    plane.counted.capacity.set(connections.maximum)
    plane.counted.connections = lambda: len(connections)

    def report(closed: int) -> None:
        plane.counted.closed.inc(closed)
        log.line("warning", "connections.closed", count=closed, most=connections.maximum)

    return HttpListener(App(plane), where.host, where.port, connections, tls, report)


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
        listener = _listener(plane, where)
        log.line("info", "serving", address=where.address)
        with suppress(OSError):  # an announcement that cannot be written
            ready(where.address)
        await ended
        plane.stopping = True
        await listener.stop(_PATIENCE_S)
    finally:
        plane.stopping = True
        await asyncio.to_thread(stop)
        log.line("info", "ended")
    return ended.result()


Stop = Callable[[], None]
PARTS: tuple[Callable[[Plane], Stop], ...] = (
    lambda plane: file_watch.start(plane.database.files),
    lambda plane: integrity_check.start(plane.database, plane.ready),
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
        log.broken(error, "stopping")

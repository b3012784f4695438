"""An application served in this process, on this machine only, until Ctrl-C or a termination signal."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import webbrowser
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.types import ASGIApp

from edgewright.fleet.server.connection_limits import OpenConnections
from edgewright.fleet.server.http_listener import HttpListener

ADDRESS = "127.0.0.1"
_PATIENCE_S = 2.0
_MOST = 400
"""Largest number of open connections, below the 1,024 files that a process may open by default."""


async def serve_until_signal(
    app: ASGIApp,
    port: int,
    begin: Callable[[str], Awaitable[None]],
    stop: Callable[[], None],
    end: Callable[[], Awaitable[None]],
) -> int:
    """Serve until a signal.

    Args:
        app: what answers.
        port: a free one, see `core.server_port`.
        begin: called with the address once it answers.
        stop: called at the signal, before answers on their way end.
        end: called afterwards, also when the server did not start.

    Returns:
        The signal that ended it.

    Raises:
        InputError: the server did not start.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def ending(number: int) -> None:
        stop()
        if not ended.done():
            ended.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending, number)
    async with AsyncExitStack() as server:
        try:
            await server.enter_async_context(listening(app, ADDRESS, port))
            await begin(f"http://{ADDRESS}:{port}/")
            await ended
        finally:
            stop()
            await end()
    return ended.result()


@asynccontextmanager
async def listening(app: ASGIApp, address: str, port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    """Serve an application as long as the context is open, then finish open requests for two seconds.

    Raises:
        InputError: the address cannot be used.
    """
    # A browser opens several connections, and all browsers of this machine have one address.
    listener = HttpListener(app, address, port, OpenConnections(_MOST, shared=True), tls)
    try:
        yield
    finally:
        await listener.stop(_PATIENCE_S)


def open_browser(address: str) -> None:
    """Show an address in the user's browser, where there is one; a terminal's browser would take the terminal."""
    if (
        os.environ.get("DISPLAY")
        or os.environ.get("WAYLAND_DISPLAY")
        or os.name == "nt"
        or os.uname().sysname == "Darwin"
    ):
        webbrowser.open(address)

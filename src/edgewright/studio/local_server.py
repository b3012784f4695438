"""An application served in this process, on this machine only, until Ctrl-C or a termination signal."""

from __future__ import annotations

import asyncio
import os
import signal
import webbrowser
from collections.abc import Awaitable, Callable

from granian.constants import Interfaces
from granian.server.embed import Server
from starlette.types import ASGIApp

from edgewright.core.server_port import answers

ADDRESS = "127.0.0.1"
_PATIENCE = 2


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
    server = Server(app, address=ADDRESS, port=port, interface=Interfaces.ASGI, log_enabled=False, websockets=False)
    server.workers_kill_timeout = _PATIENCE
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def ending(number: int) -> None:
        stop()
        if not ended.done():
            ended.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending, number)
    serving = asyncio.create_task(server.serve())
    try:
        await answers(ADDRESS, port, serving, f"{ADDRESS}:{port}")
        await begin(f"http://{ADDRESS}:{port}/")
        await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop()
        await end()
        server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait({serving}, timeout=_PATIENCE)
    return ended.result() if ended.done() else 0


def open_browser(address: str) -> None:
    """Show an address in the user's browser, where there is one; a terminal's browser would take the terminal."""
    if (
        os.environ.get("DISPLAY")
        or os.environ.get("WAYLAND_DISPLAY")
        or os.name == "nt"
        or os.uname().sysname == "Darwin"
    ):
        webbrowser.open(address)

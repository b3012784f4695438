"""The studio's server: one worker in this process."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from edgewright.core.errors import EdgewrightError
from edgewright.studio.access import AuditLog, StudioAccess, StudioGuard, owner_access
from edgewright.studio.authentication import token_files
from edgewright.studio.frame import HERE, Studio, environment, failed
from edgewright.studio.jobs import Jobs, Runs
from edgewright.studio.local_server import ADDRESS, LARGEST_BODY, open_browser, serve_until_signal
from edgewright.studio.pages import pages


class _Files(StaticFiles):
    """The package's own script and styles; a browser asks each time whether they changed."""

    def file_response(self, *given: object, **named: object) -> object:  # type: ignore[override]
        """Return the file, to be asked for again."""
        response = super().file_response(*given, **named)  # type: ignore[arg-type]
        response.headers["cache-control"] = "no-cache"
        return response


@dataclass(frozen=True)
class Listening:
    """Where a studio listens, and for whom.

    Attributes:
        host: address to listen at.
        tls: TLS settings; None for plain HTTP.
        access: who may use it; None for a new secret of this user.
    """

    host: str = ADDRESS
    tls: ssl.SSLContext | None = None
    access: StudioAccess | None = None


def studio_app(
    folder: Path, port: int, access: StudioAccess, *, largest: int = LARGEST_BODY, fleet: Path | None = None
) -> Starlette:
    """Return the application for a folder of runs.

    Args:
        folder: of runs; made when it is not there.
        port: that it will be reached at; requests to another are refused.
        access: who may use it.
        largest: bytes of a form.
        fleet: folder of a fleet to look at; None where nobody named one.
    """
    folder = folder.resolve()
    known = pages()
    app = Starlette(
        routes=[route for page in known for route in page.routes]
        + [Mount("/static", _Files(directory=HERE / "static"), name="static")],
        middleware=[Middleware(StudioGuard, port=port, access=access, audit=AuditLog(folder), largest=largest)],
        exception_handlers=dict.fromkeys((HTTPException, EdgewrightError, Exception), failed),
    )
    runs = Runs(folder)
    app.state.studio = Studio(
        folder=folder, port=port, tabs=known, runs=runs, jobs=Jobs(folder, runs.running), templates=environment(),
        fleet=None if fleet is None else fleet.resolve(),
    )  # fmt: skip
    return app


def serve(
    folder: Path,
    port: int,
    ready: Callable[[str], None],
    *,
    browser: bool,
    fleet: Path | None = None,
    second_server: AbstractAsyncContextManager[None] | None = None,
    listening: Listening = Listening(),
) -> int:
    """Serve until Ctrl-C or a termination signal; what was started here ends with it.

    Args:
        folder: of runs.
        port: a free one, see `core.server_port`.
        ready: called once it answers, with the address; a local studio's has the token.
        browser: show the address in the user's browser.
        fleet: folder of a fleet to look at.
        second_server: another server, which runs as long.
        listening: where, and for whom.

    Returns:
        The signal that ended it.
    """

    async def both() -> int:
        async with second_server or nullcontext():
            return await _serve(folder, port, ready, browser, fleet, listening)

    return asyncio.run(both())


async def _serve(
    folder: Path, port: int, ready: Callable[[str], None], browser: bool, fleet: Path | None, listening: Listening
) -> int:
    access = listening.access or owner_access()
    app = studio_app(folder, port, access, fleet=fleet)
    studio = app.state.studio
    files = ExitStack()

    async def begin(address: str) -> None:
        # Read before anybody asks for the list: reading a thousand records takes the better part of a blink.
        reading = asyncio.create_task(asyncio.to_thread(studio.runs.finished))
        reading.add_done_callback(lambda task: task.cancelled() or task.exception())
        page = None
        if access.owner is not None:
            page = files.enter_context(token_files(address, access.owner.token, folder, port))
            address = f"{address}?token={access.owner.token}"
        ready(address)
        if browser and page is not None:
            await asyncio.to_thread(open_browser, page.as_uri())

    def stop() -> None:
        studio.stopping = True

    async def end() -> None:
        files.close()
        await asyncio.to_thread(studio.jobs.stop)

    return await serve_until_signal(app, port, begin, stop, end, listening.host, listening.tls)

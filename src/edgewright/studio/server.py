"""The studio's server: one worker in this process, on this machine only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from edgewright.schema.errors import EdgewrightError
from edgewright.studio.frame import HERE, Studio, environment, failed
from edgewright.studio.jobs import Jobs
from edgewright.studio.local_server import LARGEST_BODY, Guard, open_browser, serve_until_signal
from edgewright.studio.pages import pages
from edgewright.studio.summaries import Runs


class _Files(StaticFiles):
    """The package's own script and styles; a browser asks each time whether they changed."""

    def file_response(self, *given: object, **named: object) -> object:  # type: ignore[override]
        """Return the file, to be asked for again."""
        response = super().file_response(*given, **named)  # type: ignore[arg-type]
        response.headers["cache-control"] = "no-cache"
        return response


def studio_app(folder: Path, port: int, *, largest: int = LARGEST_BODY, fleet: Path | None = None) -> Starlette:
    """Return the application for a folder of runs.

    Args:
        folder: of runs; made when it is not there.
        port: that it will be reached at; requests to another are refused.
        largest: bytes of a form.
        fleet: folder of a fleet to look at; None where nobody named one.
    """
    folder = folder.resolve()
    known = pages()
    app = Starlette(
        routes=[route for page in known for route in page.routes]
        + [Mount("/static", _Files(directory=HERE / "static"), name="static")],
        middleware=[Middleware(Guard, port=port, largest=largest)],
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
) -> int:
    """Serve until Ctrl-C or a termination signal; what was started here ends with it.

    Args:
        folder: of runs.
        port: a free one, see `core.server_port`.
        ready: called with the address once it answers.
        browser: show the address in the user's browser.
        fleet: folder of a fleet to look at.
        second_server: another server, which runs as long.

    Returns:
        The signal that ended it.
    """

    async def both() -> int:
        async with second_server or nullcontext():
            return await _serve(folder, port, ready, browser, fleet)

    return asyncio.run(both())


async def _serve(folder: Path, port: int, ready: Callable[[str], None], browser: bool, fleet: Path | None) -> int:
    app = studio_app(folder, port, fleet=fleet)
    studio = app.state.studio

    async def begin(address: str) -> None:
        # Read before anybody asks for the list: reading a thousand records takes the better part of a blink.
        reading = asyncio.create_task(asyncio.to_thread(studio.runs.finished))
        reading.add_done_callback(lambda task: task.cancelled() or task.exception())
        ready(address)
        if browser:
            await asyncio.to_thread(open_browser, address)

    def stop() -> None:
        studio.stopping = True

    async def end() -> None:
        await asyncio.to_thread(studio.jobs.stop)

    return await serve_until_signal(app, port, begin, stop, end)

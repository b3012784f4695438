"""The studio as an ASGI application: its pages behind the guard."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from edgewright.schema.errors import EdgewrightError
from edgewright.studio.frame import HERE, Studio, broken, environment, mistaken, not_found
from edgewright.studio.jobs import Jobs
from edgewright.studio.pages import pages
from edgewright.studio.request_guard import LARGEST_BODY, Guard
from edgewright.studio.summaries import Runs


class _Files(StaticFiles):
    """The package's own script and styles; a browser asks each time whether they changed."""

    def file_response(self, *given: object, **named: object) -> object:  # type: ignore[override]
        """The file, to be asked for again."""
        response = super().file_response(*given, **named)  # type: ignore[arg-type]
        response.headers["cache-control"] = "no-cache"
        return response


def studio_app(folder: Path, port: int, *, largest: int = LARGEST_BODY, fleet: Path | None = None) -> Starlette:
    """The application for a folder of runs.

    Args:
        folder: of runs; made when it is not there.
        port: that it will be reached at; requests to another are refused.
        largest: bytes of a form.
        fleet: folder of a fleet to look at; None where nobody named one.
    """
    folder = folder.resolve()
    found = pages()
    app = Starlette(
        routes=[route for page in found for route in page.routes]
        + [Mount("/static", _Files(directory=HERE / "static"), name="static")],
        middleware=[Middleware(Guard, port=port, largest=largest)],
        exception_handlers={HTTPException: not_found, EdgewrightError: mistaken, Exception: broken},
    )
    app.state.studio = Studio(
        folder=folder, port=port, tabs=found, runs=Runs(folder), jobs=Jobs(folder), templates=environment(),
        fleet=None if fleet is None else fleet.resolve(),
    )  # fmt: skip
    return app

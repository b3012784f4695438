"""The page of a run inside the studio's frame, and the styles that both share."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgewright.studio.frame import page_of, render, run_of
from edgewright.studio.pages import Page
from edgewright.trace.html import assets, page_parts


def _answer(request: Request) -> Response:
    place, _, trace = run_of(request)
    parts = page_parts(trace)
    return render(request, "run.html", title=parts.title, place=place, shown=parts)


def _look(request: Request) -> Response:
    """Styles and script of the page of a run, as files: the studio's policy knows no inline ones."""
    styles, script = assets()
    of_styles = request.path_params["part"] == "page.css"
    content, kind = (styles, "text/css") if of_styles else (script, "text/javascript")
    return Response(str(content), media_type=kind, headers={"cache-control": "no-cache"})


PAGE = Page(
    routes=(
        Route("/page/{run:path}", page_of(_answer), methods=["GET"]),
        Route("/look/{part}", page_of(_look), methods=["GET"]),
    ),
    rank=90,
)

"""Learning modes: the record of a run told in different ways."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgewright.studio.frame import page_of, render, run_of, studio_of
from edgewright.studio.pages import Page
from edgewright.trace.blocks_html import blocks_html
from edgewright.trace.modes import modes

# These have pages of their own here.
_ELSEWHERE = {"quiz": "/quiz/{place}", "compare": "/compare?run={place}"}


def _answer(request: Request) -> Response:
    place, _, trace = run_of(request)
    known = {name: mode for name, mode in modes().items() if name not in _ELSEWHERE}
    name = request.query_params.get("mode") or next(iter(known), "")
    if name not in known:
        raise HTTPException(404, f"There is no learning mode of that name. Known: {', '.join(known)}.")
    quote = studio_of(request).templates.filters["path"]
    body = blocks_html(known[name].tell(trace), level=3, page=f"/page/{quote(place)}")
    return render(
        request, "learn.html", title=f"{known[name].title}: {trace.name}", place=place, name=trace.name, modes=known,
        mode=name, body=body,
    )  # fmt: skip


PAGE = Page(routes=(Route("/learn/{run:path}", page_of(_answer), methods=["GET"]),), rank=91)

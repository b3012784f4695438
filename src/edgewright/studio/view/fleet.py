"""What the pages of a fleet share: the control plane of its folder, and pages for when there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from edgewright.studio.frame import page_of, render, studio_of, text_of
from edgewright.studio.lazy_imports import late

if TYPE_CHECKING:
    from edgewright.fleet.server.api.client import Desk

Answer = Callable[[Request, "Desk"], Response]
Acting = Callable[[Request, "Desk", FormData], Response]
_FIELDS = 10
SILENCE = 86_400.0
"""Seconds without a report after which a device is called silent."""


def fleet_page(answer: Answer) -> Callable[[Request], Any]:
    """An endpoint for a function that reads a fleet; where no fleet can be read the page says what to do."""
    return page_of(lambda request: _with_desk(request, lambda desk: answer(request, desk)))


def fleet_form(answer: Acting) -> Callable[[Request], Any]:
    """An endpoint for a function that takes a form and does something to a fleet."""

    async def endpoint(request: Request) -> Response:
        async with request.form(max_files=0, max_fields=_FIELDS, max_part_size=65_536) as form:
            return await run_in_threadpool(_with_desk, request, lambda desk: answer(request, desk, form))

    return endpoint


def said(form: FormData, name: str, longest: int) -> str:
    """A field in one line."""
    return " ".join(text_of(form, name).split())[:longest]


def _with_desk(request: Request, answer: Callable[[Any], Response]) -> Response:
    """Opens the control plane for one page: the folder may be served, restored or moved while the studio runs."""
    folder = studio_of(request).fleet
    if folder is None:
        return render(request, "fleet_none.html", title="Fleet", missing="")
    try:
        desks = late("edgewright.fleet.server.api.client")
    except ModuleNotFoundError as error:
        return render(request, "fleet_none.html", title="Fleet", missing=error.name or "a library", status=501)
    with desks.local_desk(folder) as desk:
        return answer(desk)

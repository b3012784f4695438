"""What the pages of a fleet share: the control plane of its folder, and pages for when there is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from edgewright.schema.fleet_watch import RolloutSeen
from edgewright.studio.frame import page_of, render, studio_of, text_of
from edgewright.studio.view.drawing import COLOURS
from edgewright.trace.charts import WRITERS
from edgewright.trace.view_blocks import Chart, Curve

if TYPE_CHECKING:
    from edgewright.fleet.server.api.client import ApiClient

_HOUR = 3600.0


@dataclass(frozen=True)
class Piece:
    """A part of a bar: a release, its devices, where it begins and how wide it is, the number of its colour."""

    counter: int
    count: int
    start: float
    width: float
    colour: int

    @property
    def name(self) -> str:
        """For people."""
        return f"release {self.counter}" if self.counter else "not reported yet"


def colours(counters: Sequence[int]) -> dict[int, int]:
    """Return numbers of colours by release, the newest first, so that it looks the same in every bar of a page."""
    return {counter: place % COLOURS for place, counter in enumerate(sorted(set(counters), reverse=True))}


def pieces(counters: Mapping[int, int], known: Mapping[int, int]) -> list[Piece]:
    """Return the parts of a bar, the newest release first."""
    total, start, made = sum(counters.values()) or 1, 0.0, []
    for counter, count in sorted(counters.items(), reverse=True):
        width = 100.0 * count / total
        made.append(Piece(counter, count, round(start, 3), round(width, 3), known.get(counter, 0)))
        start += width
    return made


@dataclass(frozen=True)
class Step:
    """A stage as it is drawn.

    Attributes:
        state: 'done', 'now', 'paused', 'ended' or 'later'.
        share: of its least time that has passed, from 0 to 1.
        left: seconds of it that are left at least.
    """

    name: str
    percent: float
    gated: bool
    dwell: float
    cohorts: tuple[str, ...]
    state: str
    share: float
    left: float


def steps(seen: RolloutSeen, now: float) -> list[Step]:
    """Return the stages of a rollout."""
    here = {"running": "now", "paused": "paused", "aborted": "ended", "finished": "done"}[seen.state]
    made = []
    for index, stage in enumerate(seen.stages):
        state = "done" if index < seen.stage else here if index == seen.stage else "later"
        lasts = max(1.0, seen.due - seen.entered)
        share = min(1.0, max(0.0, (now - seen.entered) / lasts)) if state in ("now", "paused") else 0.0
        made.append(
            Step(
                name=stage.name, percent=stage.percent, gated=stage.gated, dwell=stage.dwell, cohorts=stage.cohorts,
                state=state, share=1.0 if state == "done" else share, left=max(0.0, seen.due - now),
            )
        )  # fmt: skip
    return made


def line(name: str, values: Sequence[tuple[float, float]], unit: str) -> tuple[Chart, str, str] | None:
    """Return a chart of (time, value) pairs, oldest first, with the latest and the largest value as text.

    Args:
        name: of the figure.
        values: those that are not finite are left out; None is returned where none is left.
        unit: a key of `charts.WRITERS`.
    """
    known = [(at, value) for at, value in values if math.isfinite(value)]
    if not known:
        return None
    latest, largest = (WRITERS[unit](value) for value in (known[-1][1], max(value for _, value in known)))
    points = tuple(((at - known[0][0]) / _HOUR, value) for at, value in known)
    label = f"{name} over {len(known)} reports: now {latest}, at most {largest}"
    return Chart(name, "hours", (Curve(name, points),), label, dots=len(known) == 1, unit=unit), latest, largest


Answer = Callable[[Request, "ApiClient"], Response]
Acting = Callable[[Request, "ApiClient", FormData], Response]
_FIELDS = 10
SILENCE = 86_400.0
"""Seconds without a report after which a device is called silent."""


def fleet_page(answer: Answer) -> Callable[[Request], Any]:
    """Return an endpoint for a function that reads a fleet; where no fleet can be read the page says what to do."""
    return page_of(lambda request: _with_client(request, lambda api: answer(request, api)))


def fleet_form(answer: Acting) -> Callable[[Request], Any]:
    """Return an endpoint for a function that takes a form and does something to a fleet."""

    async def endpoint(request: Request) -> Response:
        async with request.form(max_files=0, max_fields=_FIELDS, max_part_size=65_536) as form:
            return await run_in_threadpool(_with_client, request, lambda api: answer(request, api, form))

    return endpoint


def said(form: FormData, name: str, longest: int) -> str:
    """Return a field in one line."""
    return " ".join(text_of(form, name).split())[:longest]


def _with_client(request: Request, answer: Callable[[Any], Response]) -> Response:
    """Open the control plane for one page: the folder may be served, restored or moved while the studio runs."""
    folder = studio_of(request).fleet
    if folder is None:
        return render(request, "fleet_none.html", title="Fleet", missing="")
    try:
        client = import_module("edgewright.fleet.server.api.client")
    except ModuleNotFoundError as error:
        return render(request, "fleet_none.html", title="Fleet", missing=error.name or "a library", status=501)
    with client.local_client(folder) as api:
        return answer(api)

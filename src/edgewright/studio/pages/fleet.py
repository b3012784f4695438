"""Status of a fleet and its current rollout, and what all pages of a fleet share."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from markupsafe import Markup
from starlette.concurrency import run_in_threadpool

from edgewright.core.errors import InputError
from edgewright.core.measures import measures
from edgewright.fleet.protocol.api_records import Overview
from edgewright.fleet.protocol.plans.gates import ACTS, deciding, is_share, reason, title_of
from edgewright.fleet.protocol.rollout_records import (
    Events,
    MapState,
    RolloutMap,
    RolloutSeen,
    RolloutsSeen,
    StageDevices,
)
from edgewright.studio.access import user_of
from edgewright.studio.frame import Page, error_text, page_of, render, studio_of, text_of
from edgewright.studio.local_server import FormData, HTTPException, Request, Response
from edgewright.trace.blocks.charts import WRITERS, draw
from edgewright.trace.blocks.view_blocks import Chart, Curve

if TYPE_CHECKING:
    from edgewright.fleet.server.api.client import ApiClient

_HOUR = 3600.0
STATES: Mapping[MapState, str] = {
    "healthy": "healthy", "trial": "trying it", "allowed": "may begin", "failed": "failed", "silent": "silent",
    "returned": "rolled back", "waiting": "waiting",
}  # fmt: skip
"""Words of the states of devices in a rollout, in the order in which pages list them."""


@dataclass(frozen=True)
class Step:
    """A stage as it is fleet_map.

    Attributes:
        state: 'done', 'now', 'paused', 'ended' or 'later'.
        share: of its least time that has passed, from 0 to 1.
        left: seconds of it that are left at least.
        devices: their numbers by state, in words; empty if unknown.
    """

    name: str
    percent: float
    gated: bool
    dwell: float
    cohorts: tuple[str, ...]
    state: str
    share: float
    left: float
    devices: str = ""


def counts_text(stages: Sequence[StageDevices]) -> str:
    """Return the number of devices in each state over some stages: '9,996 waiting, 4 failed'."""
    sums = {state: sum(stage.states.get(state, 0) for stage in stages) for state in STATES}
    return ", ".join(f"{count:,} {STATES[state]}" for state, count in sums.items() if count) or "no device"


def steps(seen: RolloutSeen, now: float, devices: RolloutMap | None = None) -> list[Step]:
    """Return the stages of a rollout, with the states of their devices if they are given."""
    here = {"running": "now", "paused": "paused", "aborted": "ended", "finished": "done"}[seen.state]
    stages = []
    for index, stage in enumerate(seen.stages):
        state = "done" if index < seen.stage else here if index == seen.stage else "later"
        lasts = max(1.0, seen.due - seen.entered)
        share = min(1.0, max(0.0, (now - seen.entered) / lasts)) if state in ("now", "paused") else 0.0
        stages.append(
            Step(
                name=stage.name, percent=stage.percent, gated=stage.gated, dwell=stage.dwell, cohorts=stage.cohorts,
                state=state, share=1.0 if state == "done" else share, left=max(0.0, seen.due - now),
                devices="" if devices is None else counts_text(devices.stages[index : index + 1]),
            )
        )  # fmt: skip
    return stages


def line(name: str, values: Sequence[tuple[float, float]], unit: str) -> tuple[Chart, str, str] | None:
    """Return a chart of (time, value) pairs, oldest first, with the latest and the largest value as text.

    Args:
        name: name of the figure.
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


T = TypeVar("T")
Answer = Callable[[Request, "ApiClient"], Response]
Acting = Callable[[Request, "ApiClient", FormData], Response]
_FIELDS = 10
SILENCE = 86_400.0
"""Seconds without a report after which a device is called silent."""


def fleet_page(answer: Answer) -> Callable[[Request], Any]:
    """Return an endpoint for a function that reads a fleet; where no fleet can be read the page says what to do."""
    return page_of(lambda request: _with_client(request, lambda api: answer(request, api)))


def fleet_form(answer: Acting) -> Callable[[Request], Any]:
    """Return an endpoint for a function that takes a form and does something to the fleet that the form names."""

    async def endpoint(request: Request) -> Response:
        async with request.form(max_files=0, max_fields=_FIELDS, max_part_size=65_536) as form:
            return await run_in_threadpool(_with_client, request, lambda api: answer(request, api, form), form)

    return endpoint


def fleet_folder(request: Request, form: FormData | None = None) -> Path:
    """Return the folder of the fleet that a request reads or changes; it stays the same for the whole request.

    Raises:
        HTTPException: 404 where no fleet is shown; 409 where a form is of a page of another fleet.
    """
    folder: Path | None = getattr(request.state, "fleet", None) or studio_of(request).fleet
    if folder is None:
        raise HTTPException(404, "No fleet is shown.")
    if form is not None and text_of(form, "fleet") != str(folder):
        text = f"The studio now shows the fleet {folder.name}, and this form is of another one. Nothing was changed."
        raise HTTPException(409, text)
    request.state.fleet = folder
    return folder


def field_line(form: FormData, name: str, longest: int) -> str:
    """Return a field in one line."""
    return " ".join(text_of(form, name).split())[:longest]


def ask_named(request: Request, api: ApiClient, kind: type[T], key: str, pattern: str, address: str, word: str) -> T:
    """Return what the address of a page names, from an address of the API with `{}` for the name.

    Raises:
        HTTPException: 404 where there is none.
    """
    name = str(request.path_params[key])
    if not re.fullmatch(pattern, name):
        raise HTTPException(404, f"This fleet has no {word}.")
    try:
        return api.ask(kind, "GET", address.format(name))
    except InputError as error:
        raise HTTPException(404, error_text(error)) from None


def _with_client(request: Request, answer: Callable[[Any], Response], form: FormData | None = None) -> Response:
    """Open the control plane for one page: the folder may be served, restored or moved while the studio runs."""
    try:
        client = part_of_fleet("server.api.client")
    except ModuleNotFoundError as error:
        return no_fleet(request, missing=error.name or "a library", status=501)
    if studio_of(request).fleet is None:
        return no_fleet(request)
    user = user_of(request)
    with client.local_client(fleet_folder(request, form), user="" if user.is_owner else user.name) as api:
        return answer(api)


def part_of_fleet(name: str) -> Any:  # noqa: ANN401 - a module
    """Return a module of the room `fleet`, whose libraries the studio alone does not need."""
    return import_module(f"edgewright.fleet.{name}")


def no_fleet(request: Request, missing: str = "", *, status: int = 200) -> Response:
    """Return the page that says how to open a fleet, or which library is missing."""
    return render(request, "fleet_none.html", status=status, title="Fleet", missing=missing)


def shown(request: Request, api: ApiClient, seen: RolloutSeen) -> dict[str, Any]:
    """Return the template context of one rollout: states of devices, curves, why it stopped, and possible actions."""
    now = time.time()
    devices = api.ask(RolloutMap, "GET", f"/v1/fleet/rollouts/{seen.plan}/map")
    return {
        "seen": seen, "devices": counts_text(devices.stages), "outside": devices.outside,
        "steps": steps(seen, now, devices), "curves": curves(seen),
        "reason": reason(seen) if seen.state in ("paused", "aborted") else "",
        "acts": {name: act for name, act in ACTS.items() if act.fits(seen, now)},
    }  # fmt: skip


def _answer(request: Request, api: ApiClient) -> Response:
    overview = api.ask(Overview, "GET", "/v1/fleet/overview")
    rollouts = api.ask(RolloutsSeen, "GET", "/v1/fleet/rollouts").rollouts
    going = [rollout for rollout in rollouts if rollout.under_way] or list(rollouts[:1])
    first = api.ask(RolloutSeen, "GET", f"/v1/fleet/rollouts/{going[0].plan}") if going else None
    return render(
        request, "fleet.html", title="Fleet", overview=overview, others=going[1:],
        over=[rollout for rollout in rollouts if rollout not in going],
        shown=shown(request, api, first) if first is not None else {},
        events=api.ask(Events, "GET", "/v1/fleet/events?limit=15").events,
    )  # fmt: skip


_SPANS = (("seconds", 1.0), ("minutes", 60.0), ("hours", 3600.0))
"""Units of the time axis; the first in which the curve spans less than `_LONGEST`."""
_LONGEST, _FEW = 300.0, 12


def _unit_of(measure: str) -> str:
    """Return the key of `charts.WRITERS` for a gate's values."""
    unit = measures()[measure].unit.strip() if measure in measures() else ""
    return "share" if is_share(measure) else unit if unit in WRITERS else ""


def curves(seen: RolloutSeen) -> list[tuple[Chart, Markup, str, str]]:
    """Return a chart for every gate with values, the deciding one first, with the latest value and its limit."""
    first, charts = deciding(seen), []
    names = dict.fromkeys(measure for point in seen.history for measure in point.values)
    span = seen.history[-1].at - seen.started_at if seen.history else 0.0
    word, length = next((unit for unit in _SPANS if span < _LONGEST * unit[1]), _SPANS[-1])
    for measure in sorted(names, key=lambda measure: measure != first):
        unit = _unit_of(measure)
        known = [
            ((point.at - seen.started_at) / length, *point.values[measure])
            for point in seen.history
            if measure in point.values
        ]
        limits = [(at, limit) for at, _, limit in known if limit is not None]
        if not limits:
            continue
        values = tuple((at, value) for at, value, _ in known)
        latest, limit = WRITERS[unit](values[-1][1]), WRITERS[unit](limits[-1][1])
        pair = (Curve("devices on the release", values), Curve("limit", ((0.0, limits[0][1]), *limits)))
        label = f"{title_of(measure)}: {latest} now, the limit is {limit}"
        chart = Chart(title_of(measure), f"{word} since the start", pair, label, dots=len(values) < _FEW, unit=unit)
        charts.append((chart, draw(chart), latest, limit))
    return charts


PAGE = Page(
    {
        "/fleet": (fleet_page(_answer),),
    },
    tab="Fleet",
    rank=28,
    address="/fleet",
)

"""A fleet: the map of its rollout, where versions are, what needs a look; and what all pages of a fleet share."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool

from edgewright.fleet.protocol.plans.reasons import ACTS, reason
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_api import Overview
from edgewright.schema.fleet_watch import (
    Attention,
    Events,
    RolloutMap,
    RolloutSeen,
    RolloutsSeen,
    Spread,
    SpreadPart,
    Trait,
)
from edgewright.studio.access import user_of
from edgewright.studio.frame import Page, error_text, page_of, render, studio_of, text_of
from edgewright.studio.view.drawing import COLOURS
from edgewright.studio.view.fleet_map import STATES, FleetMap, StageMap, draw_map, symbol
from edgewright.studio.web import FormData, HTTPException, Request, Response
from edgewright.trace.blocks.charts import WRITERS
from edgewright.trace.blocks.view_blocks import Chart, Curve

if TYPE_CHECKING:
    from edgewright.fleet.server.api.client import ApiClient


from typing import cast

from markupsafe import Markup

from edgewright.core.measures import measures
from edgewright.fleet.protocol.plans.reasons import deciding, is_share, title_of
from edgewright.fleet.simulator.practice_processes import Practices
from edgewright.studio.frame import Studio
from edgewright.trace.blocks.charts import draw
from edgewright.trace.journal import FOLDER

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
    return {counter: index % COLOURS for index, counter in enumerate(sorted(set(counters), reverse=True))}


def pieces(counters: Mapping[int, int], known: Mapping[int, int]) -> list[Piece]:
    """Return the parts of a bar, the newest release first."""
    total, start, bar = sum(counters.values()) or 1, 0.0, []
    for counter, count in sorted(counters.items(), reverse=True):
        width = 100.0 * count / total
        bar.append(Piece(counter, count, round(start, 3), round(width, 3), known.get(counter, 0)))
        start += width
    return bar


@dataclass(frozen=True)
class Step:
    """A stage as it is fleet_map.

    Attributes:
        state: 'done', 'now', 'paused', 'ended' or 'later'.
        share: of its least time that has passed, from 0 to 1.
        left: seconds of it that are left at least.
        dots: its devices; None where nobody asked.
    """

    name: str
    percent: float
    gated: bool
    dwell: float
    cohorts: tuple[str, ...]
    state: str
    share: float
    left: float
    dots: StageMap | None = None


def steps(seen: RolloutSeen, now: float, fleet_map: FleetMap | None = None) -> list[Step]:
    """Return the stages of a rollout, with their devices where a map is given."""
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
                dots=fleet_map.stages[index] if fleet_map is not None else None,
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
    folder: Path | None = getattr(request.state, "fleet", None) or shown_fleet(studio_of(request))
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


def products_of(folder: Path) -> tuple[str, ...]:
    """Return the products of a fleet."""
    products: tuple[str, ...] = part_of_fleet("repository.folder").open_fleet(folder).settings.products
    return products


def _with_client(request: Request, answer: Callable[[Any], Response], form: FormData | None = None) -> Response:
    """Open the control plane for one page: the folder may be served, restored or moved while the studio runs."""
    try:
        client = part_of_fleet("server.api.client")
    except ModuleNotFoundError as error:
        return no_fleet(request, missing=error.name or "a library", status=501)
    if shown_fleet(studio_of(request)) is None:
        return no_fleet(request)
    user = user_of(request)
    with client.local_client(fleet_folder(request, form), user="" if user.is_owner else user.name) as api:
        return answer(api)


OPERATIONS = "repository.operations"


def part_of_fleet(name: str) -> Any:  # noqa: ANN401 - a module
    """Return a module of the room `fleet`, whose libraries the studio alone does not need."""
    return import_module(f"edgewright.fleet.{name}")


def practice_part() -> Any:  # noqa: ANN401 - a module
    """Return the module of fleets to practise with."""
    return part_of_fleet("simulator.practice")


def no_fleet(request: Request, problem: str = "", name: str = "", missing: str = "", *, status: int = 200) -> Response:
    """Return the page that creates a fleet, or says which library is missing."""
    return render(
        request, "fleet_none.html", status=status, title="Fleet", missing=missing, problem=problem, name=name,
        others=fleets(studio_of(request)),
    )  # fmt: skip


TRAITS: dict[str, str] = {
    "tag": "Tag", "profile": "Hardware profile", "product": "Product", "batch": "Enrolment batch",
    "version": "Edgewright there", "phase": "Phase",
}  # fmt: skip
_SORTS = {"name": "", "devices": "num", "newest": "num"}
LISTS = (
    ("behind", "Behind its rollout", "for"), ("unknown", "Unknown release", "release"),
    ("faulty", "Download fails", "attempts"), ("stale", "Old metadata", "aged"),
    ("drifting", "Drift", "share of channels"), ("alarming", "Alarms", "a day"), ("crashing", "Crashes", "a day"),
    ("silent", "Silent", "no report for"), ("quarantined", "In quarantine", "for"),
)  # fmt: skip


def shown(request: Request, api: ApiClient, seen: RolloutSeen) -> dict[str, Any]:
    """Return what the templates need to show one rollout: its map, its curves, why it stopped, what can be done."""
    now = time.time()
    fleet_map = draw_map(api.ask(RolloutMap, "GET", f"/v1/fleet/rollouts/{seen.plan}/map"))
    return {
        "seen": seen, "map": fleet_map, "steps": steps(seen, now, fleet_map), "curves": curves(seen), "symbol": symbol,
        "reason": reason(seen) if seen.state in ("paused", "aborted") else "", "states": STATES,
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
        shown=shown(request, api, first) if first is not None else {}, practice=_practice_of(request),
        fleet=fleet_folder(request), products=products_of(fleet_folder(request)),
        events=api.ask(Events, "GET", "/v1/fleet/events?limit=15").events,
    )  # fmt: skip


def _practice_of(request: Request) -> dict[str, Any]:
    """Return what is said of simulated devices; nothing for a fleet of real ones."""
    folder = fleet_folder(request)
    settings = practice_part().practice_settings(folder)
    if settings is None:
        return {}
    practices = practices_of(studio_of(request))
    return {
        "devices": settings.devices, "running": practices.running(folder), "trouble": practices.trouble(folder)
    }  # fmt: skip


def _attention(request: Request, api: ApiClient) -> Response:
    return render(
        request, "fleet_attention.html", title="Needs attention", lists=LISTS,
        overview=api.ask(Overview, "GET", "/v1/fleet/overview"),
        attention=api.ask(Attention, "GET", f"/v1/fleet/attention?limit=5&silence={SILENCE:g}"),
    )  # fmt: skip


def _versions(request: Request, api: ApiClient) -> Response:
    query_parameters = request.query_params
    by = query_parameters.get("by", "tag") if query_parameters.get("by") in get_args(Trait) else "tag"
    overview = api.ask(Overview, "GET", "/v1/fleet/overview")
    product = query_parameters.get("product", "") if query_parameters.get("product") in overview.counters else ""
    query = urlencode({"by": by, "limit": 200, **({"product": product} if product else {})})
    spread = api.ask(Spread, "GET", f"/v1/fleet/spread?{query}")
    counters = {counter for part in spread.parts for counter in part.counters}
    # A device may report a number that nobody published.
    rolled_out = {rollout.counter for rollout in api.ask(RolloutsSeen, "GET", "/v1/fleet/rollouts").rollouts}
    newest, known = max(counters & rolled_out or counters, default=0), colours(sorted(counters))
    sort = query_parameters.get("sort", "devices") if query_parameters.get("sort") in _SORTS else "devices"
    down = query_parameters.get("order", "down") != "up"
    ordered = _sorted(spread.parts, sort, down, newest)
    return render(
        request, "fleet_versions.html", title="Versions", overview=overview, product=product, by=by, traits=TRAITS,
        spread=spread, parts=[(part, pieces(part.counters, known)) for part in ordered], known=known, sort=sort,
        down=down, sorts=_SORTS, newest=newest, address=_address(by, product, sort, down),
    )  # fmt: skip


def _sorted(parts: tuple[SpreadPart, ...], sort: str, down: bool, newest: int) -> list[SpreadPart]:
    keys = {
        "name": lambda part: part.value.lower(),
        "devices": lambda part: part.total,
        "newest": lambda part: part.counters.get(newest, 0) / max(1, part.total),
    }
    return sorted(sorted(parts, key=keys["name"]), key=keys[sort], reverse=down)


class _address:  # noqa: N801 - called like a function by the template
    """The page's own address with something changed."""

    def __init__(self, by: str, product: str, sort: str, down: bool) -> None:
        self._now = {"by": by, "product": product, "sort": sort, "order": "" if down else "up"}

    def __call__(self, **changes: str) -> str:
        """With `changes`; what is as usual is left out."""
        usual = {"by": "tag", "sort": "devices"}
        record = {k: v for k, v in {**self._now, **changes}.items() if v and usual.get(k) != v}
        return f"/fleet/versions?{urlencode(record)}" if record else "/fleet/versions"

    def column(self, name: str) -> str:
        """Of a heading: the other way round where it is sorted by it already."""
        now_down = self._now["order"] == ""
        down = not now_down if name == self._now["sort"] else name != "name"
        return self(sort=name, order="" if down else "up")


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


def fleets(studio: Studio) -> list[Path]:
    """Return folders of fleets that the studio created, the newest first; no other page of the studio serves them."""
    folder = studio.folder / FOLDER / "fleets"
    known = [path for path in folder.glob("*") if (path / "fleet.toml").is_file()] if folder.is_dir() else []
    return sorted(known, key=lambda path: (path / "fleet.toml").stat().st_mtime, reverse=True)


def shown_fleet(studio: Studio) -> Path | None:
    """Return the fleet that the pages show: the chosen one, else the newest that the studio created."""
    return studio.fleet or next(iter(fleets(studio)), None)


def new_folder(studio: Studio, name: str) -> Path:
    """Return where a new fleet goes.

    Raises:
        InputError: a name with other characters, or one that is in use.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,40}", name):
        raise InputError("a name of small letters, digits and '-'", repr(name), "name of the fleet")
    folder = studio.folder / FOLDER / "fleets" / name
    if folder.exists():
        raise InputError("a name that is not in use", name, "name of the fleet", "Choose another one")
    return folder


def practices_of(studio: Studio) -> Practices:
    """Return the processes of a studio."""
    return cast(Practices, studio.shared.setdefault("practices", Practices()))


PAGE = Page(
    {
        "/fleet": (fleet_page(_answer),),
        "/fleet/attention": (fleet_page(_attention),),
        "/fleet/versions": (fleet_page(_versions),),
    },
    tab="Fleet",
    rank=28,
    address="/fleet",
)

"""A fleet: where versions are, how rollouts go on, what needs a look, what happened last."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgewright.schema.fleet_api import Overview
from edgewright.schema.fleet_watch import Attention, Events, RolloutsSeen, Spread, SpreadPart, Trait
from edgewright.studio.frame import render
from edgewright.studio.pages import Page
from edgewright.studio.view.fleet import SILENCE, colours, fleet_page, pieces, steps

if TYPE_CHECKING:
    from edgewright.fleet.server.api.client import ApiClient

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


def _answer(request: Request, api: ApiClient) -> Response:
    said = request.query_params
    by = said.get("by", "tag") if said.get("by") in get_args(Trait) else "tag"
    overview = api.ask(Overview, "GET", "/v1/fleet/overview")
    product = said.get("product", "") if said.get("product") in overview.counters else ""
    query = urlencode({"by": by, "limit": 200, **({"product": product} if product else {})})
    spread = api.ask(Spread, "GET", f"/v1/fleet/spread?{query}")
    rollouts = api.ask(RolloutsSeen, "GET", "/v1/fleet/rollouts").rollouts
    going = [one for one in rollouts if one.under_way] or list(rollouts[:1])
    attention = api.ask(Attention, "GET", f"/v1/fleet/attention?limit=5&silence={SILENCE:g}")
    counters = [counter for part in spread.parts for counter in part.counters]
    newest = max({*counters} - {device.counter for device in attention.unknown}, default=0)
    known, now = colours(counters), time.time()
    sort = said.get("sort", "devices") if said.get("sort") in _SORTS else "devices"
    down = said.get("order", "down") != "up"
    ordered = _sorted(spread.parts, sort, down, newest)
    return render(
        request, "fleet.html", title="Fleet", overview=overview, product=product, by=by, traits=TRAITS, spread=spread,
        parts=[(part, pieces(part.counters, known)) for part in ordered], known=known, sort=sort, down=down,
        sorts=_SORTS, going=[(one, steps(one, now)) for one in going],
        over=[one for one in rollouts if one not in going], lists=LISTS,
        attention=attention,
        events=api.ask(Events, "GET", "/v1/fleet/events?limit=15").events,
        newest=newest, address=_address(by, product, sort, down),
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
        return f"/fleet?{urlencode(record)}" if record else "/fleet"

    def column(self, name: str) -> str:
        """Of a heading: the other way round where it is sorted by it already."""
        now_down = self._now["order"] == ""
        down = not now_down if name == self._now["sort"] else name != "name"
        return self(sort=name, order="" if down else "up") + "#versions"


PAGE = Page(routes=(Route("/fleet", fleet_page(_answer), methods=["GET"]),), tab="Fleet", rank=28, address="/fleet")

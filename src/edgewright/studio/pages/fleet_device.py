"""A device of a fleet: why it is where it is, how it does, what happened to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgewright.core.measures import columns, meaning, measures
from edgewright.schema.boards import WORDS
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_api import DeviceHistory, ReportSeen
from edgewright.schema.fleet_watch import Events, Whereabouts
from edgewright.studio.frame import render, told
from edgewright.studio.pages import Page
from edgewright.studio.view.fleet import fleet_page, line
from edgewright.trace.charts import WRITERS, draw
from edgewright.trace.view_blocks import Chart

if TYPE_CHECKING:
    from edgewright.fleet.server.api.client import ApiClient

_REPORTS, _SHOWN = 500, 25


def _answer(request: Request, api: ApiClient) -> Response:
    name = str(request.path_params["id"])
    if not re.fullmatch(r"[0-9a-f]{32}", name):
        raise HTTPException(404, "This fleet has no device with that id.")
    path = f"/v1/fleet/devices/{name}"
    try:
        history = api.ask(DeviceHistory, "GET", f"{path}?limit={_REPORTS}")
    except InputError as error:
        raise HTTPException(404, told(error)) from None
    return render(
        request, "fleet_device.html", title=history.device.name, device=history.device,
        where=api.ask(Whereabouts, "GET", f"{path}/whereabouts"),
        events=api.ask(Events, "GET", f"/v1/fleet/events?device={name}&limit=40").events,
        words=WORDS, reports=history.reports[:_SHOWN], count=len(history.reports),
        lines=[(chart, draw(chart), *texts) for chart, *texts in lines(history.reports)],
    )  # fmt: skip


def lines(reports: tuple[ReportSeen, ...]) -> list[tuple[Chart, str, str]]:
    """Return what is drawn over the reports that came with vitals; they come newest first."""
    known = [(one.at, columns(one.vitals)) for one in reversed(reports) if one.vitals is not None]
    drawn = []
    for name, measure in measures().items():
        values = [(at, value) for at, numbers in known if (value := measure.value(numbers)) is not None]
        unit = "share" if measure.is_fraction else measure.unit.strip()
        drawn.append(line(meaning(name), values, unit if unit in WRITERS else ""))
    return [one for one in drawn if one is not None]


PAGE = Page(routes=(Route("/fleet/device/{id:str}", fleet_page(_answer), methods=["GET"]),), rank=72)

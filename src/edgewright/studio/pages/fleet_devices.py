"""The devices of a fleet, filtered, sorted and paged through the address; and one device with its reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlencode

from edgewright.core.errors import EdgewrightError
from edgewright.core.measures import columns, meaning, measures
from edgewright.core.records.fleet import WORDS, Phase
from edgewright.fleet.protocol.api_records import DeviceHistory, DevicePage, Overview, ReportSeen, Retried, Retry
from edgewright.fleet.protocol.rollout_records import Events, Whereabouts
from edgewright.studio.frame import Page, error_text, render
from edgewright.studio.local_server import FormData, RedirectResponse, Request, Response
from edgewright.studio.pages.fleet import ask_named, fleet_folder, fleet_form, fleet_page, line
from edgewright.trace.blocks.charts import WRITERS, draw
from edgewright.trace.blocks.view_blocks import Chart

if TYPE_CHECKING:
    from edgewright.fleet.server.api.client import ApiClient

_REPORTS, _SHOWN = 500, 25


def _history(request: Request, api: ApiClient) -> DeviceHistory:
    address = f"/v1/fleet/devices/{{}}?limit={_REPORTS}"
    return ask_named(request, api, DeviceHistory, "id", r"[0-9a-f]{32}", address, "device with that id")


def _device(request: Request, api: ApiClient) -> Response:
    history = _history(request, api)
    name = history.device.id
    events = api.ask(Events, "GET", f"/v1/fleet/events?device={name}&limit=40").events
    failed = any(event.kind == "outcome" and event.text.startswith(("reverted", "refused")) for event in events)
    return render(
        request, "fleet_device.html", title=history.device.name, device=history.device,
        where=api.ask(Whereabouts, "GET", f"/v1/fleet/devices/{name}/whereabouts"),
        events=events, failed=failed, done=request.query_params.get("done") == "retry",
        words=WORDS, reports=history.reports[:_SHOWN], count=len(history.reports),
        lines=[(chart, draw(chart), *texts) for chart, *texts in lines(history.reports)],
    )  # fmt: skip


def _retry(request: Request, api: ApiClient, problem: str = "", *, status: int = 200) -> Response:
    """Return the second look before a device tries a release again."""
    device = _history(request, api).device
    return render(
        request, "fleet_retry.html", status=status, title=f"Retry {device.name}", device=device, problem=problem,
        fleet=fleet_folder(request),
    )  # fmt: skip


def _retried(request: Request, api: ApiClient, form: FormData) -> Response:
    device = _history(request, api).device
    try:
        api.ask(Retried, "POST", f"/v1/fleet/devices/{device.id}/retry", Retry())
    except EdgewrightError as error:
        return _retry(request, api, error_text(error), status=409)
    return RedirectResponse(f"/fleet/device/{device.id}?done=retry", 303)


def lines(reports: tuple[ReportSeen, ...]) -> list[tuple[Chart, str, str]]:
    """Return what is drawn over the reports that came with vitals; they come newest first."""
    known = [(report.at, columns(report.vitals)) for report in reversed(reports) if report.vitals is not None]
    charts = []
    for name, measure in measures().items():
        values = [(at, value) for at, numbers in known if (value := measure.value(numbers)) is not None]
        unit = "share" if measure.is_fraction else measure.unit.strip()
        charts.append(line(meaning(name), values, unit if unit in WRITERS else ""))
    return [report for report in charts if report is not None]


A_PAGE = 50
COLUMNS = (
    ("name", "Device", ""), ("", "Profile and tags", ""), ("counter", "Release", "num"), ("", "Phase", ""),
    ("", "Rollout", ""), ("last", "Heard", ""), ("", "Why it is there", ""),
)  # fmt: skip
SILENT = {"": "any time", "3600": "not for 1 h", "86400": "not for 1 d", "604800": "not for 7 d"}
_ORDERS = ("name", "counter", "last")


@dataclass(frozen=True)
class View:
    """What the address asks for; what it says wrongly counts as unsaid.

    Attributes:
        name: that a device's name begins with.
        order: a column; `down` is the largest first.
        page: from 1.
    """

    name: str = ""
    product: str = ""
    tag: str = ""
    profile: str = ""
    phase: str = ""
    plan: str = ""
    counter: str = ""
    silent: str = ""
    order: str = "name"
    down: bool = False
    page: int = 1

    def address(self, **changes: object) -> str:
        """Return the list's address with something changed."""
        values = {**vars(self), **changes}
        record = {k: v for k, v in values.items() if k not in ("order", "down", "page") and v}
        if values["order"] != "name" or values["down"]:
            record["order"] = f"{'-' if values['down'] else ''}{values['order']}"
        if values["page"] != 1:
            record["page"] = values["page"]
        return f"/fleet/devices?{urlencode(record)}" if record else "/fleet/devices"

    def sorted_by(self, column: str) -> str:
        """Return the address of a column's heading."""
        return self.address(order=column, down=not self.down if column == self.order else column != "name", page=1)

    def query(self) -> str:
        """Return the query for the control plane."""
        record: dict[str, object] = {
            k: getattr(self, k)[:64] for k in ("name", "product", "tag", "profile", "plan") if getattr(self, k)
        }
        if self.phase == "quarantined":
            record["quarantined"] = "yes"
        elif self.phase:
            record |= {"phase": self.phase, "quarantined": "no"}
        if self.counter:
            record["counter"] = self.counter
        if self.silent:
            record["silent"] = self.silent
        order = f"{'-' if self.down else ''}{self.order}"
        return urlencode({**record, "order": order, "limit": A_PAGE, "after": (self.page - 1) * A_PAGE})


def view_of(request: Request) -> View:
    """Return what an address asks for."""
    query = request.query_params
    order, page, counter = query.get("order", "name"), query.get("page", "1"), query.get("counter", "")
    texts = {name: query.get(name, "").strip()[:64] for name in ("name", "product", "tag", "profile", "plan")}
    return View(
        **texts, phase=query.get("phase", "") if query.get("phase") in get_args(Phase) else "",
        counter=counter if counter.isascii() and counter.isdecimal() and len(counter) < 16 else "",
        silent=query.get("silent", "") if query.get("silent") in SILENT else "",
        order=order.lstrip("-") if order.lstrip("-") in _ORDERS else "name", down=order.startswith("-"),
        page=int(page) if page.isascii() and page.isdecimal() and 0 < len(page) < 7 and int(page) > 0 else 1,
    )  # fmt: skip


def _answer(request: Request, api: ApiClient) -> Response:
    view = view_of(request)
    devices = api.ask(DevicePage, "GET", f"/v1/fleet/devices?{view.query()}")
    overview = api.ask(Overview, "GET", "/v1/fleet/overview")
    releases = sorted({c for counters in overview.counters.values() for c in counters}, reverse=True)
    return render(
        request, "fleet_devices.html", title="Devices", view=view, device_page=devices, overview=overview,
        columns=COLUMNS, releases=releases, phases=get_args(Phase), silents=SILENT,
        pages=max(1, -(-devices.total // A_PAGE)),
        filtered=view.address(order="name", down=False, page=1) != "/fleet/devices",
    )  # fmt: skip


PAGE = Page(
    {
        "/fleet/devices": (fleet_page(_answer),),
        "/fleet/device/{id:str}": (fleet_page(_device),),
        "/fleet/device/{id:str}/retry": (fleet_page(_retry), fleet_form(_retried)),
    },
    rank=71,
)

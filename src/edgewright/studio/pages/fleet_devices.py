"""The devices of a fleet: filtered, sorted and paged through the address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgewright.schema.fleet_api import DevicePage, Overview
from edgewright.schema.fleet_report import Phase
from edgewright.studio.frame import render
from edgewright.studio.pages import Page
from edgewright.studio.view.fleet import fleet_page

if TYPE_CHECKING:
    from edgewright.fleet.server.api.client import ApiClient

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

    def asked(self) -> str:
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
        **texts,
        phase=query.get("phase", "") if query.get("phase") in get_args(Phase) else "",
        counter=counter if counter.isascii() and counter.isdecimal() and len(counter) < 16 else "",
        silent=query.get("silent", "") if query.get("silent") in SILENT else "",
        order=order.lstrip("-") if order.lstrip("-") in _ORDERS else "name",
        down=order.startswith("-"),
        page=int(page) if page.isascii() and page.isdecimal() and 0 < len(page) < 7 and int(page) > 0 else 1,
    )


def _answer(request: Request, api: ApiClient) -> Response:
    view = view_of(request)
    found = api.ask(DevicePage, "GET", f"/v1/fleet/devices?{view.asked()}")
    overview = api.ask(Overview, "GET", "/v1/fleet/overview")
    releases = sorted({c for counters in overview.counters.values() for c in counters}, reverse=True)
    return render(
        request, "fleet_devices.html", title="Devices", view=view, found=found, overview=overview, columns=COLUMNS,
        releases=releases, phases=get_args(Phase), silents=SILENT, pages=max(1, -(-found.total // A_PAGE)),
        filtered=view.address(order="name", down=False, page=1) != "/fleet/devices",
    )  # fmt: skip


PAGE = Page(routes=(Route("/fleet/devices", fleet_page(_answer), methods=["GET"]),), rank=71)

"""Endpoints for monitoring a fleet: versions, devices that need attention, reasons for a phase, recent events."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import sqlalchemy as sa

from edgewright.fleet.protocol.rollout_records import Attention, Events, Spread, Trait, Whereabouts
from edgewright.fleet.server import views
from edgewright.fleet.server.database.tables import devices
from edgewright.fleet.server.device_access import enrolled
from edgewright.fleet.server.endpoint import DEVICE_ID, Call, Endpoint
from edgewright.fleet.server.views import fleet_lag

_Product = Annotated[str, msgspec.Meta(max_length=64)]


class By(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Trait to group by, for one product or for all."""

    by: Trait = "tag"
    product: _Product = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50


class Look(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Number of devices in each list, and seconds without a report after which a device is silent."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 10
    silence: Annotated[float, msgspec.Meta(ge=1.0, le=1e9)] = 86_400.0


class Last(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Number of events, with optional filters for a plan, a device, and alarms."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 50
    plan: _Product = ""
    device: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{32})?$")] = ""
    kind: Literal["", "alarm"] = ""


async def _spread(call: Call) -> Spread:
    grouping: By = call.query
    return await call.read(lambda c: views.spread(c, grouping.by, grouping.product, grouping.limit))


async def _attention(call: Call) -> Attention:
    look: Look = call.query
    now = call.now
    return await call.read(lambda c: views.attention(c, now, look.limit, look.silence, fleet_lag(call.plane, c)))


async def _events(call: Call) -> Events:
    last: Last = call.query
    events = await call.read(lambda c: views.events(c, last.limit, plan=last.plan, device=last.device, kind=last.kind))
    return Events(events=events)


async def _whereabouts(call: Call) -> Whereabouts:
    name, now = call.path["id"], call.now

    def read(connection: sa.Connection) -> Whereabouts:
        return views.whereabouts(connection, enrolled(connection, name, sa.select(devices))._mapping, now)

    return await call.read(read)


ENDPOINTS = (
    Endpoint("GET", "/v1/fleet/spread", "Versions by a trait.", "viewer", _spread, Spread, query=By),
    Endpoint(
        "GET", "/v1/fleet/attention", "Devices that drift, alarm, crash, are silent, behind or in quarantine.",
        "viewer", _attention, Attention, query=Look,
    ),
    Endpoint("GET", "/v1/fleet/events", "Recent events.", "viewer", _events, Events, query=Last),
    Endpoint(
        "GET", "/v1/fleet/devices/{id}/whereabouts", "Why a device is in its phase.",
        "viewer", _whereabouts, Whereabouts, parameters=DEVICE_ID, errors=(404,),
    ),
)  # fmt: skip

"""Endpoints for operators to list and inspect devices."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa

from edgewright.core.errors import RequestError
from edgewright.core.measures import COUNTS, added
from edgewright.core.records.fleet import Vitals
from edgewright.fleet.protocol.api_records import (
    DeviceHistory,
    DevicePage,
    DeviceSeen,
    ItemSeen,
    Order,
    OutcomeSeen,
    Overview,
    ReportSeen,
)
from edgewright.fleet.protocol.plans.decision import lasting
from edgewright.fleet.server.database.tables import boards_of, devices, items, outcomes, reports, vitals
from edgewright.fleet.server.device_access import enrolled
from edgewright.fleet.server.endpoint import DEVICE_ID, Call, Endpoint
from edgewright.fleet.server.retention import backlog
from edgewright.fleet.server.views import Lag, lag_of


class _Cursor(msgspec.Struct, frozen=True, array_like=True):
    order: str
    value: str | int | float | None
    id: str


def cursor(order: str, value: str | float | None, name: str) -> str:
    """Encode the position after a row as URL-safe text."""
    return base64.urlsafe_b64encode(msgspec.json.encode(_Cursor(order, value, name))).decode().rstrip("=")


def read_cursor(text: str, order: str) -> tuple[Any, str]:
    """Decode a position into value and id.

    Raises:
        InputError: the text is not a cursor, or belongs to another order.
    """
    expected = f"a cursor of a list in the order {order!r}"
    try:
        location = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Cursor)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise RequestError(expected, repr(text[:80]), "past") from None
    if location.order != order:
        raise RequestError(expected, f"one in the order {location.order!r}", "past")
    return location.value, location.id


def ordered(column: sa.ColumnElement[Any], name: sa.ColumnElement[str], *, down: bool) -> tuple[Any, ...]:
    """Return the ORDER BY expressions."""
    if down:
        return (column.desc().nulls_last(), name.desc())
    return (column.asc().nulls_first(), name.asc())


def behind(
    column: sa.ColumnElement[Any], name: sa.ColumnElement[str], location: tuple[Any, str], *, down: bool
) -> sa.ColumnElement[bool]:
    """Return the condition for rows after a position."""
    value, last = location
    if value is None:
        rest = name < last if down else name > last
        without = sa.and_(column.is_(None), rest)
        return without if down else sa.or_(without, column.is_not(None))
    both, seen = sa.tuple_(column, name), sa.tuple_(sa.literal(value), sa.literal(last))
    return sa.or_(both < seen, column.is_(None)) if down else both > seen


_HOUR = 3600.0
_Short = Annotated[str, msgspec.Meta(max_length=64)]
_ORDERS = {
    "name": devices.c.name, "counter": devices.c.counter, "last": devices.c.last_report_at,
    "enrolled": devices.c.enrolled_at,
}  # fmt: skip
_Limit = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filters for devices; empty filters do not apply, except that without `status` retired devices are omitted.

    `silent`: minimum seconds since the last report.

    `past`: cursor of the previous page; `after`: instead of it, the number of devices to skip, which is slower.
    """

    product: _Short = ""
    tag: _Short = ""
    profile: _Short = ""
    phase: _Short = ""
    plan: _Short = ""
    name: _Short = ""
    counter: Annotated[int, msgspec.Meta(ge=-1, le=2**53)] = -1
    quarantined: Literal["", "yes", "no"] = ""
    status: Literal["", "active", "blocked", "retired", "any"] = ""
    silent: Annotated[float, msgspec.Meta(ge=0.0, le=1e9)] = 0.0
    order: Order = "name"
    limit: _Limit = 100
    after: Annotated[int, msgspec.Meta(ge=0, le=100_000_000)] = 0
    past: Annotated[str, msgspec.Meta(max_length=400)] = ""


class Depth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Number of reports, outcomes and items to return, of each kind."""

    limit: _Limit = 50


async def _list(call: Call) -> DevicePage:
    filters: Wanted = call.query
    conditions = _conditions(filters, call.now)
    column, down = _ORDERS[filters.order.lstrip("-")], filters.order.startswith("-")
    rows = _seen().where(*conditions).order_by(*ordered(column, devices.c.id, down=down)).limit(filters.limit)
    if filters.past:
        rows = rows.where(behind(column, devices.c.id, read_cursor(filters.past, filters.order), down=down))
    else:
        rows = rows.offset(filters.after)
    count = sa.select(sa.func.count()).select_from(devices).where(*conditions)

    def read(connection: sa.Connection) -> tuple[int, list[Any], Lag]:
        return connection.execute(count).scalar_one(), list(connection.execute(rows)), lag_of(call.plane, connection)

    total, page, lag = await call.read(read)
    after = filters.after + len(page)
    more = after < total and bool(page) if not filters.past else len(page) == filters.limit
    return DevicePage(
        devices=tuple(_device(row, lag) for row in page), total=total,
        next=after if more and not filters.past else None,
        cursor=cursor(filters.order, page[-1]._mapping[column.name], page[-1].id) if more else None,
    )  # fmt: skip


def _conditions(filters: Wanted, now: float) -> list[sa.ColumnElement[bool]]:
    equal = {name: getattr(filters, name) for name in ("product", "profile", "phase", "plan")}
    conditions = [devices.c[name] == value for name, value in equal.items() if value]
    if not filters.status:
        conditions.append(devices.c.status != "retired")
    elif filters.status != "any":
        conditions.append(devices.c.status == filters.status)
    if filters.tag:
        conditions.append(sa.type_coerce(devices.c.tags, sa.Text).contains(f",{filters.tag},", autoescape=True))
    if filters.name:
        conditions.append(devices.c.name.startswith(filters.name, autoescape=True))
    if filters.counter >= 0:
        conditions.append(devices.c.counter == filters.counter)
    if filters.quarantined:
        conditions.append(devices.c.quarantined == (filters.quarantined == "yes"))
    if filters.silent:
        last = sa.func.coalesce(devices.c.last_report_at, devices.c.enrolled_at)
        conditions.append(last <= now - filters.silent)
    return conditions


def _seen() -> sa.Select[Any]:
    reported = [column.label(f"said_{column.name}") for column in vitals.c]
    return sa.select(devices, *reported).select_from(devices.outerjoin(vitals, vitals.c.device == devices.c.id))


def _device(row: Any, lag: Lag) -> DeviceSeen:  # noqa: ANN401 - a row of `_seen`
    columns = row._mapping
    late = lag.late(columns)
    return DeviceSeen(
        id=row.id, name=row.name, product=row.product, profile=row.profile, tags=row.tags, batch=row.batch,
        enrolled=row.enrolled_at, version=row.version, counter=row.counter, floor=row.floor,
        phase=_phase(row), status=row.status, plan=row.plan, stage=row.stage, why=row.why,
        last=row.last_report_at, skew=row.skew, quarantined=row.quarantined, quarantine_reason=row.quarantine_reason,
        vitals=None if row.said_device is None else counted(columns, "said_"),
        boards=boards_of(row.boards), signed=row.signed, transport_faults=row.transport_faults,
        transport_fault=row.transport_fault, unknown=lag.unknown(columns),
        behind=f"release {late.counter} of {late.plan} for {lasting(late.seconds)}" if late else "",
    )  # fmt: skip


def _phase(row: Any) -> str:  # noqa: ANN401 - a row of devices
    if row.status != "active":
        return str(row.status)
    return "quarantined" if row.quarantined else str(row.phase)


def counted(row: Any, prefix: str = "") -> Vitals:  # noqa: ANN401 - a row with the columns of vitals
    """Return vitals from their columns."""
    detail = msgspec.json.decode(row[f"{prefix}detail"])
    measured = {name: row[prefix + name] for name in added() if row[prefix + name]}
    return Vitals(
        **{name: row[prefix + name] for name in COUNTS}, measured=measured or msgspec.UNSET,
        latency=(row[f"{prefix}latency_p50"], row[f"{prefix}latency_p99"]),
        drifting=tuple(detail.get("drifting", ())), classes=detail.get("classes", {}),
    )  # fmt: skip


async def _history(call: Call) -> DeviceHistory:
    name, limit = call.path["id"], call.query.limit

    def read(connection: sa.Connection) -> DeviceHistory:
        lag = lag_of(call.plane, connection)
        return DeviceHistory(
            device=_device(enrolled(connection, name, _seen()), lag), **_reported(connection, name, limit)
        )

    return await call.read(read)


def _reported(connection: sa.Connection, name: str, limit: int) -> dict[str, Any]:
    def newest(table: sa.Table, *order: sa.ColumnElement[Any]) -> list[Any]:
        return list(connection.execute(sa.select(table).where(table.c.device == name).order_by(*order).limit(limit)))

    return {
        "outcomes": tuple(
            msgspec.convert({str(k): v for k, v in r._mapping.items() if k != "device"}, OutcomeSeen)
            for r in newest(outcomes, outcomes.c.number.desc())
        ),
        "reports": tuple(
            ReportSeen(
                at=r.at, clock=r.clock, sequence=r.sequence, counter=r.counter, floor=r.floor, phase=r.phase,
                plan=r.plan, stage=r.stage, vitals=counted(r._mapping) if r.model else None,
            )
            for r in newest(reports, reports.c.sequence.desc())
        ),
        "items": tuple(
            ItemSeen(boot=r.boot, sequence=r.sequence, kind=r.kind, at=r.at, body=msgspec.json.decode(r.body))
            for r in newest(items, items.c.boot.desc(), items.c.sequence.desc())
        ),
    }  # fmt: skip


async def _overview(call: Call) -> Overview:
    since = call.now - _HOUR

    def read(connection: sa.Connection) -> Overview:
        count = sa.func.count()
        reported = sa.select(count).where(devices.c.last_report_at >= since)
        shut = sa.select(count).where(devices.c.quarantined, devices.c.status == "active")
        counters: dict[str, dict[int, int]] = {}
        here = devices.c.status != "retired"
        kinds = (devices.c.product, devices.c.counter, devices.c.phase)
        phases = Counter[str]()
        grouped = sa.select(*kinds, count).where(here).group_by(*kinds)
        for product, counter, phase, number in connection.execute(grouped):
            releases = counters.setdefault(product, {})
            releases[counter] = releases.get(counter, 0) + number
            phases[phase] += number
        return Overview(
            devices=sum(n for per_release in counters.values() for n in per_release.values()),
            counters=counters, phases=dict(phases),
            reporting=connection.execute(reported).scalar_one(), quarantined=connection.execute(shut).scalar_one(),
            history_due=backlog(connection, call.plane.limits.keep, call.now),
        )  # fmt: skip

    return await call.read(read)


ENDPOINTS = (
    Endpoint("GET", "/v1/fleet/devices", "Devices, filtered and in order.", "viewer", _list, DevicePage, query=Wanted),
    Endpoint("GET", "/v1/fleet/overview", "Counts over the fleet.", "viewer", _overview, Overview),
    Endpoint(
        "GET", "/v1/fleet/devices/{id}", "A device with its reports.",
        "viewer", _history, DeviceHistory, query=Depth, parameters=DEVICE_ID,
    ),
)  # fmt: skip

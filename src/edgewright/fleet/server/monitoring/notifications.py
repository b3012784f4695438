"""What needs a look: devices that drift, alarm or crash by their latest report, and those that are silent or shut out.

Devices in quarantine are in that list only: what they say is not to be believed.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.server.database.tables import devices, vitals
from edgewright.schema.fleet_watch import Attention, Noticed

_Kind = tuple[sa.Column[Any], Any, list[Any]]
_LEAST = 60.0
"""Seconds of rows below which a rate a day is not worked out as if they were fewer."""


def attention(connection: sa.Connection, now: float, limit: int, silence: float) -> Attention:
    """The worst of each kind, and how many there are.

    Args:
        connection: to read from.
        now: seconds since 1970.
        limit: devices of each kind.
        silence: seconds without a report.
    """
    share = sa.cast(vitals.c.drifting, sa.Double) / sa.case((vitals.c.channels > 0, vitals.c.channels), else_=1)
    days = sa.case((vitals.c.seconds > _LEAST, vitals.c.seconds), else_=_LEAST) / DAY
    last = sa.func.coalesce(devices.c.last_report_at, devices.c.enrolled_at)
    # One table each, and those shut out by name, who are few: joined, a database begins with the wrong one of them.
    shut = devices.c.quarantined.is_(True)
    good = vitals.c.device.not_in(sa.select(devices.c.id).where(shut))
    quiet = [devices.c.quarantined.is_(False), last <= now - silence]
    kinds: dict[str, _Kind] = {
        "drifting": (vitals.c.device, share, [vitals.c.drifting > 0, good]),
        "alarming": (vitals.c.device, vitals.c.alarms / days, [vitals.c.alarms > 0, good]),
        "crashing": (vitals.c.device, vitals.c.crashes / days, [vitals.c.crashes > 0, good]),
        "silent": (devices.c.id, now - last, quiet),
        "quarantined": (devices.c.id, now - devices.c.quarantined_at, [shut]),
    }
    worst: dict[str, dict[str, float]] = {}
    totals: dict[str, int] = {}
    for kind, (name, value, conditions) in kinds.items():
        totals[kind] = connection.execute(sa.select(sa.func.count(name)).where(*conditions)).scalar_one()
        ordered = sa.select(name, value).where(*conditions).order_by(value.desc(), name).limit(limit)
        worst[kind] = {row[0]: float(row[1] or 0.0) for row in connection.execute(ordered)} if totals[kind] else {}
    known = _known(connection, {name for names in worst.values() for name in names})
    found = {
        kind: tuple(_noticed(known[name], kind, value) for name, value in names.items())
        for kind, names in worst.items()
    }
    channels = Counter(channel for name in worst["drifting"] for channel in _names(known[name].detail))
    return Attention(**found, totals=totals, channels=dict(channels.most_common(20)))


def _known(connection: sa.Connection, names: set[str]) -> dict[str, Any]:
    """Rows of devices, with what drifts there."""
    c = devices.c
    at = sa.func.coalesce(c.last_report_at, c.enrolled_at).label("at")
    joined = devices.outerjoin(vitals, vitals.c.device == c.id)
    wanted = sa.select(c.id, c.name, c.counter, at, c.quarantine_reason, vitals.c.detail).select_from(joined)
    return {row.id: row for row in connection.execute(wanted.where(c.id.in_(names)))}


def _noticed(row: Any, kind: str, value: float) -> Noticed:  # noqa: ANN401 - a row of `_known`
    return Noticed(id=row.id, name=row.name, counter=row.counter, at=row.at, value=value, what=_what(kind, row))


def _what(kind: str, row: Any) -> str:  # noqa: ANN401 - a row
    if kind == "quarantined":
        return str(row.quarantine_reason)
    return ", ".join(_names(row.detail))[:200] if kind == "drifting" else ""


def _names(detail: str | None) -> list[str]:
    return [str(name) for name in msgspec.json.decode(detail or "{}").get("drifting", ())]

"""What needs a look: devices that drift, alarm or crash by their latest report, and those that are silent or shut out.

Devices in quarantine are in that list only: what they say is not to be believed.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.fleet.control.tables import devices, vitals
from edgewright.fleet.layout import DAY
from edgewright.schema.fleet_watch import Attention, Noticed

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
    good = devices.c.quarantined.is_(False)
    kinds: dict[str, tuple[Any, list[Any]]] = {
        "drifting": (share, [good, vitals.c.drifting > 0]),
        "alarming": (vitals.c.alarms / days, [good, vitals.c.alarms > 0]),
        "crashing": (vitals.c.crashes / days, [good, vitals.c.crashes > 0]),
        "silent": (now - last, [good, last <= now - silence]),
        "quarantined": (now - devices.c.quarantined_at, [devices.c.quarantined.is_(True)]),
    }
    totals: dict[str, int] = {}
    found: dict[str, tuple[Noticed, ...]] = {}
    channels: Counter[str] = Counter()
    joined = devices.outerjoin(vitals, vitals.c.device == devices.c.id)
    for kind, (value, conditions) in kinds.items():
        count = sa.select(sa.func.count()).select_from(joined).where(*conditions)
        totals[kind] = connection.execute(count).scalar_one()
        rows = connection.execute(
            sa.select(
                devices.c.id, devices.c.name, devices.c.counter, last.label("at"), value.label("value"),
                devices.c.quarantine_reason, vitals.c.detail,
            ).select_from(joined).where(*conditions).order_by(value.desc(), devices.c.id).limit(limit)
        ).all()  # fmt: skip
        found[kind] = tuple(
            Noticed(id=r.id, name=r.name, counter=r.counter, at=r.at, value=float(r.value or 0.0), what=_what(kind, r))
            for r in rows
        )
        if kind == "drifting":
            channels.update(name for r in rows for name in _names(r.detail))
    return Attention(**found, totals=totals, channels=dict(channels.most_common(20)))


def _what(kind: str, row: Any) -> str:  # noqa: ANN401 - a row
    if kind == "quarantined":
        return str(row.quarantine_reason)
    return ", ".join(_names(row.detail))[:200] if kind == "drifting" else ""


def _names(detail: str | None) -> list[str]:
    return [str(name) for name in msgspec.json.decode(detail or "{}").get("drifting", ())]

"""What happened last: outcomes on devices, their alarms, and what operators and the fleet itself did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.fleet.server.database.tables import audit, devices, items, outcomes
from edgewright.schema.fleet_watch import EventSeen

_LOUD = ("rollout.%", "device.quarantined", "device.lifted", "operator.%", "restored")
"""Of the audit log what whoever watches a fleet wants to see; a device's or a plan's own page shows everything."""
_WORDS = {
    "rollout.stage": "next stage", "device.quarantined": "quarantined", "device.lifted": "quarantine lifted",
}  # fmt: skip
"""How kinds of the audit log are said where their last word is not enough."""
_ENDS = ("confirmed", "reverted", "refused")
"""Outcomes that are the end of something; a device's own page shows the steps before them, too."""
_LOOKED = 10
"""Events of outboxes that are looked at for each alarm that is wanted: the database does not know which are alarms."""


def events(
    connection: sa.Connection, limit: int, *, plan: str = "", device: str = "", kind: str = ""
) -> tuple[EventSeen, ...]:
    """The newest first.

    Args:
        connection: to read from.
        limit: how many.
        plan: only outcomes of it and what was done to it.
        device: only its own.
        kind: 'alarm' for alarms only; empty for all.
    """
    found = [] if plan else _alarms(connection, limit, device)
    if kind != "alarm":
        found += _outcomes(connection, limit, plan, device) + _done(connection, limit, plan or device)
    # Within one moment each list keeps its own order, the newest first.
    return tuple(sorted(found, key=lambda one: -one.at)[:limit])


def _outcomes(connection: sa.Connection, limit: int, plan: str, device: str) -> list[EventSeen]:
    query = sa.select(outcomes, devices.c.name).join(devices, devices.c.id == outcomes.c.device)
    if plan:
        query = query.where(outcomes.c.plan == plan)
    query = query.where(outcomes.c.device == device if device else outcomes.c.what.in_(_ENDS))
    rows = connection.execute(query.order_by(outcomes.c.at.desc(), outcomes.c.number.desc()).limit(limit))
    return [
        EventSeen(
            key=f"o{r.device}:{r.number}", at=r.at, kind="outcome", device=r.device, subject=r.name,
            text=f"{r.what} release {r.counter}" + _because(r.because, r.detail),
        )
        for r in rows
    ]  # fmt: skip


def _because(because: str, detail: str) -> str:
    told = ": ".join(part for part in (because, detail) if part)
    return f" ({told})" if told else ""


def _alarms(connection: sa.Connection, limit: int, device: str) -> list[EventSeen]:
    query = sa.select(items, devices.c.name).join(devices, devices.c.id == items.c.device)
    query = query.where(items.c.kind == "event")
    if device:
        query = query.where(items.c.device == device)
    found = []
    for row in connection.execute(query.order_by(items.c.at.desc(), items.c.sequence.desc()).limit(limit * _LOOKED)):
        body: dict[str, Any] = msgspec.json.decode(row.body).get("body", {})
        if body.get("kind") != "alarm":
            continue
        stream = f" on {body['stream']}" if body.get("stream") else ""
        found.append(
            EventSeen(
                key=f"i{row.device}:{row.boot}:{row.sequence}", at=row.at, kind="alarm", device=row.device,
                subject=row.name, text=f"alarm {body.get('label', '')}{stream}"[:200],
            )
        )  # fmt: skip
    return found[:limit]


def _done(connection: sa.Connection, limit: int, subject: str) -> list[EventSeen]:
    query = sa.select(audit).order_by(audit.c.number.desc()).limit(limit)
    if subject:
        query = query.where(audit.c.subject == subject)
    else:
        query = query.where(sa.or_(*(audit.c.what.like(kind) for kind in _LOUD)))
    rows = connection.execute(query).all()
    wanted = {row.subject for row in rows if row.what.startswith("device.")}
    named = sa.select(devices.c.id, devices.c.name).where(devices.c.id.in_(wanted))
    names = {row.id: row.name for row in connection.execute(named)}
    return [_row(row, names) for row in rows]


def _row(row: Any, names: Mapping[str, str]) -> EventSeen:  # noqa: ANN401 - a row of the audit log
    detail = msgspec.json.decode(row.detail)
    why = next((str(detail[k]) for k in ("why", "reason") if isinstance(detail, dict) and detail.get(k)), "")
    by = f" by {row.who}"
    word = _WORDS.get(row.what, row.what.rpartition(".")[2] if "rollout." in row.what else row.what.replace(".", " "))
    text = word + by + (f": {why}" if why and not why.endswith(by) else "")
    of_device = row.subject if row.what.startswith("device.") else ""
    return EventSeen(
        key=f"a{row.number}",
        at=row.at,
        kind=row.what,
        device=of_device,
        subject=names.get(row.subject, row.subject),
        text=text[:400],
    )

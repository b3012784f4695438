"""Intents: whether a device may activate now, written down before it is said."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from edgewright.fleet.server.api.endpoint import RefusedError
from edgewright.fleet.server.control_plane import Deciding, Decision
from edgewright.fleet.server.database.engine import upsert
from edgewright.fleet.server.database.tables import devices, intents
from edgewright.fleet.server.quarantine import shut_out
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_report import Allowed, Intent

_LARGEST = 2**53
_DEVICE = sa.select(devices).where(devices.c.id == sa.bindparam("device"))
_BEFORE = sa.select(intents.c.at).where(
    intents.c.device == sa.bindparam("device"), intents.c.plan == sa.bindparam("plan"),
    intents.c.counter == sa.bindparam("counter"),
)  # fmt: skip
_FIRST = Decision(go=False, why="repeat the last report first: its acknowledgement was lost", wait=1.0)


def ask(connection: sa.Connection, decide: Deciding, device: str, intent: Intent, now: float) -> Allowed:
    """Decides, and writes the answer down.

    The nonce of the last acknowledgement is returned as it came: an intent uses none up, so it may be asked again.

    Raises:
        RefusedError: 403 in quarantine, 409 for a nonce that is not the latest.
        InputError: numbers out of range.
    """
    if abs(intent.counter) > _LARGEST or not 0 <= intent.stage < 64:
        raise InputError("a release counter and a stage", f"{intent.counter} and {intent.stage}", "the intent")
    found = connection.execute(_DEVICE, {"device": device}).one_or_none()
    if found is None:
        raise RefusedError(404, "an enrolled device", "another id", device)
    row: dict[str, Any] = dict(found._mapping)
    if row["quarantined"]:
        raise shut_out(row["quarantine_reason"])
    if row["nonce"] and intent.nonce != row["nonce"]:
        if intent.nonce != row["nonce_before"]:
            raise RefusedError(409, "the nonce of the last acknowledgement", "another", "nonce", "Report first")
        return _said(intent, _FIRST)
    decision = decide(connection, row, intent, now)
    place = {"device": device, "plan": intent.plan, "counter": intent.counter}
    before = connection.execute(_BEFORE, place).scalar_one_or_none()
    written = {
        "device": device, "plan": intent.plan, "counter": intent.counter, "stage": intent.stage, "asked_at": now,
        "go": decision.go, "at": before if before is not None else (now if decision.go else None),
        "why": decision.why[:500],
    }  # fmt: skip
    upsert(connection, intents, [written])
    return _said(intent, decision)


def _said(intent: Intent, decision: Decision) -> Allowed:
    return Allowed(nonce=intent.nonce, go=decision.go, wait=decision.wait, why=decision.why, until=decision.until)

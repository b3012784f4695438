"""Decides intents: whether a device may activate now, by plan, stage and pace; answers are stored before sending."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from edgewright.fleet.protocol.plans.decision import Moment, decide
from edgewright.fleet.protocol.plans.formatting import lasting
from edgewright.fleet.protocol.plans.gates import FAILED
from edgewright.fleet.server.database.engine import write_rows
from edgewright.fleet.server.database.rollout_rows import plan_of, row_of, standing_of, traits_of
from edgewright.fleet.server.database.tables import devices, intents, outcomes
from edgewright.fleet.server.device_access import shut_out
from edgewright.fleet.server.endpoint import RefusedError
from edgewright.fleet.server.rollouts.offered import not_spoilt
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import Plan
from edgewright.schema.fleet_report import Allowed, Intent

HOUR = 3600.0
UNTIL = 600.0
"""Validity of a permission on the device, in seconds."""

# Built once: these statements run for every device in every stage, inside the transaction that blocks all reports.
_FAILURE = (
    sa.select(outcomes.c.number)
    .where(
        outcomes.c.device == sa.bindparam("device"), outcomes.c.plan == sa.bindparam("plan"),
        outcomes.c.counter == sa.bindparam("counter"), outcomes.c.number > sa.bindparam("after"),
        sa.or_(*(outcomes.c.what == outcome for outcome in FAILED)), not_spoilt(),
    )
    .limit(1)
)  # fmt: skip
_GIVEN = (
    intents.c.plan == sa.bindparam("plan"), intents.c.counter == sa.bindparam("counter"), intents.c.at.is_not(None),
)  # fmt: skip
_LEAVE = sa.select(intents.c.at).where(intents.c.device == sa.bindparam("device"), *_GIVEN)
_RECENT = sa.select(sa.func.count(), sa.func.min(intents.c.at)).where(*_GIVEN, intents.c.at > sa.bindparam("since"))


def decide_intent(connection: sa.Connection, device: Mapping[str, Any], intent: Intent, now: float) -> Allowed:
    """Decide an intent inside the transaction that stores the answer.

    Args:
        connection: connection in the transaction.
        device: row of the device.
        intent: the intent of the device.
        now: seconds since 1970 by the server's clock.
    """

    def refuse(why: str, wait: float) -> Allowed:
        return Allowed(nonce=intent.nonce, go=False, why=why, wait=wait)

    row = row_of(connection, intent.plan)
    if row is None or row["product"] != device["product"]:
        return refuse(f"no rollout {intent.plan} of product {device['product']}", HOUR)
    plan, standing = plan_of(row["body"]), standing_of(row)
    if intent.counter != plan.release.counter:
        return refuse(f"the rollout is for release {plan.release.counter}", HOUR)
    if standing.state not in ("running", "finished"):
        return refuse(f"the rollout is {standing.state}: {row['why']}", 300.0)
    if intent.stage > standing.stage:
        return refuse(f"stage {intent.stage + 1} has not begun; it is {standing.stage + 1}", 60.0)
    moment = Moment(now=now, trusted=True, running=0.0, seen=0.0, fresh=True, wall=now)
    verdict = decide(plan, standing, traits_of(device), moment)
    if not verdict.go:
        return refuse(verdict.why, verdict.wait or 300.0)
    # If an operator let the device retry a release, earlier failures do not count.
    after = device["retry_after"] if intent.counter == device["retry_release"] else 0
    record = {"device": device["id"], "plan": plan.id, "counter": plan.release.counter, "after": after}
    if connection.execute(_FAILURE, record).one_or_none() is not None:  # even if the device lost its record
        return refuse(f"release {plan.release.counter} failed on this device before", HOUR)
    why, wait = _over_pace(connection, device["id"], plan, now)
    return refuse(why, wait) if why else Allowed(nonce=intent.nonce, go=True, until=UNTIL)


def _over_pace(connection: sa.Connection, device: str, plan: Plan, now: float) -> tuple[str, float]:
    """Return why and for how long a device must wait because of the plan's pace, in devices per hour.

    A device keeps its permission and counts once.
    """
    parameters = {"device": device, "plan": plan.id, "counter": plan.release.counter, "since": now - HOUR}
    if plan.pace <= 0.0 or connection.execute(_LEAVE, parameters).one_or_none() is not None:
        return "", 0.0
    count, first = connection.execute(_RECENT, parameters).one()
    if count < plan.pace:
        return "", 0.0
    wait = max(1.0, first + HOUR - now)
    return f"{count} devices started within an hour, the pace is {plan.pace:g}; next in {lasting(wait)}", wait


_LARGEST = 2**53
_DEVICE = sa.select(devices).where(devices.c.id == sa.bindparam("device"))
_BEFORE = sa.select(intents.c.at).where(
    intents.c.device == sa.bindparam("device"), intents.c.plan == sa.bindparam("plan"),
    intents.c.counter == sa.bindparam("counter"),
)  # fmt: skip

_ANSWER = ("device", "plan", "counter", "stage", "asked_at", "go", "at", "why")


def ask(connection: sa.Connection, device: str, intent: Intent, now: float) -> Allowed:
    """Decide an intent and store the answer.

    The nonce of the last acknowledgement is returned unchanged: an intent does not consume it and can be repeated.

    Raises:
        RefusedError: 403 in quarantine, 404 for an unknown device, 409 for a nonce that is not the latest.
        InputError: a number is out of range.
    """
    if abs(intent.counter) > _LARGEST or not 0 <= intent.stage < 64:
        raise InputError("a release counter and a stage", f"{intent.counter} and {intent.stage}", "the intent")
    present = connection.execute(_DEVICE, {"device": device}).one_or_none()
    if present is None:
        raise RefusedError(404, "an enrolled device", "another id", device)
    row: dict[str, Any] = dict(present._mapping)
    if row["quarantined"]:
        raise shut_out(row["status"], row["quarantine_reason"])
    if row["nonce"] and intent.nonce != row["nonce"]:
        if intent.nonce != row["nonce_before"]:
            raise RefusedError(409, "the nonce of the last acknowledgement", "another", "nonce", "Report first")
        why = "send the last report again first: its acknowledgement was lost"
        return Allowed(nonce=intent.nonce, go=False, why=why, wait=1.0)
    decision = decide_intent(connection, row, intent, now)
    location = {"device": device, "plan": intent.plan, "counter": intent.counter}
    before = connection.execute(_BEFORE, location).scalar_one_or_none()
    at = before if before is not None else (now if decision.go else None)
    answer = (device, intent.plan, intent.counter, intent.stage, now, decision.go, at, decision.why[:500])
    write_rows(connection, intents, _ANSWER, [answer], "replace")
    return decision

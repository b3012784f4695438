"""Whether one device may activate now: the plan's word, the stage, and the pace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from edgewright.fleet.protocol.plans.contract import Moment, Traits
from edgewright.fleet.protocol.plans.decision import decide
from edgewright.fleet.protocol.plans.formatting import lasting
from edgewright.fleet.protocol.plans.measures import FAILED
from edgewright.fleet.server.control_plane import Decision
from edgewright.fleet.server.database.tables import intents, outcomes
from edgewright.fleet.server.rollouts.rows import plan_of, row_of, standing_of
from edgewright.schema.fleet_plan import Plan
from edgewright.schema.fleet_report import Intent

HOUR = 3600.0
UNTIL = 600.0
"""Seconds for which a leave holds on the device."""

# Built once: they run for every device of every stage, inside the transaction that all reports wait for.
_FAILURE = (
    sa.select(outcomes.c.number)
    .where(
        outcomes.c.device == sa.bindparam("device"), outcomes.c.plan == sa.bindparam("plan"),
        outcomes.c.counter == sa.bindparam("counter"), sa.or_(*(outcomes.c.what == what for what in FAILED)),
    )
    .limit(1)
)  # fmt: skip
_GIVEN = (
    intents.c.plan == sa.bindparam("plan"), intents.c.counter == sa.bindparam("counter"), intents.c.at.is_not(None),
)  # fmt: skip
_LEAVE = sa.select(intents.c.at).where(intents.c.device == sa.bindparam("device"), *_GIVEN)
_RECENT = sa.select(sa.func.count(), sa.func.min(intents.c.at)).where(*_GIVEN, intents.c.at > sa.bindparam("since"))


def decide_intent(connection: sa.Connection, device: Mapping[str, Any], intent: Intent, now: float) -> Decision:
    """Answers an intent by what is true inside the transaction that will hold the answer.

    Args:
        connection: of the transaction.
        device: its row.
        intent: what it is about to do.
        now: seconds since 1970, the server's clock.

    Tags that decide are those of the enrolment; what a device says of itself lets it in nowhere.
    """
    row = row_of(connection, intent.plan)
    if row is None or row["product"] != device["product"]:
        return Decision(go=False, why=f"no rollout {intent.plan} of product {device['product']}", wait=HOUR)
    plan, standing = plan_of(row["body"]), standing_of(row)
    if intent.counter != plan.release.counter:
        return Decision(go=False, why=f"the rollout is of release {plan.release.counter}", wait=HOUR)
    if standing.state not in ("running", "finished"):
        return Decision(go=False, why=f"the rollout is {standing.state}: {row['why']}", wait=300.0)
    if intent.stage > standing.stage:
        return Decision(go=False, why=f"stage {intent.stage + 1} has not begun; it is {standing.stage + 1}", wait=60.0)
    traits = Traits(
        device=device["id"], tags=tuple(device["given"]), profile=device["profile"], product=device["product"],
        counter=device["counter"], floor=device["floor"], version=device["version"],
    )  # fmt: skip
    moment = Moment(now=now, trusted=True, running=0.0, seen=0.0, fresh=True, wall=now)
    verdict = decide(plan, standing, traits, moment)
    if not verdict.go:
        return Decision(go=False, why=verdict.why, wait=verdict.wait or 300.0)
    if _failed_before(connection, device["id"], plan):
        return Decision(go=False, why=f"release {plan.release.counter} failed on this device before", wait=HOUR)
    return _paced(connection, device["id"], plan, now)


def _failed_before(connection: sa.Connection, device: str, plan: Plan) -> bool:
    """Whether a device that lost its own memory of it reported that the release failed there."""
    asked = {"device": device, "plan": plan.id, "counter": plan.release.counter}
    return connection.execute(_FAILURE, asked).one_or_none() is not None


def _paced(connection: sa.Connection, device: str, plan: Plan, now: float) -> Decision:
    """Leave, unless as many got it within the hour as the plan allows. Who had it keeps it and counts once."""
    if plan.pace <= 0.0:
        return Decision(go=True, until=UNTIL)
    asked = {"device": device, "plan": plan.id, "counter": plan.release.counter, "since": now - HOUR}
    if connection.execute(_LEAVE, asked).one_or_none() is not None:
        return Decision(go=True, until=UNTIL)
    count, first = connection.execute(_RECENT, asked).one()
    if count < plan.pace:
        return Decision(go=True, until=UNTIL)
    wait = max(1.0, first + HOUR - now)
    why = f"{count} devices began within an hour, the pace is {plan.pace:g}; next in {lasting(wait)}"
    return Decision(go=False, why=why, wait=wait)

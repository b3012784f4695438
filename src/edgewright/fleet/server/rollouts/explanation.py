"""Why a device is where it is: the rule that the device applies itself, applied to what is known of it here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from edgewright.fleet.protocol.plans.contract import Moment, Traits
from edgewright.fleet.protocol.plans.decision import decide
from edgewright.fleet.protocol.plans.position import place
from edgewright.fleet.server.database.rollout_tables import rollouts
from edgewright.fleet.server.database.tables import intents, outcomes
from edgewright.fleet.server.rollouts.rows import in_index, plan_of, standing_of
from edgewright.schema.fleet_watch import IntentSeen, RolloutWord, Whereabouts

_FAILED = ("reverted", "refused")
_MOST = 20


def whereabouts(connection: sa.Connection, row: Mapping[Any, Any], now: float) -> Whereabouts:
    """What the rollouts of its product say to a device.

    Args:
        connection: to read from.
        row: of the device.
        now: seconds since 1970 by the server's clock, which a device with a true clock shares. One that was off, or
            whose clock is wrong, may wait for longer; what it says itself of that is in its reports.
    """
    asked = sa.select(intents).where(intents.c.device == row["id"]).order_by(intents.c.asked_at.desc()).limit(_MOST)
    known = [
        dict(one._mapping)
        for one in connection.execute(sa.select(rollouts).where(rollouts.c.product == row["product"]))
    ]
    failed = sa.select(outcomes.c.counter).where(outcomes.c.device == row["id"], outcomes.c.what.in_(_FAILED))
    traits = Traits(
        device=row["id"], tags=row["given"], profile=row["profile"], product=row["product"], counter=row["counter"],
        floor=row["floor"], burned=frozenset(connection.execute(failed).scalars()), version=row["version"],
    )  # fmt: skip
    return Whereabouts(
        rollouts=tuple(_word(one, traits, now) for one in in_index(known)[:_MOST]),
        intents=tuple(
            IntentSeen(plan=r.plan, counter=r.counter, stage=r.stage, asked_at=r.asked_at, go=r.go, at=r.at, why=r.why)
            for r in connection.execute(asked)
        ),
    )


def _word(row: dict[str, Any], traits: Traits, now: float) -> RolloutWord:
    plan, standing = plan_of(row["body"]), standing_of(row)
    # The device has run for as long as the plan is there: what is asked here is what the plan says, not how long
    # the device has been off.
    moment = Moment(now=now, trusted=True, running=now, seen=plan.starts, fresh=True, wall=now)
    verdict = decide(plan, standing, traits, moment)
    stage = verdict.stage
    named = f"{stage + 1} of {len(plan.stages)} {plan.stages[stage].name!r}" if 0 <= stage < len(plan.stages) else ""
    return RolloutWord(
        plan=plan.id, counter=plan.release.counter, state=standing.state, stage=named, go=verdict.go,
        place=place(plan.salt, plan.id, traits.device), why=verdict.why,
    )  # fmt: skip

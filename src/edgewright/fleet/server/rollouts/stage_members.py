"""Devices that a stage of a rollout reaches, worked out from the plan as each device does it."""

from __future__ import annotations

from collections.abc import Container, Iterator

import sqlalchemy as sa

from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.protocol.plans.decision import first_stage, unfit
from edgewright.fleet.server.database.tables import devices, outcomes
from edgewright.fleet.server.rollouts.offered import counting, not_spoilt
from edgewright.fleet.server.rollouts.rows import traits_of
from edgewright.schema.fleet_plan import Plan

_CLOCK = DAY
"""Seconds by which a device's clock may be wrong; beyond, signed files are expired or not valid yet for it."""
_D = devices.c


def stage_members(
    connection: sa.Connection, plan: Plan, stage: int, *, since: float = 0.0, without: Container[str] = ()
) -> Iterator[str]:
    """Yield devices that may take the release in a stage or before it and do not have it, as far as anybody can tell.

    Args:
        connection: to read from.
        plan: of the rollout.
        stage: index of the stage.
        since: seconds since 1970; only devices that reported at or after it. 0: all.
        without: ids of devices to leave out.
    """
    query = sa.select(
        _D.id, _D.given, _D.profile, _D.product, _D.counter, _D.floor, _D.version, _D.skew
    ).where(*counting(plan), _D.counter < plan.release.counter).order_by(_D.id)  # fmt: skip
    if since:
        query = query.where(_D.last_report_at >= since)
    o = outcomes.c
    tried = sa.select(o.device).where(o.plan == plan.id, o.counter == plan.release.counter, not_spoilt())
    for row in connection.execute(query.where(_D.id.not_in(tried))):
        if row.id in without or abs(row.skew) > _CLOCK:
            continue
        traits = traits_of(row._mapping)
        first = first_stage(plan, traits)
        if first is not None and first <= stage and unfit(plan.release, traits) is None:
            yield row.id

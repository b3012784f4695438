"""Devices of a rollout by stage and state: what a map of it draws."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from edgewright.fleet.protocol.plans.decision import first_stage, position
from edgewright.fleet.server.database.rollout_rows import next_due, plan_of, standing_of, traits_of
from edgewright.fleet.server.database.tables import devices, outcomes, rollouts
from edgewright.fleet.server.endpoint import RefusedError
from edgewright.fleet.server.rollouts.offered import Fate, RolloutTimes, offered_devices
from edgewright.schema.fleet_plan import Plan
from edgewright.schema.fleet_watch import MapState, RolloutMap, StageDevices

_BY_FATE: dict[Fate, MapState] = {"failed": "failed", "confirmed": "healthy", "lost": "silent", "away": "silent"}
_C = devices.c
_COLUMNS = (_C.id, _C.counter, _C.enrolled_at, _C.quarantined, _C.given, _C.profile, _C.product, _C.floor, _C.version)


def rollout_map(connection: sa.Connection, name: str, now: float, every: float) -> RolloutMap:
    """Return how many devices of each stage are in which state.

    Args:
        connection: connection for reading.
        name: id of the plan.
        now: seconds since 1970.
        every: seconds between two reports of a device to which nothing happens.

    Raises:
        RefusedError: there is no such rollout.
    """
    row = connection.execute(sa.select(rollouts).where(rollouts.c.plan == name)).one_or_none()
    if row is None:
        raise RefusedError(404, "a rollout", "another id", name, "edgewright fleet rollout status")
    plan, standing = plan_of(row.body), standing_of(dict(row._mapping))
    times = RolloutTimes(
        now=now, began=row.started_at, entered=standing.entered, due=next_due(plan, standing), every=every,
        finished=standing.state == "finished",
    )  # fmt: skip
    fates = {device.device: device.fate for device in offered_devices(connection, plan, times)}
    by_place = _by_place(plan)
    stage_of = by_place or (lambda row: first_stage(plan, traits_of(row._mapping)))
    stages: list[Counter[MapState]] = [Counter() for _ in plan.stages]
    state: MapState
    outside, aborted = 0, standing.state == "aborted"
    reverted = _reverted(connection, plan) if aborted else frozenset()
    query = sa.select(*_COLUMNS[: 4 if by_place else None]).where(
        _C.product == plan.release.product, _C.status == "active"
    )
    for device in connection.execute(query):
        name, counter, enrolled_at, quarantined = device[:4]
        stage = None if quarantined or enrolled_at > plan.enrolled else stage_of(device)
        if stage is None:
            outside += 1
            continue
        fate = fates.get(name)
        if aborted and fate in ("confirmed", "open"):
            state = _after_abort(plan, counter, confirmed=fate == "confirmed", reverted=name in reverted)
        elif fate == "open":
            state = "trial" if counter == plan.release.counter else "allowed"
        else:
            state = "waiting" if fate is None else _BY_FATE[fate]
        stages[stage][state] += 1
    return RolloutMap(
        stages=tuple(
            StageDevices(name=stage.name, states=dict(counts))
            for stage, counts in zip(plan.stages, stages, strict=True)
        ),
        outside=outside,
    )  # fmt: skip


def _reverted(connection: sa.Connection, plan: Plan) -> frozenset[str]:
    """Return the devices that rolled the release back, for whatever reason."""
    query = sa.select(outcomes.c.device).where(
        outcomes.c.plan == plan.id, outcomes.c.counter == plan.release.counter, outcomes.c.what == "reverted"
    )
    return frozenset(connection.execute(query).scalars())


def _after_abort(plan: Plan, counter: int, *, confirmed: bool, reverted: bool) -> MapState:
    """Return the state of a device that is heard after the abort; only a device with the release gets its rollback."""
    release = plan.release.counter
    if counter == release:
        return "healthy" if confirmed else "trial"
    if plan.revert is not None and counter == plan.revert.counter:
        return "returned"
    return "returned" if counter < release and (confirmed or reverted) else "healthy" if confirmed else "waiting"


def _by_place(plan: Plan) -> Callable[[sa.Row[Any]], int | None] | None:
    """Return the function from a device's row to its first stage where its place alone decides: a third of the time."""
    if plan.holdout or any(stage.cohorts for stage in plan.stages):
        return None
    ends = [stage.percent for stage in plan.stages]

    def stage_of(row: sa.Row[Any]) -> int | None:
        stage = bisect_right(ends, position(plan.salt, plan.id, row[0]))
        return stage if stage < len(ends) else None

    return stage_of

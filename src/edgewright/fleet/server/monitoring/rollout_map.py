"""Devices of a rollout by stage and state: what a map of it draws."""

from __future__ import annotations

from collections import Counter

import sqlalchemy as sa

from edgewright.fleet.protocol.plans.decision import first_stage, stage_by_place
from edgewright.fleet.server.database.rollout_rows import next_due, plan_of, standing_of, traits_of
from edgewright.fleet.server.database.tables import devices, outcomes, rollouts
from edgewright.fleet.server.endpoint import RefusedError
from edgewright.fleet.server.rollouts.offered import Fate, RolloutTimes, counting, offered_devices
from edgewright.schema.fleet_plan import Plan
from edgewright.schema.fleet_watch import MapState, RolloutMap, StageDevices

_BY_FATE: dict[Fate, MapState] = {"failed": "failed", "confirmed": "healthy", "lost": "silent", "away": "silent"}
_C = devices.c
_COLUMNS = (_C.id, _C.counter, _C.given, _C.profile, _C.product, _C.floor, _C.version)


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
    by_place = stage_by_place(plan)
    stages: list[Counter[MapState]] = [Counter() for _ in plan.stages]
    state: MapState
    aborted = standing.state == "aborted"
    reverted = _reverted(connection, plan) if aborted else frozenset()
    here = (_C.product == plan.release.product, _C.status == "active")
    counted = sa.select(*_COLUMNS[: 2 if by_place else None]).where(*here, *counting(plan))
    members = connection.execute(counted).all()
    outside = connection.execute(sa.select(sa.func.count()).where(*here)).scalar_one() - len(members)
    for device in members:
        name, counter = device[:2]
        stage = by_place(name) if by_place else first_stage(plan, traits_of(device._mapping))
        if stage is None:
            outside += 1
            continue
        fate = fates.get(name)
        if fate is None:
            state = "waiting"
        elif aborted and fate in ("confirmed", "open"):
            state = _after_abort(plan, counter, confirmed=fate == "confirmed", reverted=name in reverted)
        elif fate == "open":
            state = "trial" if counter == plan.release.counter else "allowed"
        else:
            state = _BY_FATE[fate]
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

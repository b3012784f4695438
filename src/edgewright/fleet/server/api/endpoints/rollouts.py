"""Endpoints for rollouts: their state, and operations on them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from edgewright.core.records.fleet import State
from edgewright.fleet.protocol.layout import REPORT_EVERY, plan_target
from edgewright.fleet.protocol.plans.decision import UNDER_WAY
from edgewright.fleet.protocol.plans.options import preview_of
from edgewright.fleet.protocol.rollout_records import (
    AbortRollout,
    GateSeen,
    PromoteRollout,
    RolloutMap,
    RolloutSeen,
    RolloutsSeen,
    StartRollout,
    SteerRollout,
)
from edgewright.fleet.repository import metadata
from edgewright.fleet.repository.folder import read_target
from edgewright.fleet.server import restore
from edgewright.fleet.server.database.tables import devices, intents, next_due, outcomes, plan_of, rollouts, standing_of
from edgewright.fleet.server.endpoint import Call, Endpoint, RefusedError
from edgewright.fleet.server.rollouts.offered import counting
from edgewright.fleet.server.rollouts.scheduler import points_of, take_in
from edgewright.fleet.server.rollouts.worker import Conductor, conductor
from edgewright.fleet.server.signer.supervisor import signer_away
from edgewright.fleet.server.views import rollout_map

_PLAN = r"[a-z0-9][a-z0-9-]{0,62}"
_PATH = "/v1/fleet/rollouts"
T = TypeVar("T")


async def _list(call: Call) -> RolloutsSeen:
    def work(connection: sa.Connection) -> tuple[RolloutSeen, ...]:
        query = sa.select(rollouts).order_by(rollouts.c.started_at.desc()).limit(100)
        return tuple(_seen(connection, row._mapping) for row in connection.execute(query).all())

    signer = await _signer(call)
    return RolloutsSeen(
        rollouts=tuple(msgspec.structs.replace(rollout, signer=signer) for rollout in await call.read(work))
    )


async def _show(call: Call) -> RolloutSeen:
    def work(connection: sa.Connection) -> RolloutSeen:
        row = connection.execute(sa.select(rollouts).where(rollouts.c.plan == call.path["plan"])).one_or_none()
        if row is None:
            raise RefusedError(404, "a rollout", "another id", call.path["plan"], "edgewright fleet rollout status")
        history = points_of(row.history)
        return msgspec.structs.replace(_seen(connection, row._mapping), history=history)

    signer = await _signer(call)
    return msgspec.structs.replace(await call.read(work), signer=signer)


async def _map(call: Call) -> RolloutMap:
    now, every = call.now, call.plane.limits.wait or REPORT_EVERY
    return await call.read(lambda connection: rollout_map(connection, call.path["plan"], now, every))


async def _signer(call: Call) -> str:
    """Return why the signer is unavailable; a server has the state, and a command on the folder checks it."""
    known = call.plane.ready.get("signer")
    return await asyncio.to_thread(signer_away, call.plane.folder) if known is None else known


async def _start(call: Call) -> RolloutSeen:
    start_rollout: StartRollout = call.body

    def work(conductor_here: Conductor) -> None:
        take_in(conductor_here.fleet, conductor_here.rollouts)
        with call.plane.database.reading() as connection:
            known = metadata.plans(restore.role_files(connection))
        if start_rollout.plan not in known:
            raise RefusedError(404, "a plan that was signed offline and published", repr(start_rollout.plan), "plan")
        body = read_target(conductor_here.fleet, plan_target(start_rollout.plan), known[start_rollout.plan][0])
        conductor_here.rollouts.start(body, call.operator)

    return await _steer(call, start_rollout.plan, work)


async def _steer(call: Call, plan: str, work: Callable[[Conductor], object]) -> RolloutSeen:
    """Run an operation outside the event loop and return the rollout's new state."""
    await asyncio.to_thread(lambda: work(conductor(call.plane)))
    return await call.read(
        lambda c: _seen(c, c.execute(sa.select(rollouts).where(rollouts.c.plan == plan)).one()._mapping)
    )


async def _promote(call: Call) -> RolloutSeen:
    plan, request = call.path["plan"], call.body
    return await _steer(
        call,
        plan,
        lambda conductor_here: conductor_here.rollouts.promote(plan, call.operator, request.stage, request.why),
    )


def _seen(connection: sa.Connection, row: Mapping[Any, Any]) -> RolloutSeen:
    plan, standing = plan_of(row["body"]), standing_of(row)
    of_plan = (outcomes.c.plan == plan.id, outcomes.c.counter == plan.release.counter)
    ended = (
        sa.select(outcomes.c.what, sa.func.count(outcomes.c.device.distinct()))
        .where(*of_plan)
        .group_by(outcomes.c.what)
    )
    left = sa.select(sa.func.count()).where(
        intents.c.plan == plan.id, intents.c.counter == plan.release.counter, intents.c.at.is_not(None)
    )
    have = sa.select(sa.func.count()).where(
        devices.c.product == plan.release.product, devices.c.counter == plan.release.counter
    )
    due = next_due(plan, standing)
    counted = sa.select(sa.func.count()).select_from(devices).where(*counting(plan))
    shown = standing.state in UNDER_WAY and not plan.cohorts
    members = [connection.execute(counted).scalar_one()] * len(plan.stages) if shown else []
    return RolloutSeen(
        plan=plan.id, product=plan.release.product, counter=plan.release.counter, package=plan.release.package,
        state=standing.state, stage=standing.stage, stages=plan.stages, entered=standing.entered,
        revert=standing.revert, why=row["why"], holds=row["holds"] if standing.state == "running" else "", due=due,
        ends=due + sum(stage.dwell for stage in plan.stages[standing.stage + 1 :]), expires=plan.expires,
        started_at=row["started_at"], started_by=row["started_by"],
        gates=msgspec.convert(json.loads(row["judged"]), tuple[GateSeen, ...]), judged_at=row["judged_at"],
        allowed=connection.execute(left).scalar_one(), running=connection.execute(have).scalar_one(),
        outcomes={row[0]: row[1] for row in connection.execute(ended)}, watch=plan.watch,
        detection=preview_of(plan, members) if members else (),
    )  # fmt: skip


def _steering(act: str, summary: str, state: State, takes: Any) -> Endpoint:  # noqa: ANN401 - a type
    """Return the endpoint that moves a rollout into a state."""

    async def handle(call: Call) -> RolloutSeen:
        plan, request = call.path["plan"], call.body
        revert = getattr(request, "revert", False)
        return await _steer(
            call,
            plan,
            lambda conductor_here: conductor_here.rollouts.steer(
                plan, call.operator, state, request.why, revert=revert
            ),
        )

    return Endpoint(
        "POST", f"{_PATH}/{{plan}}/{act}", summary, "operator", handle, RolloutSeen, takes,
        parameters={"plan": _PLAN}, errors=(404, 409, 503),
    )  # fmt: skip


ENDPOINTS = (
    Endpoint("GET", _PATH, "Rollouts, newest first, at most 100.", "viewer", _list, RolloutsSeen),
    Endpoint(
        "GET", f"{_PATH}/{{plan}}", "A rollout.", "viewer", _show, RolloutSeen,
        parameters={"plan": _PLAN}, errors=(404,),
    ),
    Endpoint(
        "GET", f"{_PATH}/{{plan}}/map", "Devices of a rollout by stage and state.", "viewer", _map, RolloutMap,
        parameters={"plan": _PLAN}, errors=(404,),
    ),
    Endpoint(
        "POST", _PATH, "Begins the rollout of a signed plan.", "operator", _start, RolloutSeen, StartRollout,
        errors=(404, 409, 503),
    ),
    _steering("pause", "Pauses a rollout: no device starts until it is resumed.", "paused", SteerRollout),
    _steering("resume", "Resumes a rollout after a pause.", "running", SteerRollout),
    Endpoint(
        "POST", f"{_PATH}/{{plan}}/promote", "Ends a stage although it holds, after its dwell.", "operator", _promote,
        RolloutSeen, PromoteRollout, parameters={"plan": _PLAN}, errors=(404, 409, 503),
    ),
    _steering("abort", "Aborts a rollout permanently, and may roll devices back.", "aborted", AbortRollout),
)  # fmt: skip

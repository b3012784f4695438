"""Rows of rollouts: reading them, and what is said about them to devices and people."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.fleet.protocol.plans.decision import earliest
from edgewright.fleet.protocol.plans.formatting import lasting
from edgewright.fleet.protocol.plans.transitions import UNDER_WAY
from edgewright.fleet.server.database.tables import rollouts
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import Plan, Standing

_ROW = sa.select(rollouts).where(rollouts.c.plan == sa.bindparam("plan"))


def in_index(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rollouts that devices must know, newest first: not over, aborted, or the last of a product that was finished."""
    last: dict[str, str] = {}
    wanted = []
    for row in sorted(rows, key=lambda row: (row["started_at"], row["counter"]), reverse=True):
        if row["state"] == "finished" and last.setdefault(row["product"], row["plan"]) != row["plan"]:
            continue
        wanted.append(row)
    return wanted


@functools.lru_cache(256)
def plan_of(body: bytes) -> Plan:
    """Return the plan in its bytes.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return msgspec.json.decode(body, type=Plan)


def standing_of(row: Mapping[str, Any]) -> Standing:
    """Return what is signed about a rollout."""
    return Standing(
        plan=row["plan"], sha256=row["sha256"], product=row["product"], state=row["state"], stage=row["stage"],
        entered=row["entered"], revert=bool(row["revert"]),
    )  # fmt: skip


def first_values(standing: Standing, body: bytes, who: str) -> dict[str, Any]:
    """Return the columns of a rollout that begins."""
    return {
        "product": standing.product, "counter": plan_of(body).release.counter, "sha256": standing.sha256, "body": body,
        "state": standing.state, "stage": standing.stage, "entered": standing.entered, "revert": standing.revert,
        "started_at": standing.entered, "started_by": who[:64], "judged_at": None, "judged": "[]", "holds": "",
    }  # fmt: skip


def next_due(plan: Plan, standing: Standing) -> float:
    """Return seconds since 1970 before which the stage cannot end."""
    after = plan.starts + earliest(plan, min(standing.stage + 1, len(plan.stages)))
    return max(standing.entered + plan.stages[standing.stage].dwell, after)


def say_stage(plan: Plan, stage: int) -> str:
    """Such as "'canary' (1 of 4, 1 %, at least 1 h)"."""
    part = plan.stages[stage]
    return f"{part.name!r} ({stage + 1} of {len(plan.stages)}, {part.percent:g} %, at least {lasting(part.dwell)})"


def row_of(connection: sa.Connection, plan: str) -> Mapping[str, Any] | None:
    """Return a rollout's row; None where there is no such rollout."""
    found = connection.execute(_ROW, {"plan": plan}).one_or_none()
    return dict(found._mapping) if found else None


def need(connection: sa.Connection, plan: str) -> Mapping[str, Any]:
    """Raise: InputError where there is no such rollout."""
    row = row_of(connection, plan)
    if row is None:
        known = list(connection.execute(sa.select(rollouts.c.plan).order_by(rollouts.c.started_at.desc())).scalars())
        raise InputError(f"a rollout ({', '.join(known[:10]) or 'none was started yet'})", repr(plan), "rollouts")
    return row


def alone(connection: sa.Connection, plan: Plan) -> None:
    """Whether a plan may begin.

    Raises:
        InputError: another rollout of the product is not over, or had a higher counter.
    """
    query = sa.select(rollouts.c.plan, rollouts.c.state, rollouts.c.counter, rollouts.c.body)
    for row in connection.execute(query.where(rollouts.c.product == plan.release.product)):
        if row.state in UNDER_WAY:
            do = f"Abort or finish it first: edgewright fleet rollout abort {row.plan}"
            raise InputError("one rollout of a product at a time", f"{row.plan}, which is {row.state}", plan.id, do)
        back = plan_of(row.body).revert
        highest = back.counter if back is not None else row.counter
        if plan.release.counter <= highest:
            got = str(plan.release.counter)
            raise InputError(f"a release above {highest}, which rollout {row.plan} used", got, plan.id)

"""Reads rows of rollouts and formats them for devices and people."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.fleet.protocol.plans.decision import UNDER_WAY, Traits, earliest, lists_devices
from edgewright.fleet.protocol.plans.formatting import lasting
from edgewright.fleet.server.database.tables import rollouts
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import Plan, Standing

MOST_DEPLOYS = 8
"""Every device reads every plan of its product, and looks at the newest 16 rollouts."""
_ROW = sa.select(rollouts).where(rollouts.c.plan == sa.bindparam("plan"))


def in_index(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rollouts that devices must know, newest first: not over, aborted, or the last of a product that was finished.

    Those that list single devices do not stand for their product: the newest of them stay for devices that were away.
    """
    last: dict[str, str] = {}
    single = [row for row in rows if lists_devices(plan_of(row["body"]))]
    names = {row["plan"] for row in single}
    counted = Counter(row["product"] for row in single if row["state"] in UNDER_WAY)
    wanted = []
    for row in sorted(rows, key=lambda row: (row["started_at"], row["counter"]), reverse=True):
        if row["state"] == "finished" and row["plan"] in names:
            counted[row["product"]] += 1
            if counted[row["product"]] > MOST_DEPLOYS:
                continue
        elif row["state"] == "finished" and last.setdefault(row["product"], row["plan"]) != row["plan"]:
            continue
        wanted.append(row)
    return wanted


def watched(rows: list[dict[str, Any]], now: float) -> list[dict[str, Any]]:
    """Return the rollouts whose gates are asked: those that run, and a product's last one for a time after its end."""
    return [
        row for row in in_index(rows) if row["state"] == "running" or now < row["entered"] + plan_of(row["body"]).watch
    ]


@functools.lru_cache(256)
def plan_of(body: bytes) -> Plan:
    """Decode a plan.

    Raises:
        msgspec.DecodeError: the bytes are not a plan.
    """
    return msgspec.json.decode(body, type=Plan)


def standing_of(row: Mapping[str, Any]) -> Standing:
    """Return the standing of a rollout, which is signed."""
    return Standing(
        plan=row["plan"], sha256=row["sha256"], product=row["product"], state=row["state"], stage=row["stage"],
        entered=row["entered"], revert=bool(row["revert"]),
    )  # fmt: skip


def traits_of(row: Mapping[Any, Any], burned: frozenset[int] = frozenset()) -> Traits:
    """Return the traits of a device; only tags from its token or an operator determine cohorts."""
    return Traits(
        device=row["id"], tags=tuple(row["given"]), profile=row["profile"], product=row["product"],
        counter=row["counter"], floor=row["floor"], version=row["version"], burned=burned,
    )  # fmt: skip


def first_values(standing: Standing, body: bytes, who: str) -> dict[str, Any]:
    """Return the columns of a new rollout."""
    return {
        "product": standing.product, "counter": plan_of(body).release.counter, "sha256": standing.sha256, "body": body,
        "state": standing.state, "stage": standing.stage, "entered": standing.entered, "revert": standing.revert,
        "started_at": standing.entered, "started_by": who[:64], "judged_at": None, "judged": "[]", "holds": "",
    }  # fmt: skip


def next_due(plan: Plan, standing: Standing) -> float:
    """Return the earliest end of the current stage, in seconds since 1970."""
    after = plan.starts + earliest(plan, min(standing.stage + 1, len(plan.stages)))
    return max(standing.entered + plan.stages[standing.stage].dwell, after)


def say_stage(plan: Plan, stage: int) -> str:
    """Describe a stage, such as "'canary' (1 of 4, 1 %, at least 1 h)"."""
    part = plan.stages[stage]
    return f"{part.name!r} ({stage + 1} of {len(plan.stages)}, {part.percent:g} %, at least {lasting(part.dwell)})"


def row_of(connection: sa.Connection, plan: str) -> Mapping[str, Any] | None:
    """Return the row of a rollout; None if it does not exist."""
    row = connection.execute(_ROW, {"plan": plan}).one_or_none()
    return dict(row._mapping) if row else None


def need(connection: sa.Connection, plan: str) -> Mapping[str, Any]:
    """Return the row of a rollout.

    Raises:
        InputError: the rollout does not exist.
    """
    row = row_of(connection, plan)
    if row is None:
        known = list(connection.execute(sa.select(rollouts.c.plan).order_by(rollouts.c.started_at.desc())).scalars())
        raise InputError(f"a rollout ({', '.join(known[:10]) or 'none was started yet'})", repr(plan), "rollouts")
    return row


def alone(connection: sa.Connection, plan: Plan) -> None:
    """Whether a plan may begin; those for single devices go on beside others, and take no number from them.

    Raises:
        InputError: another rollout of the product is not over, or had a higher counter; or many for single devices are
            not over.
    """
    single, deploys = lists_devices(plan), list[str]()
    query = sa.select(rollouts.c.plan, rollouts.c.state, rollouts.c.counter, rollouts.c.body)
    for row in connection.execute(query.where(rollouts.c.product == plan.release.product)):
        if single or lists_devices(plan_of(row.body)):
            deploys += [row.plan] if row.state in UNDER_WAY and lists_devices(plan_of(row.body)) else []
            continue
        if row.state in UNDER_WAY:
            do = f"Abort or finish it first: edgewright fleet rollout abort {row.plan}"
            raise InputError("one rollout of a product at a time", f"{row.plan}, which is {row.state}", plan.id, do)
        back = plan_of(row.body).revert
        highest = back.counter if back is not None else row.counter
        if plan.release.counter <= highest:
            got = str(plan.release.counter)
            do = "Publish the package again: it gets the next number" if row.state == "aborted" else ""
            raise InputError(f"a release above {highest}, which rollout {row.plan} used", got, plan.id, do)
    if single and len(deploys) >= MOST_DEPLOYS:
        do = f"Wait, or abort one: edgewright fleet rollout abort {deploys[0]}"
        expected = f"fewer than {MOST_DEPLOYS} rollouts to single devices of a product at once"
        raise InputError(expected, f"{len(deploys)}: {', '.join(deploys)}", plan.id, do)


def aborted_before(connection: sa.Connection, plan: Plan) -> str:
    """Say which aborted rollouts had the same package; empty where none had."""
    query = sa.select(rollouts.c.plan, rollouts.c.counter, rollouts.c.body, rollouts.c.why).where(
        rollouts.c.product == plan.release.product, rollouts.c.state == "aborted"
    )
    same = [
        f"; the same package as release {row.counter}, whose rollout {row.plan} was aborted ({row.why[:150]})"
        for row in connection.execute(query.order_by(rollouts.c.started_at.desc()))
        if plan_of(row.body).release.sha256 == plan.release.sha256
    ]
    return "".join(same[:1])

"""One transition of a rollout: what it changes, what is signed for it, and the transaction that records it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.fleet.protocol.plans.transitions import TRANSITIONS
from edgewright.fleet.repository import metadata
from edgewright.fleet.server.database import audit_chain
from edgewright.fleet.server.database.tables import rollouts
from edgewright.fleet.server.publishing import heads
from edgewright.fleet.server.publishing.heads import RacedError
from edgewright.fleet.server.rollouts.rows import first_values, in_index, standing_of
from edgewright.fleet.server.signer.service import SignedFiles, SigningRequest
from edgewright.schema.fleet_plan import Standing

WHY = "already signed, by a server that stopped or was superseded before recording it"
SIGNER = "signer"
_STRICTNESS = tuple(TRANSITIONS)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One transition, worked out but not done.

    Attributes:
        what: for the audit log, such as 'rollout.paused'.
        plan: its rollout; empty where only metadata changes.
        seen: the rollout's version that this follows; 0 for a new one.
        values: columns that change.
        why: for people.
        roles: metadata of offline roles that comes in; `roots` of several versions in order.
    """

    what: str
    plan: str = ""
    seen: int = 0
    values: dict[str, Any] = {}
    why: str = ""
    roles: dict[str, bytes] = {}
    roots: tuple[bytes, ...] = ()


def missed(row: Mapping[str, Any] | None, signed: Standing, body: Callable[[Standing], bytes]) -> Step | None:
    """Return the step that was signed last about a rollout and never committed; None where its row says as much.

    A server was killed between signature and commit, or another was faster. The signer takes no signature back, so the
    database has to follow. Of two states the stricter one counts: a pause that a person was told of is not ended by a
    stage that was signed at the same moment.

    Args:
        row: of the rollout; None where there is none.
        signed: as the signer remembers it.
        body: gives the plan's bytes.

    Raises:
        InputError: the plan's bytes are needed and not there.
    """
    if row is None:
        values = first_values(signed, body(signed), SIGNER)
        return Step(what="rollout.started", plan=signed.plan, values=values, why=WHY)
    known = standing_of(row)
    values = {}
    if signed.stage > known.stage:
        values = {"stage": signed.stage, "entered": signed.entered}
    if _STRICTNESS.index(signed.state) > _STRICTNESS.index(known.state):
        values |= {"state": signed.state}
    if values and signed.entered > known.entered:
        values["entered"] = signed.entered  # also the moment of the end
    if signed.revert and not known.revert:
        values |= {"revert": True}
    if not values:
        return None
    act = values.get("state", "aborted" if "revert" in values else "stage")
    return Step(what=f"rollout.{act}", plan=signed.plan, seen=row["version"], values=values, why=WHY)


def commit(connection: sa.Connection, *, step: Step, seen: int, given: SignedFiles, at: float, who: str) -> None:
    """Run the transaction: all of it or nothing."""
    heads.follow(connection, seen)
    if step.plan:
        values = {**step.values, "why": step.why[:500], "version": step.seen + 1}
        if step.seen == 0:
            connection.execute(sa.insert(rollouts).values(plan=step.plan, **values))
        else:
            where = sa.and_(rollouts.c.plan == step.plan, rollouts.c.version == step.seen)
            if connection.execute(sa.update(rollouts).where(where).values(**values)).rowcount != 1:
                raise RacedError(f"rollout {step.plan}")
    for root in step.roots:
        heads.keep(connection, {"root": root}, at)
    heads.keep(connection, {**step.roles, **given.roles}, at)
    heads.keep_index(connection, given.index, at)
    versions = {role: metadata.version(given.roles, role) for role in given.roles}
    record = {k: v for k, v in step.values.items() if k in ("state", "stage", "revert", "counter", "sha256")}
    audit_chain.append(
        connection, at=at, who=who, what=step.what, subject=step.plan,
        detail={**record, "why": step.why, "versions": versions},
    )  # fmt: skip


def signing_request(connection: sa.Connection, step: Step) -> SigningRequest:
    """Return what the signer is asked for a step: the standings as they will be."""
    rows = [dict(row._mapping) for row in connection.execute(sa.select(rollouts))]
    for row in rows:
        if row["plan"] == step.plan:
            row.update(step.values)
    if step.plan and step.seen == 0:
        rows.append({"plan": step.plan, **step.values})
    wanted = in_index(rows)
    return SigningRequest(
        standings=tuple(standing_of(row) for row in wanted),
        held=heads.held(connection),
        role_files=step.roles,
        roots=(*heads.roots(connection), *step.roots),
        plans={row["plan"]: row["body"] for row in wanted},
    )

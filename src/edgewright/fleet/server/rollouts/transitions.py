"""Transitions of rollouts: each is one transaction with the new state, signed bytes and a row in the audit log.

A step first reads the state and signs, and then commits with compare-and-set. If another step was committed in between,
the transaction does nothing and the step starts over from the new state. An unused signature leaves a version out.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.core.errors import InputError, RolloutStateError, SignatureError
from edgewright.core.records.fleet import Standing, State
from edgewright.fleet.protocol.plans.decision import TRANSITIONS, UNDER_WAY, lasting
from edgewright.fleet.protocol.plans.options import check
from edgewright.fleet.repository import metadata
from edgewright.fleet.server import restore
from edgewright.fleet.server.database import tables
from edgewright.fleet.server.database.engine import Database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.database.tables import (
    aborted_before,
    alone,
    first_values,
    in_index,
    need,
    next_due,
    plan_of,
    rollouts,
    row_of,
    standing_of,
)
from edgewright.fleet.server.restore import RacedError
from edgewright.fleet.server.signer.service import SignedFiles, Signing, SigningRequest

WHY = "already signed, by a server that stopped or was superseded before recording it"
SIGNER = "signer"
_STRICTNESS = tuple(TRANSITIONS)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One transition, worked out but not done.

    Attributes:
        action: for the audit log, such as 'rollout.paused'.
        plan: its rollout; empty where only metadata changes.
        seen: the rollout's version that this follows; 0 for a new one.
        values: columns that change.
        why: for people.
        roles: metadata of offline roles that comes in; `roots` of several versions in order.
    """

    action: str
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
        return Step(action="rollout.started", plan=signed.plan, values=values, why=WHY)
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
    return Step(action=f"rollout.{act}", plan=signed.plan, seen=row["version"], values=values, why=WHY)


def commit(connection: sa.Connection, *, step: Step, seen: int, given: SignedFiles, at: float, who: str) -> None:
    """Run the transaction: all of it or nothing."""
    restore.follow(connection, seen)
    if step.plan:
        values = {**step.values, "why": step.why[:500], "version": step.seen + 1}
        if step.seen == 0:
            connection.execute(sa.insert(rollouts).values(plan=step.plan, **values))
        else:
            where = sa.and_(rollouts.c.plan == step.plan, rollouts.c.version == step.seen)
            if connection.execute(sa.update(rollouts).where(where).values(**values)).rowcount != 1:
                raise RacedError(f"rollout {step.plan}")
    for root in step.roots:
        restore.keep(connection, {"root": root}, at)
    restore.keep(connection, {**step.roles, **given.roles}, at)
    restore.keep_index(connection, given.index, at)
    versions = {role: metadata.version(given.roles, role) for role in given.roles}
    record = {k: v for k, v in step.values.items() if k in ("state", "stage", "revert", "counter", "sha256")}
    tables.append_audit_row(
        connection, at=at, who=who, action=step.action, subject=step.plan,
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
        published_files=restore.role_files(connection),
        role_files=step.roles,
        roots=(*restore.roots(connection), *step.roots),
        plans={row["plan"]: row["body"] for row in wanted},
    )


ATTEMPTS = 5


class Rollouts:
    """Executes all transitions of rollouts.

    Args:
        database: database of the control plane.
        committer: committer for all writes.
        sign: signs with the online keys.
        now: returns seconds since 1970 by the server's clock.
        publish: writes files after a commit; the next call retries failed writes.
        body: returns the bytes of a standing's plan; without it, uncommitted signatures are not recovered.
    """

    def __init__(
        self, database: Database, committer: Committer, sign: Signing, now: Callable[[], float],
        publish: Callable[[], object] = lambda: None, body: Callable[[Standing], bytes] | None = None,
    ) -> None:  # fmt: skip
        self._body = body
        self._database, self._committer, self._sign = database, committer, sign
        self._now, self.publish = now, publish

    def start(self, body: bytes, who: str) -> Standing:
        """Start the rollout of a plan that was signed offline; repeating the call has no effect.

        Raises:
            InputError: the bytes are not a plan, the signer refuses it, or another rollout of the product is active.
        """
        try:
            plan = plan_of(body)
        except msgspec.DecodeError as error:
            raise RolloutStateError("a plan", str(error), "the plan's bytes") from None
        check(plan)
        digest = metadata.sha256(body)

        def step(connection: sa.Connection) -> Step | None:
            row = row_of(connection, plan.id)
            if row is not None and row["sha256"] == digest:
                return None
            if row is not None:
                raise RolloutStateError("a plan with a unique id", "the id of another plan", f"plan {plan.id}")
            alone(connection, plan)
            first = Standing(
                plan=plan.id, sha256=digest, product=plan.release.product, state="running", entered=self._now()
            )
            values = first_values(first, body, who)
            why = f"started by {who}{aborted_before(connection, plan)}"
            return Step(action="rollout.started", plan=plan.id, values=values, why=why)

        return self._do(plan.id, who, step)

    def steer(self, plan: str, who: str, state: State, why: str = "", *, revert: bool = False) -> Standing:
        """Execute an operator's transition; only an operator can resume a rollout.

        Args:
            plan: id of its plan.
            who: the person.
            state: 'paused': no device starts, and updated devices keep the release. 'running': resume. 'aborted': end
                it permanently.
            why: explanation for people.
            revert: whether an abort rolls back devices with the release.

        Raises:
            InputError: the rollout does not exist or is over, or its plan has no rollback release.
        """
        act = "resumed" if state == "running" else state

        def step(connection: sa.Connection) -> Step | None:
            row = need(connection, plan)
            if revert and plan_of(row["body"]).revert is None:
                raise RolloutStateError(
                    "a plan with a rollback release", "none: no good release preceded it", f"plan {plan}"
                )
            if row["state"] == state and (row["revert"] or not revert):
                return None
            if row["state"] != state and state not in TRANSITIONS[row["state"]]:
                before = " or ".join(before_it for before_it, following in TRANSITIONS.items() if state in following)
                raise RolloutStateError(f"a rollout that is {before}", f"one that is {row['state']}", f"plan {plan}")
            return Step(
                action=f"rollout.{act}", plan=plan, seen=row["version"], values={"state": state, "revert": revert},
                why=why or f"{act} by {who}",
            )  # fmt: skip

        return self._do(plan, who, step)

    def advance(self, plan: str, seen: int, why: str = "") -> Standing:
        """Start the next stage, or finish after the last one; does nothing if the rollout has changed since `seen`.

        Raises:
            InputError: the signer refuses it as too early.
        """
        return self._follow(plan, seen, why, ("running",), self._next_stage)

    def _next_stage(self, row: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return what follows a stage: the next one, or the end."""
        if row["stage"] + 1 >= len(plan_of(row["body"]).stages):
            return "finished", {"state": "finished", "entered": self._now()}
        return "stage", {"stage": row["stage"] + 1, "entered": self._now()}

    def promote(self, plan: str, who: str, stage: str, why: str) -> Standing:
        """End a stage although it holds, as a person decided.

        The plan that was signed offline fixes the dwell: the signer refuses to end a stage before it.

        Args:
            plan: id of its plan.
            who: the person.
            stage: name of the stage that ends; it must be the present one.
            why: for the audit log.

        Raises:
            InputError: no such rollout, it does not run, it is in another stage, or its dwell is not over.
        """

        def step(connection: sa.Connection) -> Step:
            row = need(connection, plan)
            here, signed = row["stage"], plan_of(row["body"])
            if row["state"] != "running":
                raise RolloutStateError("a rollout that is running", f"one that is {row['state']}", f"plan {plan}")
            if stage != signed.stages[here].name:
                raise SignatureError(f"the present stage {signed.stages[here].name!r}", repr(stage), f"plan {plan}")
            due = next_due(signed, standing_of(row))
            if self._now() < due:
                do = "Wait: the plan that was signed offline fixes the dwell, and the signer signs no earlier stage"
                got = f"{lasting(due - self._now())} before its end"
                raise RolloutStateError(f"stage {stage!r} after its dwell", got, f"plan {plan}", do)
            role_files = f"; it held: {row['holds']}" if row["holds"] else ""
            _, values = self._next_stage(row)
            return Step(
                action="rollout.promoted", plan=plan, seen=row["version"], values=values,
                why=f"{who} promoted stage {stage!r}: {why}{role_files}",
            )  # fmt: skip

        return self._do(plan, who, step)

    def finish(self, plan: str, seen: int, why: str) -> Standing:
        """Finish a rollout in its current stage, such as after the plan's expiry."""
        return self._follow(
            plan, seen, why, UNDER_WAY, lambda _: ("finished", {"state": "finished", "entered": self._now()})
        )

    def halt(self, plan: str, seen: int, why: str) -> Standing:
        """Abort a rollout after a failed gate, and roll devices back if the plan has a rollback release."""

        def values(row: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
            return "halted", {"state": "aborted", "revert": plan_of(row["body"]).revert is not None}

        return self._follow(plan, seen, why, ("running", "finished"), values)

    def refresh(self, who: str = "scheduler") -> None:
        """Sign the same standings again before they expire."""
        self._attempt(who, lambda _: Step(action="metadata.refreshed"))
        self.publish()

    def take(self, who: str, roles: Mapping[str, bytes], roots: tuple[bytes, ...] = ()) -> None:
        """Add new metadata of offline roles; `publish` writes it.

        Raises:
            InputError: the metadata is not correctly signed.
        """
        self._attempt(who, lambda _: Step(action="metadata.taken", roles=dict(roles), roots=roots))

    def _follow(
        self, plan: str, seen: int, why: str, states: tuple[State, ...],
        work_out: Callable[[Mapping[str, Any]], tuple[str, dict[str, Any]]],
    ) -> Standing:  # fmt: skip
        """Execute a transition of the scheduler, unless the rollout has changed since `seen`."""

        def step(connection: sa.Connection) -> Step | None:
            row = need(connection, plan)
            if row["version"] != seen or row["state"] not in states:
                return None
            act, values = work_out(row)
            return Step(action=f"rollout.{act}", plan=plan, seen=seen, values=values, why=why)

        return self._do(plan, "scheduler", step)

    def _do(self, plan: str, who: str, step: Callable[[sa.Connection], Step | None]) -> Standing:
        self._attempt(who, step)
        self.publish()
        return standing_of(self._read(plan))

    def _attempt(self, who: str, work_out: Callable[[sa.Connection], Step | None]) -> None:
        """Read, sign and commit with compare-and-set; start over after a conflict."""
        for attempt in range(ATTEMPTS):
            with self._database.reading() as connection:
                step = work_out(connection)
                if step is None:
                    break
                seen = restore.serial(connection)
                request = signing_request(connection, step)
            try:
                given, at = self._sign(request), self._now()
            except InputError:
                if who == SIGNER or attempt + 1 == ATTEMPTS or not self._catch_up():
                    raise
                continue
            done = self._committer.submit(functools.partial(commit, step=step, seen=seen, given=given, at=at, who=who))
            try:
                done.result()
                break
            except RacedError:
                if attempt + 1 == ATTEMPTS:
                    raise

    def _catch_up(self) -> bool:
        """Commit steps that were signed but not committed, in order of their start; return whether there were any."""
        if self._body is None:
            return False
        known = self._sign(SigningRequest(standings=(), published_files={}, recall=True)).known
        body, some = self._body, False
        for signed in sorted(known, key=lambda standing: standing.entered):
            with self._database.reading() as connection:
                some |= missed(row_of(connection, signed.plan), signed, body) is not None
            self._attempt(SIGNER, lambda c, signed=signed: missed(row_of(c, signed.plan), signed, body))  # type: ignore[misc]
        return some

    def _read(self, plan: str) -> Mapping[str, Any]:
        with self._database.reading() as connection:
            return need(connection, plan)

"""Rollouts step by step: each transition is one transaction of state, signed bytes and a line in the audit log.

First everything is read and signed, then one transaction compares and sets: where another step came in between, nothing
is done, and the step is worked out again from what is there now. A signature that is not used is a version left out.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.fleet.protocol.plans.validation import check
from edgewright.fleet.repository import metadata
from edgewright.fleet.server.database import audit_chain
from edgewright.fleet.server.database.engine import Database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.database.rollout_tables import rollouts
from edgewright.fleet.server.publishing import heads
from edgewright.fleet.server.publishing.heads import RacedError
from edgewright.fleet.server.rollouts import catch_up
from edgewright.fleet.server.rollouts.rows import NOT_OVER, alone, in_index, need, plan_of, row_of, standing_of
from edgewright.fleet.server.rollouts.step import Step
from edgewright.fleet.server.signer.service import Given, Signing, SigningRequest
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import Standing, State

ATTEMPTS = 5
_SIGNER = "signer"


class Rollouts:
    """All that changes a rollout.

    Args:
        database: of the control plane.
        committer: through which everything is written.
        signer: holds the online keys.
        now: seconds since 1970, the server's clock.
        publish: writes files after a commit; what it could not write it writes the next time.
        body: bytes of the plan that a standing names; without it nothing is caught up with.
    """

    def __init__(
        self, database: Database, committer: Committer, signer: Signing, now: Callable[[], float],
        publish: Callable[[], object] = lambda: None, body: Callable[[Standing], bytes] | None = None,
    ) -> None:  # fmt: skip
        self._body = body
        self._database, self._committer, self._signer = database, committer, signer
        self._now, self._publish = now, publish

    def start(self, body: bytes, who: str) -> Standing:
        """Begins the rollout of a plan that was signed offline; again with the same plan it changes nothing.

        Raises:
            InputError: no plan, the signer refuses it, or another rollout of the product is not over.
        """
        try:
            plan = plan_of(body)
        except msgspec.DecodeError as error:
            raise InputError("a plan", str(error), "the plan's bytes") from None
        check(plan)
        digest = metadata.sha256(body)

        def step(connection: sa.Connection) -> Step | None:
            row = row_of(connection, plan.id)
            if row is not None and row["sha256"] == digest:
                return None
            if row is not None:
                raise InputError("a plan with an id of its own", "an id that another plan has", f"plan {plan.id}")
            alone(connection, plan)
            now = self._now()
            values = {
                "product": plan.release.product, "counter": plan.release.counter, "sha256": digest, "body": body,
                "state": "running", "stage": 0, "entered": now, "revert": False, "started_at": now,
                "started_by": who[:64], "judged_at": None, "judged": "[]", "holds": "",
            }  # fmt: skip
            return Step(what="rollout.started", plan=plan.id, values=values, why=f"started by {who}")

        return self._do(plan.id, who, step)

    def pause(self, plan: str, who: str, why: str = "") -> Standing:
        """Nobody begins until a person resumes it; who has the release keeps it.

        Raises:
            InputError: no such rollout, or it is over.
        """
        return self._set(plan, who, "paused", why, ("running",))

    def resume(self, plan: str, who: str, why: str = "") -> Standing:
        """Goes on; only a person does this.

        Raises:
            InputError: no such rollout, or it is over.
        """
        return self._set(plan, who, "running", why, ("paused",))

    def abort(self, plan: str, who: str, *, revert: bool, why: str = "") -> Standing:
        """Ends it for ever; with `revert` those that have the release are called back.

        Raises:
            InputError: no such rollout, or its plan has no way back.
        """
        row = self._read(plan)
        if revert and plan_of(row["body"]).revert is None:
            raise InputError("a plan with a way back", "one without: nothing good came before it", f"plan {plan}")
        return self._set(plan, who, "aborted", why, ("running", "paused", "finished"), revert=revert)

    def advance(self, plan: str, seen: int, why: str = "") -> Standing:
        """The next stage, or after the last one the end; done once for each version that was seen.

        Raises:
            InputError: the signer finds it too early.
        """

        def step(connection: sa.Connection) -> Step | None:
            row = need(connection, plan)
            if row["version"] != seen or row["state"] != "running":
                return None
            stages = plan_of(row["body"]).stages
            if row["stage"] + 1 >= len(stages):
                return Step(what="rollout.finished", plan=plan, seen=seen, values={"state": "finished"}, why=why)
            values = {"stage": row["stage"] + 1, "entered": self._now()}
            return Step(what="rollout.stage", plan=plan, seen=seen, values=values, why=why)

        return self._do(plan, "scheduler", step)

    def finish(self, plan: str, seen: int, why: str) -> Standing:
        """Ends it where it stands, such as after the plan's expiry."""

        def step(connection: sa.Connection) -> Step | None:
            row = need(connection, plan)
            if row["version"] != seen or row["state"] not in NOT_OVER:
                return None
            return Step(what="rollout.finished", plan=plan, seen=seen, values={"state": "finished"}, why=why)

        return self._do(plan, "scheduler", step)

    def halt(self, plan: str, seen: int, why: str) -> Standing:
        """What a failed gate does: an abort that calls back where the plan has a way back."""

        def step(connection: sa.Connection) -> Step | None:
            row = need(connection, plan)
            if row["version"] != seen or row["state"] != "running":
                return None
            values = {"state": "aborted", "revert": plan_of(row["body"]).revert is not None}
            return Step(what="rollout.halted", plan=plan, seen=seen, values=values, why=why)

        return self._do(plan, "scheduler", step)

    def refresh(self, who: str = "scheduler") -> None:
        """Signs the same standings again, so that they do not expire."""
        self._attempt(who, lambda _: Step(what="metadata.refreshed"))
        self._publish()

    def take(self, who: str, roles: Mapping[str, bytes], roots: tuple[bytes, ...] = ()) -> None:
        """Takes in metadata of offline roles; `publish` writes it.

        Raises:
            InputError: it is not signed as it must be.
        """
        self._attempt(who, lambda _: Step(what="metadata.taken", roles=dict(roles), roots=roots))

    def publish(self) -> None:
        """Writes what is committed and not yet published."""
        self._publish()

    def _set(
        self, plan: str, who: str, state: State, why: str, after: tuple[str, ...], *, revert: bool = False
    ) -> Standing:  # fmt: skip
        def step(connection: sa.Connection) -> Step | None:
            row = need(connection, plan)
            if row["state"] == state and (row["revert"] or not revert):
                return None
            if row["state"] not in after and not (state == "aborted" and row["state"] == "aborted"):
                raise InputError(
                    f"a rollout that is {' or '.join(after)}", f"one that is {row['state']}", f"plan {plan}"
                )
            values, act = {"state": state, "revert": bool(revert)}, "resumed" if state == "running" else state
            return Step(
                what=f"rollout.{act}", plan=plan, seen=row["version"],
                values=values, why=why or f"{act} by {who}",
            )  # fmt: skip

        return self._do(plan, who, step)

    def _do(self, plan: str, who: str, step: Callable[[sa.Connection], Step | None]) -> Standing:
        self._attempt(who, step)
        self._publish()
        return standing_of(self._read(plan))

    def _attempt(self, who: str, work_out: Callable[[sa.Connection], Step | None]) -> None:
        """Reads, signs, and compares and sets; from the beginning where another was faster.

        Raises:
            RacedError: others were faster each time.
        """
        for attempt in range(ATTEMPTS):
            with self._database.reading() as connection:
                step = work_out(connection)
                if step is None:
                    break
                seen = heads.serial(connection)
                asked = _asked(connection, step)
            try:
                given, at = self._signer.sign(asked), self._now()
            except InputError:
                if who == _SIGNER or attempt + 1 == ATTEMPTS or not self._catch_up():
                    raise
                continue
            done = self._committer.submit(functools.partial(_commit, step=step, seen=seen, given=given, at=at, who=who))
            try:
                done.result()
                break
            except RacedError:
                if attempt + 1 == ATTEMPTS:
                    raise

    def _catch_up(self) -> bool:
        """Writes down what was signed and not committed, all in the order in which it began; whether there was any."""
        if self._body is None:
            return False
        found = self._signer.sign(SigningRequest(standings=(), held={}, recall=True)).known
        body, some = self._body, False
        for one in sorted(found, key=lambda standing: standing.entered):
            with self._database.reading() as connection:
                some |= catch_up.missed(row_of(connection, one.plan), one, body) is not None

            def step(connection: sa.Connection, one: Standing = one) -> Step | None:
                row = row_of(connection, one.plan)
                lacks = catch_up.missed(row, one, body)
                if lacks is None:
                    return None
                seen = row["version"] if row else 0
                return Step(what=lacks.what, plan=one.plan, seen=seen, values=lacks.values, why=catch_up.WHY)

            self._attempt(_SIGNER, step)
        return some

    def _read(self, plan: str) -> Mapping[str, Any]:
        with self._database.reading() as connection:
            return need(connection, plan)


def _commit(connection: sa.Connection, *, step: Step, seen: int, given: Given, at: float, who: str) -> None:
    """The transaction: all of it or nothing."""
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
    told = {k: v for k, v in step.values.items() if k in ("state", "stage", "revert", "counter", "sha256")}
    audit_chain.append(
        connection, at=at, who=who, what=step.what, subject=step.plan,
        detail={**told, "why": step.why, "versions": versions},
    )  # fmt: skip


def _asked(connection: sa.Connection, step: Step) -> SigningRequest:
    """What the signer is asked for a step: the standings as they will be."""
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

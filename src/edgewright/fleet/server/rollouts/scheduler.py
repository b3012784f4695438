"""Advances rollouts: evaluates gates, starts stages when they are due, halts after a failed gate, renews signatures.

It never resumes a rollout; only an operator does. Several schedulers may run at the same time: every step checks the
version that it has read, so only one of them succeeds.

Before a stage's dwell is over, its gates can only fail. That needs a device that has failed, is silent, or exceeds a
limit. A device that exceeds a limit over all its reports exceeds it in at least one of them, since each measure is a
share, a rate, a mean or a maximum of reports (for shares and rates: a sum of `numerator - limit * denominator` is
positive only if one of its terms is). If no single report in the window exceeds a limit and no device failed or is
silent, no gate can fail, and evaluation is unnecessary. The check can have false positives but no false negatives.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.core.errors import EdgewrightError, InputError, RolloutStateError
from edgewright.core.measures import measures
from edgewright.core.records.fleet import Gate, Plan
from edgewright.fleet.protocol.layout import INDEX, ONLINE, REPORT_EVERY, ROOT, TIMESTAMP, plan_target
from edgewright.fleet.protocol.plans.decision import UNDER_WAY, day, lasting
from edgewright.fleet.protocol.plans.gates import FAILED, NOT_THE_MODEL, together
from edgewright.fleet.protocol.rollout_records import GatePoint, GateSeen
from edgewright.fleet.repository import changes, metadata
from edgewright.fleet.repository.acceptance import Waiting, mark_taken, waiting
from edgewright.fleet.repository.folder import Fleet, locked, make_folder, write_again, write_targets
from edgewright.fleet.server import restore
from edgewright.fleet.server.database.engine import Database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.database.tables import (
    devices,
    in_index,
    intents,
    next_due,
    outcomes,
    plan_of,
    reports,
    say_stage,
    signed_files,
    standing_of,
    watched,
)
from edgewright.fleet.server.database.tables import rollouts as table
from edgewright.fleet.server.restore import RacedError
from edgewright.fleet.server.rollouts.offered import LOOK, RolloutTimes, not_spoilt
from edgewright.fleet.server.rollouts.stage_verdict import judge_stage
from edgewright.fleet.server.rollouts.transitions import Rollouts

DO = (
    "A backup was restored, or two control planes publish: edgewright fleet restore adopts what is published. "
    "If an online key may be stolen, rotate all three first: edgewright fleet key rotate timestamp"
)


class Publisher:
    """Keeps the published files of a fleet in sync with the database.

    Attributes:
        written: serial of the last completely written state.
    """

    def __init__(self, fleet: Fleet, database: Database) -> None:
        self._fleet, self._database = fleet, database
        self.written = -1

    def publish(self, again: bool = False) -> bool:
        """Write the missing files; return whether there were any.

        Args:
            again: check files that were published before too, since they may have been changed or removed.

        Raises:
            InputError: a published file is newer than the database, or differs from it.
            OutputError: a file cannot be written; the next call retries.
        """
        if not again:
            with self._database.reading() as connection:
                if restore.serial(connection) == self.written:
                    return False
        with locked(self._fleet):  # one process at a time, or the older timestamp could be written last
            return self._publish()

    def _publish(self) -> bool:
        with self._database.reading() as connection:
            serial = restore.serial(connection)
            role_files, roots = restore.role_files(connection), restore.roots(connection)
            index = _index(connection, role_files)
            rows = [dict(row._mapping) for row in connection.execute(sa.select(table))] if index is not None else []
        if TIMESTAMP not in role_files:
            return False
        if index is not None:
            plans = {plan_target(row["plan"]): row["body"] for row in in_index(rows)}
            write_targets(self._fleet, {**plans, INDEX: index})
        make_folder(self._fleet.metadata)
        files = [(ROOT, root) for root in roots] + [(role, role_files[role]) for role in metadata.in_order(role_files)]
        news = [self._write(role, data, role_files) for role, data in files]
        self.written = serial
        return any(news)

    def _write(self, role: str, data: bytes, role_files: dict[str, bytes]) -> bool:
        """Write the files of a role, but never over a later version or other content; return whether one was missing.

        A file that the current keys did not sign does not count: after a key rotation it is overwritten, even if a
        thief of the old key gave it a high version.
        """
        number, news = metadata.version({role: data}, role), False
        for name in metadata.file_names(role, number):
            path = self._fleet.metadata / name
            there = path.read_bytes() if path.is_file() else None
            if there == data:
                continue
            if there is not None and _counts(role_files, role, there):
                known = metadata.version({role: there}, role)
                if name == f"{ROOT}.json" and known > number:
                    continue
                if known >= number:
                    raise RolloutStateError(
                        f"{role} of version {number} as in the database", f"version {known}", name, DO
                    )
            write_again(path, data)
            news = True
        return news


def take_in(fleet: Fleet, rollouts: Rollouts) -> int:
    """Publish the signed changes that wait in `incoming`, oldest first, and return their number.

    The file of a change is deleted after its content is published, so that a command which reads the folder meanwhile
    finds the change in one place or in both; after a crash in between, repeating the change has no effect.
    All changes are applied together if possible, since a change may need the keys of a later one, for example after
    the theft of several online keys or with a clock that was ahead.

    Raises:
        InputError: a change is not correctly signed or is older than the current state; its file stays.
        OutputError: the signer or the disk failed.
    """
    queue = waiting(fleet)
    try:
        _take(rollouts, queue)
    except InputError:
        if len(queue) < 2:
            raise
        for item in queue:  # apply the changes before the invalid one
            _take(rollouts, [item])
    return len(queue)


def _take(rollouts: Rollouts, queue: Sequence[Waiting]) -> None:
    """Apply and publish changes in one step: one of them, such as a new key, may be necessary for the others."""
    if not queue:
        return
    files: dict[str, bytes] = {}
    roots: list[bytes] = []
    for item in queue:
        files |= changes.role_files(item.change)
        root = files.pop(ROOT, None)
        roots += [root] if root is not None else []
    rollouts.take("publisher", files, tuple(roots))
    rollouts.publish()
    for item in queue:
        mark_taken(item)


def _counts(role_files: dict[str, bytes], role: str, data: bytes) -> bool:
    """Return whether the current keys signed these bytes."""
    try:
        metadata.read(data, role)
    except InputError:
        return False  # not metadata
    try:
        metadata.verify(role_files, role, data)
    except InputError:
        return role == ROOT  # an older root is signed by older keys
    return True


def _index(connection: sa.Connection, role_files: dict[str, bytes]) -> bytes | None:
    """Return the bytes of the standings in the newest metadata; None if the database does not contain them."""
    path = restore.index_path(role_files)
    if not path:
        return None
    body = connection.execute(sa.select(signed_files.c.body).where(signed_files.c.path == path)).scalar_one_or_none()
    return bytes(body) if body is not None else None


MAX_POINTS = 120
"""Points that are kept; beyond, every second one of the older half is dropped."""


def points_of(text: str) -> tuple[GatePoint, ...]:
    """Decode the column; a damaged one counts as empty, because a rollout goes on without its curves."""
    try:
        return msgspec.json.decode(text, type=tuple[GatePoint, ...])
    except msgspec.DecodeError:
        return ()


def extended(text: str, now: float, results: Sequence[GateSeen]) -> str:
    """Return the column with a point more, where a gate has a finite value; JSON has no other numbers.

    Args:
        text: the column so far.
        now: seconds since 1970.
        results: what the gates say now.
    """
    values = {
        gate.measure: (gate.value, gate.allowed)
        for gate in results
        if gate.value is not None and math.isfinite(gate.value) and math.isfinite(gate.allowed or 0.0)
    }
    if not values:
        return text
    points = [*points_of(text), GatePoint(at=now, values=values)]
    if len(points) > MAX_POINTS:
        middle = len(points) // 2
        points = points[:middle:2] + points[middle:]
    return msgspec.json.encode(points).decode()


FEW = 1000
"""Up to this many permitted devices, the gates are evaluated more often than needed, so that results stay current."""
_CURRENT = 1 / 60
"""Share of a stage's dwell after which the results of few devices are not current."""
PERIOD_S = 900.0
"""Seconds after which the gates are evaluated anyway, so that the displayed results are not older."""
_GLANCED = ("failed", "silent")
"""Shares that this check covers; gates with other shares are evaluated in every round."""
_SLOW = ("classes",)
"""Takes long to read, and shows after an hour rather than a minute: asked for every `PERIOD_S` seconds."""
_SOON = 10.0
"""Seconds after which they are asked again once the stage's time is over."""
_OVERLAP = 120.0
"""Overlap in seconds of two checks: reports may be written out of order."""
_ENDS = ("confirmed", *FAILED)
_R = reports.c
_REPORTED = {name: measure for name, measure in measures().items() if measure.column}


@dataclass
class _Last:
    """A rollout's version, last evaluation, end of the checked reports, and newest report that exceeds a limit."""

    version: int
    evaluated: float
    read: float
    beyond: float = -1.0


class DirtyCheck:
    """Decides whether gates must be evaluated; remembers what earlier rounds have checked.

    Args:
        window: seconds of reports that a gate includes.

    Attributes:
        few: up to this many permitted devices, gates are evaluated again after a share of the dwell.
        interval: seconds after which gates are evaluated anyway.
    """

    def __init__(self, window: float) -> None:
        self._window, self.few, self.interval = window, FEW, PERIOD_S
        self._last: dict[str, _Last] = {}

    def forget(self) -> None:
        """Make the next check read everything."""
        self._last = {}

    def wanted(
        self, connection: sa.Connection, plan: Plan, row: Mapping[str, Any], now: float, listening: float, every: float
    ) -> bool:
        """Return whether the gates must be evaluated in this round.

        Args:
            connection: connection for reading.
            plan: plan of the rollout.
            row: row of the rollout.
            now: seconds since 1970.
            listening: see `offered.RolloutTimes`.
            every: see `offered.RolloutTimes`.
        """
        last = self._last.get(plan.id)
        requested = (
            last is None
            or last.version != row["version"]
            or now >= self._again(plan, row, last)
            or (row["state"] == "running" and now >= _outdated(plan, row, last) and self._small(connection, plan))
            or self._odd(connection, plan, last, now, listening, every)
        )
        if requested:
            kept = _Last(row["version"], now, 0.0) if last is None else last
            kept.version, kept.evaluated = row["version"], now
            self._last = {**self._last, plan.id: kept}
        return requested

    def _again(self, plan: Plan, row: Mapping[str, Any], last: _Last) -> float:
        """Return seconds since 1970 at which the gates are asked all the same."""
        longest = min(self.interval, PERIOD_S) if any(gate.measure in _SLOW for gate in plan.gates) else self.interval
        if row["state"] == "finished":
            return last.evaluated + min(self.interval, PERIOD_S)
        return min(last.evaluated + longest, max(next_due(plan, standing_of(row)), last.evaluated + _SOON))

    def _small(self, connection: sa.Connection, plan: Plan) -> bool:
        if self.few <= 0:
            return False
        i = intents.c
        some = sa.select(i.device).where(i.plan == plan.id, i.at.is_not(None)).limit(self.few + 1).subquery()
        return int(connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()) <= self.few

    def _odd(
        self, connection: sa.Connection, plan: Plan, last: _Last, now: float, listening: float, every: float
    ) -> bool:
        return (
            any(gate.measure not in (*_GLANCED, *_SLOW) and gate.measure not in _REPORTED for gate in plan.gates)
            or self._beyond(connection, plan, last, now)
            or _any_failed(connection, plan)
            or (now - listening > plan.silence and _any_silent(connection, plan, now, every))
        )

    def _beyond(self, connection: sa.Connection, plan: Plan, last: _Last, now: float) -> bool:
        """Return whether a report in the window exceeds a limit; reads only reports since the last check."""
        conditions = [_exceeded(gate) for gate in plan.gates if gate.measure in _REPORTED]
        if not conditions:
            return False
        query = sa.select(sa.func.max(_R.at)).where(
            _R.counter == plan.release.counter, _R.at >= max(last.read - _OVERLAP, now - self._window),
            _R.model, sa.or_(*conditions),
        )  # fmt: skip
        last.beyond = max(last.beyond, connection.execute(query).scalar_one() or -1.0)
        last.read = now
        return last.beyond >= now - self._window


def _exceeded(gate: Gate) -> sa.ColumnElement[bool]:
    """Return whether a report alone exceeds a limit."""
    measure = _REPORTED[gate.measure]
    return _R[measure.column] * measure.scale > (gate.limit * _R[measure.over] if measure.over else gate.limit)


def _outdated(plan: Plan, row: Mapping[str, Any], last: _Last) -> float:
    """Return seconds since 1970 from which the displayed results of few devices are not current."""
    dwell = plan.stages[standing_of(row).stage].dwell
    return last.evaluated + min(PERIOD_S, _CURRENT * dwell)


def _any_failed(connection: sa.Connection, plan: Plan) -> bool:
    o = outcomes.c
    query = sa.select(o.device).where(
        o.plan == plan.id, o.counter == plan.release.counter, o.what.in_(FAILED), o.because.not_in(NOT_THE_MODEL),
        not_spoilt(),
    )  # fmt: skip
    return connection.execute(query.limit(1)).first() is not None


def _any_silent(connection: sa.Connection, plan: Plan, now: float, every: float) -> bool:
    """Return whether the last report of a permitted device is so old that a gate may count it as silent."""
    d, i, o, counter = devices.c, intents.c, outcomes.c, plan.release.counter
    since = now - plan.silence
    ended = sa.select(o.number).where(
        o.device == d.id, o.plan == plan.id, o.counter == counter, o.what.in_(_ENDS), not_spoilt()
    )  # fmt: skip
    gone = sa.or_(d.last_report_at.is_(None), d.last_report_at < since - every)
    # "IS NOT" prevents SQLite from using an index with almost only false values: it starts with the permitted devices.
    query = (
        sa.select(d.id)
        .join(intents, sa.and_(i.device == d.id, i.plan == plan.id, i.counter == counter))
        .where(
            sa.or_(d.last_report_at.is_(None), d.last_report_at < since), d.quarantined.is_not(True), i.at < since,
            sa.or_(gone, ~sa.exists(ended)),
        )
    )  # fmt: skip
    return connection.execute(query.limit(1)).first() is not None


RENEW = 0.5
"""Remaining share of a role's lifetime at which it is signed again."""
AWAY = 600.0
"""Seconds without a round after which the control plane counts as having been unavailable."""
SLACK = 60.0
"""Tolerated seconds by which a clock may go back during an adjustment, or be behind another server's clock."""


class SchedulerEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One action or failure of a tick.

    Attributes:
        kind: 'stage', 'finished', 'halted', 'renewed', 'published', 'taken', 'failed', or 'stale' if signatures could
            not be renewed.
        plan: plan of the rollout; empty for events without a rollout.
        why: explanation in one line.
    """

    kind: str = msgspec.field(name="what")
    plan: str = ""
    why: str = ""


class Scheduler:
    """Advances all rollouts of a fleet.

    Args:
        fleet: fleet whose folder is published.
        database: database of the control plane.
        committer: committer for all writes.
        rollouts: executes the transitions.
        publisher: writes the files.
        now: returns seconds since 1970.
        every: seconds between two reports of a device without events.

    Attributes:
        glance: decides whether the gates of a rollout must be evaluated.
    """

    def __init__(
        self, fleet: Fleet, database: Database, committer: Committer, rollouts: Rollouts, publisher: Publisher,
        now: Callable[[], float], every: float = REPORT_EVERY,
    ) -> None:  # fmt: skip
        self._fleet, self._database, self._committer = fleet, database, committer
        self._rollouts, self._publisher, self._now = rollouts, publisher, now
        self._listening = self._last = now()
        self._every = every
        self.glance = DirtyCheck(LOOK)

    def tick(self) -> list[SchedulerEvent]:
        """Run one round, unless another server does at this moment; the next round retries failed actions.

        Raises:
            sqlalchemy.exc.OperationalError: the database is unavailable.
        """
        now = self._now()
        if not -SLACK <= now - self._last <= AWAY:
            # The server was unavailable and received no reports, or its clock was set: old times are not comparable.
            self._listening = now
            self.glance.forget()
        self._last = now
        with self._database.looking() as mine:
            return self._round(now) if mine else []

    def _round(self, now: float) -> list[SchedulerEvent]:
        done: list[SchedulerEvent] = []
        self._try(done, "", self._publish)
        self._try(done, "", self._take_in)
        with self._database.reading() as connection:
            known = connection.execute(sa.select(table).where(table.c.state.in_(("running", "finished"))))
            rows = watched([dict(row._mapping) for row in known], now)
        for row in rows:
            self._try(done, row["plan"], functools.partial(self._look, row, now))
        self._try(done, "", lambda: self._renew(now), "stale")
        return done

    def _try(
        self, done: list[SchedulerEvent], plan: str, work: Callable[[], SchedulerEvent | None], failed: str = "failed"
    ) -> None:
        try:
            happened = work()
        except RacedError:
            return  # another scheduler did it
        except EdgewrightError as error:
            happened = SchedulerEvent(kind=failed, plan=plan, why=str(error))
        if happened is not None:
            done.append(happened)

    def _publish(self) -> SchedulerEvent | None:
        return SchedulerEvent(kind="published") if self._publisher.publish() else None

    def _take_in(self) -> SchedulerEvent | None:
        count = take_in(self._fleet, self._rollouts)
        if count:
            self._abort_signed()
        return SchedulerEvent(kind="taken", why=f"{count} changes signed offline") if count else None

    def _abort_signed(self) -> None:
        """Abort active rollouts whose abort is signed offline, since no device starts them any more."""
        with self._database.reading() as connection:
            plans = metadata.aborted(restore.role_files(connection))[1]
            known = connection.execute(
                sa.select(table.c.plan).where(table.c.plan.in_(plans), table.c.state.in_(UNDER_WAY))
            )
            active = list(known.scalars())
        for plan in active:
            self._rollouts.steer(plan, "offline keys", "aborted", "the abort was signed offline")

    def _look(self, row: Mapping[str, Any], now: float) -> SchedulerEvent | None:
        """Process one rollout: advance, finish or halt it, or record why it holds."""
        plan, standing, seen = plan_of(row["body"]), standing_of(row), row["version"]
        finished = standing.state == "finished"
        if now >= plan.expires and not finished:
            why = f"the plan expired on {day(plan.expires)}"
            self._rollouts.finish(plan.id, seen, why)
            return SchedulerEvent(kind="finished", plan=plan.id, why=why)
        times = RolloutTimes(
            now=now, began=row["started_at"], entered=standing.entered, due=next_due(plan, standing),
            listening=self._listening, every=self._every, finished=finished,
        )  # fmt: skip
        with self._database.reading() as connection:
            if not self.glance.wanted(connection, plan, row, now, self._listening, self._every):
                return None
            results = judge_stage(connection, plan, standing.stage, times)
        verdict = together(results)
        holds = "" if finished else _holds(plan, row, results, now)
        self._note(row, results, holds, now)
        if verdict == "fail":
            why = "; ".join(result.why for result in results if result.verdict == "fail")
            self._rollouts.halt(plan.id, seen, f"after it was finished: {why}" if finished else why)
            return SchedulerEvent(kind="halted", plan=plan.id, why=why)
        if holds or finished:
            return None
        why = f"stage {say_stage(plan, standing.stage)} is over: {'; '.join(result.why for result in results)}"
        self._rollouts.advance(plan.id, seen, why)
        last = standing.stage + 1 >= len(plan.stages)
        return SchedulerEvent(kind="finished" if last else "stage", plan=plan.id, why=why)

    def _note(self, row: Mapping[str, Any], results: tuple[GateSeen, ...], holds: str, now: float) -> None:
        """Store the results of the gates for display, if they have changed."""
        text = msgspec.json.encode(results).decode()
        if text == row["judged"] and holds == row["holds"]:
            return
        where = sa.and_(table.c.plan == row["plan"], table.c.version == row["version"])
        history = extended(row["history"], now, results)
        values = {"judged": text, "judged_at": now, "holds": holds[:500], "history": history}
        self._committer.submit(lambda c: c.execute(sa.update(table).where(where).values(**values)).rowcount).result()

    def _renew(self, now: float) -> SchedulerEvent | None:
        """Sign roles again well before they expire."""
        with self._database.reading() as connection:
            role_files = {role: data for role, data in restore.role_files(connection).items() if role in ONLINE}
        ahead = max((metadata.signed_at(data, role) - now for role, data in role_files.items()), default=0.0)
        if ahead > SLACK:
            why = f"by the server's clock, the last signature is {lasting(ahead)} in the future: nothing can be signed"
            do = "set the clock; if it is right: edgewright fleet key rotate timestamp"
            return SchedulerEvent(kind="stale", why=f"{why}; {do}")
        due = [
            role
            for role in ONLINE
            if role in role_files
            and now - metadata.signed_at(role_files[role], role) > (1.0 - RENEW) * metadata.lifetime(role)
        ]
        if not due:
            return None
        self._rollouts.refresh()
        return SchedulerEvent(kind="renewed", why=", ".join(due))


def _holds(plan: Plan, row: Mapping[str, Any], results: tuple[GateSeen, ...], now: float) -> str:
    """Return why the stage cannot end now; empty if it can."""
    due = next_due(plan, standing_of(row))
    reasons = [result.why for result in results if result.verdict == "hold"]
    if now < due:
        reasons.insert(0, f"stage {say_stage(plan, row['stage'])} lasts until {day(due)}")
    return "; ".join(reasons)

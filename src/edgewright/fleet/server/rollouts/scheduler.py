"""What moves rollouts on: gates are asked, stages begin when they may, a failed gate halts, signatures are renewed.

It never resumes anything: that is a person's. Two of them may run at once, in one process or in two: every step names
the version that it saw, and only one of them gets it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.fleet.protocol.layout import ONLINE, REPORT_EVERY
from edgewright.fleet.protocol.plans.formatting import day, lasting
from edgewright.fleet.protocol.plans.gates import together
from edgewright.fleet.repository import metadata
from edgewright.fleet.repository.folder import Fleet
from edgewright.fleet.server.database.engine import Database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.database.tables import rollouts as table
from edgewright.fleet.server.publishing import heads
from edgewright.fleet.server.publishing.heads import RacedError
from edgewright.fleet.server.publishing.publisher import Publisher, take_in
from edgewright.fleet.server.rollouts.dirty_check import DirtyCheck
from edgewright.fleet.server.rollouts.gate_votes import LOOK, judge_all
from edgewright.fleet.server.rollouts.rows import next_due, plan_of, say_stage, standing_of
from edgewright.fleet.server.rollouts.transitions import Rollouts
from edgewright.schema.errors import EdgewrightError
from edgewright.schema.fleet_plan import Plan
from edgewright.schema.fleet_watch import GateSeen

RENEW = 0.5
"""Share of a role's lifetime after which it is signed again."""
AWAY = 600.0
SLACK = 60.0
"""Seconds by which a clock may fall back while it is trimmed, or lie behind another server's, and nobody minds."""


class SchedulerEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a tick did, or could not do.

    Attributes:
        what: 'stage', 'finished', 'halted', 'renewed', 'published', 'taken'; 'failed', or 'stale' where signatures that
            will expire could not be renewed.
        plan: of a rollout; empty for others.
        why: one line for people.
    """

    what: str
    plan: str = ""
    why: str = ""


class Scheduler:
    """Looks after all rollouts of a fleet.

    Args:
        fleet: whose folder is published.
        database: of the control plane.
        committer: through which everything is written.
        rollouts: makes the steps.
        publisher: writes the files.
        now: seconds since 1970.
        away: seconds without a round after which the control plane counts as having been away.
        every: seconds between two reports of a device to which nothing happens.

    Attributes:
        glance: says whether the gates of a rollout need to be asked.
    """

    def __init__(
        self, fleet: Fleet, database: Database, committer: Committer, rollouts: Rollouts, publisher: Publisher,
        now: Callable[[], float], away: float = AWAY, every: float = REPORT_EVERY,
    ) -> None:  # fmt: skip
        self._fleet, self._database, self._committer = fleet, database, committer
        self._rollouts, self._publisher, self._now = rollouts, publisher, now
        self._listening = self._last = now()
        self._away, self._every = away, every
        self.glance = DirtyCheck(LOOK)

    def tick(self) -> list[SchedulerEvent]:
        """One round; what it could not do it tries again in the next. Another server's round at this moment is enough.

        Raises:
            sqlalchemy.exc.OperationalError: the database is away.
        """
        now = self._now()
        if not -SLACK <= now - self._last <= self._away:
            # It was away, and so were all reports; or its clock was set, and what it knows of times says nothing.
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
            running = connection.execute(sa.select(table).where(table.c.state == "running"))
            rows: list[Mapping[str, Any]] = [dict(row._mapping) for row in running]
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
            return  # another one did it
        except EdgewrightError as error:
            happened = SchedulerEvent(what=failed, plan=plan, why=str(error))
        if happened is not None:
            done.append(happened)

    def _publish(self) -> SchedulerEvent | None:
        return SchedulerEvent(what="published") if self._publisher.publish() else None

    def _take_in(self) -> SchedulerEvent | None:
        count = take_in(self._fleet, self._rollouts)
        return SchedulerEvent(what="taken", why=f"{count} changes that were signed offline") if count else None

    def _look(self, row: Mapping[str, Any], now: float) -> SchedulerEvent | None:
        """One rollout: on, over, halted, or why it holds."""
        plan, standing, seen = plan_of(row["body"]), standing_of(row), row["version"]
        if now >= plan.expires:
            why = f"the plan expired on {day(plan.expires)}"
            self._rollouts.finish(plan.id, seen, why)
            return SchedulerEvent(what="finished", plan=plan.id, why=why)
        last = standing.stage + 1 >= len(plan.stages)
        with self._database.reading() as connection:
            if not self.glance.wanted(connection, plan, row, now, self._listening, self._every):
                return None
            judged = judge_all(
                connection, plan, row["started_at"], now, last=last, listening=self._listening, every=self._every
            )
        verdict = together(judged)
        holds = _holds(plan, row, judged, now)
        self._note(row, judged, holds, now)
        if verdict == "fail":
            why = "; ".join(one.why for one in judged if one.said == "fail")
            self._rollouts.halt(plan.id, seen, why)
            return SchedulerEvent(what="halted", plan=plan.id, why=why)
        if holds:
            return None
        why = f"stage {say_stage(plan, standing.stage)} is over: " + (
            "; ".join(one.why for one in judged) or "no gates"
        )
        self._rollouts.advance(plan.id, seen, why)
        return SchedulerEvent(what="finished" if last else "stage", plan=plan.id, why=why)

    def _note(self, row: Mapping[str, Any], judged: tuple[GateSeen, ...], holds: str, now: float) -> None:
        """Keep what the gates said, for people; only where it is news."""
        text = msgspec.json.encode(judged).decode()
        if text == row["judged"] and holds == row["holds"]:
            return
        where = sa.and_(table.c.plan == row["plan"], table.c.version == row["version"])
        values = {"judged": text, "judged_at": now, "holds": holds[:500]}
        self._committer.submit(lambda c: c.execute(sa.update(table).where(where).values(**values)).rowcount).result()

    def _renew(self, now: float) -> SchedulerEvent | None:
        """Return signs again what would expire, well before it does."""
        with self._database.reading() as connection:
            held = {role: data for role, data in heads.held(connection).items() if role in ONLINE}
        ahead = max((metadata.signed_at(data, role) - now for role, data in held.items()), default=0.0)
        if ahead > SLACK:
            why = f"by the server's clock, the last signature is {lasting(ahead)} in the future: nothing can be signed"
            do = "set the clock; if it is right: edgewright fleet key rotate timestamp"
            return SchedulerEvent(what="stale", why=f"{why}; {do}")
        due = [
            role
            for role in ONLINE
            if role in held and now - metadata.signed_at(held[role], role) > (1.0 - RENEW) * metadata.lifetime(role)
        ]
        if not due:
            return None
        self._rollouts.refresh()
        return SchedulerEvent(what="renewed", why=", ".join(due))


def _holds(plan: Plan, row: Mapping[str, Any], judged: tuple[GateSeen, ...], now: float) -> str:
    """Why the stage does not end now; empty where it may."""
    due = next_due(plan, standing_of(row))
    reasons = [one.why for one in judged if one.said == "hold"]
    if now < due:
        reasons.insert(0, f"stage {say_stage(plan, row['stage'])} lasts until {day(due)}")
    return "; ".join(reasons)

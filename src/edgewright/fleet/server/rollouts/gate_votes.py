"""Votes of devices in the gates of a rollout, from their reports, outcomes and silence."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.core.measures import DAY, measures
from edgewright.core.records.fleet import Plan
from edgewright.fleet.protocol.plans.gates import SHARES, Vote, distance
from edgewright.fleet.server.database.tables import boards_of, devices, outcomes, reports
from edgewright.fleet.server.rollouts.offered import LOOK, OfferedDevice, RolloutTimes, counting, waits_for_boards

_BATCH = (devices.c.id, devices.c.batch, devices.c.enrolled_at)
_TOTALS = {
    **{measure.over: sa.func.sum for measure in measures().values() if measure.over},
    **{measure.column: getattr(sa.func, measure.total) for measure in measures().values() if measure.column},
}
"""Function of SQL that puts a column of several reports together."""
_SHARE = 0.9
"""Of the time between two reports: a process that ran for less was started between them."""
_HOUR = 3600.0
"""Shortest time in seconds over which crashes count, so that two soon after a start are no thousand a day."""
_COMPARED = 500
"""Devices with the old release that a gate compares with at most; ids are random, so the lowest are a fair sample."""


class _Detail(msgspec.Struct):
    """The part of a report's details that a gate needs; read a hundred times for each device."""

    classes: dict[str, int] = {}


_DETAIL = msgspec.json.Decoder(_Detail)


class GateVotes:
    """Votes by measure; what several measures need is read once."""

    def __init__(
        self, connection: sa.Connection, plan: Plan, times: RolloutTimes, offered: Sequence[OfferedDevice]
    ) -> None:
        self._connection, self._plan, self._times, self._offered = connection, plan, times, offered
        self._since = max(times.began, times.now - LOOK)
        self._totals: dict[str, list[tuple[Any, dict[str, float]]]] = {}
        self._crashes: dict[str, dict[str, float]] = {}

    def new(self, measure: str) -> list[Vote]:
        """Return the votes of devices that have, or had, the new release."""
        if measure == "firmware":
            return self._firmware()
        if measure in SHARES:
            return self._shares(measure)
        if measure == "classes":
            return self._classes()
        return self._measured(measure, "new")

    def old(self, measure: str, needed: int) -> list[Vote]:
        """Return the votes of devices with an older release: at the same time, or all before it where few are left."""
        if measure in SHARES or measure == "classes":
            return []
        votes = self._measured(measure, "old")
        return votes if len(votes) >= needed else max(votes, self._measured(measure, "before"), key=len)

    @functools.cached_property
    def left(self) -> int:
        """Devices that reported within a day and have an older release; counted up to as many as are compared."""
        d, since = devices.c, self._times.now - DAY
        there = sa.select(d.id).where(
            *counting(self._plan), d.counter < self._plan.release.counter, d.last_report_at >= since
        )
        return self._connection.execute(
            sa.select(sa.func.count()).select_from(there.limit(_COMPARED).subquery())
        ).scalar_one()

    def is_measured(self, measure: str) -> bool:
        """Return whether devices measure this, classes also before the release; True until a report with it came."""
        if measure in SHARES or not self._reported("new"):
            return True
        if measure == "classes":
            return any(counted.total() for _, counted in self._classes_before.values())
        return bool(self._measured(measure, "old") or self._measured(measure, "before"))

    def incomparable(self, measure: str) -> int:
        """Return how many devices answer with the new release and can have no vote, as they never answered before."""
        if measure != "classes":
            return 0
        return sum(1 for device, (_, shares) in self._classes_after.items() if shares.total()) - len(self._classes())

    def _measured(self, measure: str, which: str) -> list[Vote]:
        rows = self._reported(which)
        if measure == "crashes":
            if which not in self._crashes:
                self._crashes[which] = self._crash_rates(which)
            return [_vote(row, self._crashes[which].get(row.id, 0.0)) for row, _ in rows]
        values = ((row, measures()[measure].value(totals)) for row, totals in rows)
        return [_vote(row, number) for row, number in values if number is not None]

    def _reported(self, which: str) -> list[tuple[Any, dict[str, float]]]:
        """Return each device's row and the totals of its reports by column."""
        if which not in self._totals:
            self._totals[which] = list(self._summed(which))
        return self._totals[which]

    def _chosen(self, which: str) -> list[sa.ColumnElement[bool]]:
        """Return the conditions for the reports of devices with the new release, or an older one now or before."""
        r, d, number, began = reports.c, devices.c, self._plan.release.counter, self._times.began
        if which == "new":
            return [r.counter == number, r.at >= self._since]
        old = sa.select(d.id).where(*counting(self._plan))
        conditions = [r.counter < number, r.at >= began - LOOK, r.at < began]
        if which == "old":
            old = old.where(d.counter < number)
            conditions = [r.counter < number, r.at >= self._since]
        return [*conditions, r.device.in_(old.order_by(d.id).limit(_COMPARED))]

    def _summed(self, which: str) -> Iterable[tuple[Any, dict[str, float]]]:
        r = reports.c
        query = (
            sa.select(*_BATCH, *(total(r[name]).label(name) for name, total in _TOTALS.items()))
            .join(devices, devices.c.id == r.device)
            .where(*self._chosen(which), r.model, *counting(self._plan))
            .group_by(*_BATCH)
        )
        for row in self._connection.execute(query):
            yield row, {name: float(row._mapping[name]) for name in _TOTALS}

    def _crash_rates(self, which: str) -> dict[str, float]:
        """Return the crashes a day of devices that had two or more in the reports of the window.

        The first one does not count: a power cut of a whole site befalls all of its devices once, whatever they run.
        Reports count from a start, which may lie before the window; their differences lie within.
        """
        r, chosen = reports.c, (*self._chosen(which), reports.c.model)
        since = self._times.began - LOOK if which == "before" else self._since
        affected = sa.select(r.device).where(*chosen, r.crashes > 0)
        before = {
            f"{column.name}_before": sa.func.lag(column).over(partition_by=r.device, order_by=r.id)
            for column in (r.at, r.seconds, r.crashes)
        }
        columns = (r.device, r.at, r.seconds, r.crashes, *(value.label(name) for name, value in before.items()))
        w = sa.select(*columns).where(*chosen, r.device.in_(affected)).subquery().c
        first = w.at_before.is_(None)
        older = sa.and_(first, w.seconds > w.at - since)
        # It ran for less time than before, or for less than has passed since its last report.
        restarted = sa.or_(w.seconds < w.seconds_before, w.seconds < _SHARE * (w.at - w.at_before))
        events = sa.case(
            (older, 0), (sa.or_(first, w.crashes < w.crashes_before), w.crashes),
            (w.crashes > w.crashes_before, w.crashes - w.crashes_before), (restarted, w.crashes), else_=0,
        )  # fmt: skip
        seconds = sa.case(
            (older, w.at - since), (sa.or_(first, restarted), w.seconds), else_=w.seconds - w.seconds_before
        )
        total = sa.func.sum
        query = sa.select(w.device, total(events), total(seconds)).group_by(w.device)
        rows = self._connection.execute(query)
        return {name: max(0, int(count) - 1) * DAY / max(_HOUR, spent) for name, count, spent in rows}

    def _shares(self, measure: str) -> list[Vote]:
        """Votes of 'failed' and of 'silent'."""
        if measure == "failed":
            number = {"failed": 1.0, "lost": 1.0, "confirmed": 0.0}
            return [device.vote(number[device.fate]) for device in self._offered if device.fate in number]
        spoke = [
            device for device in self._offered if device.fate not in ("away", "open") or device.reported_at > device.at
        ]
        return [device.vote(float(device.fate == "lost")) for device in spoke if device.fate != "away"]

    def _firmware(self) -> list[Vote]:
        """Return the votes for 'firmware': devices with updated boards, and whether a board needs other firmware."""
        number = self._plan.release.counter
        query = sa.select(*_BATCH, devices.c.boards).where(
            devices.c.counter == number, devices.c.boards != "", *counting(self._plan)
        )  # fmt: skip
        votes = []
        for row in self._connection.execute(query):
            states = [board.state for board in boards_of(row.boards) if board.release == number]
            if states and ("firmware" in states or not waits_for_boards(self._plan, row.boards)):
                votes.append(_vote(row, float("firmware" in states)))
        return votes

    def _classes(self) -> list[Vote]:
        """Return the distance between each device's class shares with the new release and before it."""
        before = self._classes_before
        moved = (
            (row, distance(before[device][1], shares))
            for device, (row, shares) in self._classes_after.items() if device in before
        )  # fmt: skip
        return [_vote(row, number) for row, number in moved if number is not None]

    @functools.cached_property
    def _classes_after(self) -> dict[str, tuple[Any, Counter[str]]]:
        return self._shares_of(reports.c.counter == self._plan.release.counter, reports.c.at >= self._since)

    @functools.cached_property
    def _classes_before(self) -> dict[str, tuple[Any, Counter[str]]]:
        return self._shares_of(
            reports.c.counter < self._plan.release.counter, reports.c.at >= self._times.began - LOOK,
            reports.c.device.in_(sa.select(outcomes.c.device).where(outcomes.c.plan == self._plan.id)),
        )  # fmt: skip

    def _shares_of(self, *which: sa.ColumnElement[bool]) -> dict[str, tuple[Any, Counter[str]]]:
        query = (
            sa.select(*_BATCH, reports.c.detail)
            .join(devices, devices.c.id == reports.c.device)
            .where(reports.c.model, *which, *counting(self._plan))
        )
        shares: dict[str, tuple[Any, Counter[str]]] = {}
        for row in self._connection.execute(query):
            if row[0] not in shares:
                shares[row[0]] = row, Counter()
            reported = shares[row[0]][1]
            for name, count in _DETAIL.decode(row[3]).classes.items():
                reported[name] += count
        return shares


def _vote(row: Any, number: float) -> Vote:  # noqa: ANN401 - a row of some query
    return Vote(device=row.id, batch=row.batch, enrolled=row.enrolled_at, value=number)

"""What the gates of a running rollout hear: devices' reports, outcomes and silence, as voices."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from edgewright.fleet.protocol.layout import DAY, REPORT_EVERY
from edgewright.fleet.protocol.plans.gates import SHARES, Vote, distance, failed, judge, value
from edgewright.fleet.server.database.tables import boards_of, devices, intents, outcomes, reports
from edgewright.schema.boards import pending
from edgewright.schema.fleet_plan import Plan
from edgewright.schema.fleet_report import Vitals
from edgewright.schema.fleet_watch import GateSeen

_SOME = 5
_AHEAD = 60.0
LOOK = DAY
"""Seconds of reports that a gate looks back at most."""
_BATCH = (devices.c.id, devices.c.batch, devices.c.enrolled_at)


def judge_all(
    connection: sa.Connection,
    plan: Plan,
    since: float,
    now: float,
    *,
    last: bool = False,
    listening: float = 0.0,
    every: float = REPORT_EVERY,
) -> tuple[GateSeen, ...]:
    """Ask every gate of a plan.

    Args:
        connection: to read from.
        plan: of the rollout.
        since: seconds since 1970, when it began.
        now: seconds since 1970.
        last: it is in its last stage.
        listening: since when the control plane has been there without a break: while it was away, devices could not
            report, and that is no silence of theirs.
        every: seconds between two reports of a device to which nothing happens.
    """
    heard = _Heard(connection, plan, max(since, now - LOOK), now, listening, every)
    return tuple(
        judge(gate, plan.enrolled, heard.new(gate.measure), heard.old(gate.measure) if gate.ratio else (), last)
        for gate in plan.gates
    )


class _Heard:
    """Voices by measure; what several measures need is read once."""

    def __init__(self, connection: sa.Connection, plan: Plan, since: float, now: float, listening: float,
        every: float,
    ) -> None:  # fmt: skip
        self._connection, self._plan, self._since, self._now = connection, plan, since, now
        self._listening, self._every = listening, every
        self._vitals: dict[bool, list[tuple[Any, Vitals]]] = {}
        self._ends: tuple[list[Vote], list[Vote]] | None = None
        self._waiting: set[str] = set()

    def new(self, measure: str) -> list[Vote]:
        """Of those that have, or had, the new release."""
        if measure == "firmware":
            return self._firmware()
        if measure in SHARES:
            return self._shares()[SHARES.index(measure)]
        if measure == "classes":
            return self._classes()
        return self._measured(measure, new=True)

    def old(self, measure: str) -> list[Vote]:
        """Of those that have an older one at the same time."""
        return [] if measure in SHARES or measure == "classes" else self._measured(measure, new=False)

    def _measured(self, measure: str, *, new: bool) -> list[Vote]:
        if new not in self._vitals:
            self._vitals[new] = list(self._reported(new=new))
        if measure == "drift":  # added up over reports, which names of channels are not
            return [_voice(row, row.drifting / row.channels) for row, _ in self._vitals[new] if row.channels]
        found = ((row, value(measure, vitals)) for row, vitals in self._vitals[new])
        return [_voice(row, number) for row, number in found if number is not None]

    def _reported(self, *, new: bool) -> Iterable[tuple[Any, Vitals]]:
        """Each device's reports of that time, added up."""
        r, number = reports.c, self._plan.release.counter
        which = r.counter == number if new else r.counter < number
        total = sa.func.sum
        query = (
            sa.select(
                *_BATCH, total(r.seconds).label("seconds"), total(r.windows).label("windows"),
                total(r.unsure).label("unsure"), total(r.alarms).label("alarms"),
                total(r.anomalies).label("anomalies"), total(r.crashes).label("crashes"),
                sa.func.avg(r.latency_p99).label("p99"), sa.func.max(r.memory).label("memory"),
                total(r.drifting).label("drifting"), total(r.channels).label("channels"),
            )
            .join(devices, devices.c.id == r.device)
            .where(which, r.at >= self._since, r.model, *self._counts())
            .group_by(*_BATCH)
        )  # fmt: skip
        for row in self._connection.execute(query):
            yield (
                row,
                Vitals(
                    seconds=row.seconds, windows=int(row.windows), unsure=int(row.unsure), alarms=int(row.alarms),
                    anomalies=int(row.anomalies), crashes=int(row.crashes), latency=(0.0, row.p99),
                    memory=int(row.memory),
                ),
            )  # fmt: skip

    def _shares(self) -> tuple[list[Vote], list[Vote]]:
        """Voices of 'failed' and of 'silent'."""
        if self._ends is not None:
            return self._ends
        ended = self._ended()
        lost, quiet = [], []
        gone: list[Any] = []
        for row in self._connection.execute(self._asked()):
            spoke = row.last_report_at is not None and row.last_report_at > row.at
            silent = self._silent(max(row.at, row.last_report_at or 0.0))
            if row.id in ended and not ended[row.id].value and self._gone(row.last_report_at or 0.0):
                gone.append(row)
                continue
            silent = silent and row.id not in ended
            if row.id in self._waiting:
                silent = self._gone(row.last_report_at or 0.0)
            if silent or spoke or row.id in ended:
                quiet.append(_voice(row, float(silent)))
            if silent:
                lost.append(_voice(row, 1.0))
        well = sum(not voice.value for voice in ended.values())
        theirs = bool(gone) and len(gone) / well > self._silent_elsewhere()
        for row in gone:
            # It had confirmed the release and says no more: its good word does not count for ever. Where devices with
            # the old release fall silent as often, it is the world and not the release: then it has no vote.
            del ended[row.id]
            if theirs:
                lost.append(_voice(row, 1.0))
                quiet.append(_voice(row, 1.0))
        self._ends = ([*ended.values(), *lost], quiet)
        return self._ends

    def _silent(self, heard: float) -> bool:
        # What came while the server's clock was ahead would be the newest word of a device for as long as it was ahead.
        heard = heard if heard <= self._now + _AHEAD + 1.2 * self._every else 0.0
        return self._now - max(heard, self._listening) > self._plan.silence

    def _gone(self, heard: float) -> bool:
        """Of a device to which nothing happens any more: it need not speak before its next report is due."""
        return self._silent(heard + 1.2 * self._every)

    def _silent_elsewhere(self) -> float:
        """Share of silent ones among devices with an older release that were there in the last day; 0 below a few."""
        d, plan = devices.c, self._plan
        query = sa.select(d.last_report_at).where(
            d.counter < plan.release.counter, d.last_report_at >= self._now - LOOK - plan.silence, *self._counts(),
            d.id.not_in(sa.select(intents.c.device).where(intents.c.plan == plan.id)),
        )  # fmt: skip
        heard = [row.last_report_at for row in self._connection.execute(query)]
        return sum(map(self._gone, heard)) / len(heard) if len(heard) >= _SOME else 0.0

    def _ended(self) -> dict[str, Vote]:
        """Return devices whose trial is over, one way or the other: one failure counts, whatever came after it."""
        o, plan = outcomes.c, self._plan
        query = (
            sa.select(*_BATCH, o.what, o.because, devices.c.boards)
            .join(devices, devices.c.id == o.device)
            .where(o.plan == plan.id, o.counter == plan.release.counter, *self._counts())
            .order_by(o.device, o.number)
        )
        found: dict[str, Vote] = {}
        for row in self._connection.execute(query):
            bad = failed(row.what, row.because)
            if bad is False and self._waits(row.boards):
                self._waiting.add(row.id)  # what its boards do with the release is not known yet
                continue
            if bad or (bad is False and row.id not in found):
                found[row.id] = _voice(row, float(bad))
        return found

    def _waits(self, boards: str) -> bool:
        """Whether boards of a device are still on their way to the release; one that is away is not waited for long."""
        number, patience = self._plan.release.counter, self._plan.silence
        return any(pending(one, number, patience) for one in boards_of(boards))

    def _firmware(self) -> list[Vote]:
        """Of devices with boards that came to an end with the release, whether one needs other firmware for it."""
        number = self._plan.release.counter
        query = sa.select(*_BATCH, devices.c.boards).where(
            devices.c.counter == number, devices.c.boards != "", *self._counts()
        )  # fmt: skip
        found = []
        for row in self._connection.execute(query):
            states = [one.state for one in boards_of(row.boards) if one.release == number]
            if states and ("firmware" in states or not self._waits(row.boards)):
                found.append(_voice(row, float("firmware" in states)))
        return found

    def _asked(self) -> sa.Select[Any]:
        """Return devices whose intent was acknowledged."""
        i, plan = intents.c, self._plan
        return (
            sa.select(*_BATCH, i.at, devices.c.last_report_at)
            .join(devices, devices.c.id == i.device)
            .where(i.plan == plan.id, i.counter == plan.release.counter, i.at.is_not(None), *self._counts())
        )

    def _counts(self) -> tuple[sa.ColumnElement[bool], ...]:
        """Which devices count at all."""
        return (
            devices.c.product == self._plan.release.product,
            devices.c.quarantined.is_not(True),  # no index of which nearly every row is false
            devices.c.enrolled_at <= self._plan.enrolled,
        )

    def _classes(self) -> list[Vote]:
        """How far each device's answers moved: those with the new release against its own last ones before it."""
        number = self._plan.release.counter
        after = self._shares_of(reports.c.counter == number, reports.c.at >= self._since)
        before = self._shares_of(
            reports.c.counter < number, reports.c.at >= self._since - LOOK,
            reports.c.device.in_(sa.select(outcomes.c.device).where(outcomes.c.plan == self._plan.id)),
        )  # fmt: skip
        moved = ((row, distance(before[device][1], said)) for device, (row, said) in after.items() if device in before)
        return [_voice(row, number) for row, number in moved if number is not None]

    def _shares_of(self, *which: sa.ColumnElement[bool]) -> dict[str, tuple[Any, Counter[str]]]:
        query = (
            sa.select(*_BATCH, reports.c.detail)
            .join(devices, devices.c.id == reports.c.device)
            .where(reports.c.model, *which, *self._counts())
        )
        found: dict[str, tuple[Any, Counter[str]]] = {}
        for row in self._connection.execute(query):
            reported = found.setdefault(row.id, (row, Counter()))[1]
            reported.update(json.loads(row.detail).get("classes", {}))
        return found


def _voice(row: Any, number: float) -> Vote:  # noqa: ANN401 - a row of some query
    return Vote(device=row.id, batch=row.batch, enrolled=row.enrolled_at, value=number)

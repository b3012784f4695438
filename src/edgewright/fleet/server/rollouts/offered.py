"""Devices that were offered a release, and what became of it on each of them.

A device was offered the release when its intent was acknowledged, when it reported an outcome of the release, when it
last reported that it is downloading it and then fell silent, or, in a rollout with a stage that asks for no permission,
when it reports that it runs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from edgewright.fleet.protocol.layout import DAY, REPORT_EVERY
from edgewright.fleet.protocol.plans.gates import Vote, failed
from edgewright.fleet.server.database.tables import boards_of, devices, intents, outcomes, reports
from edgewright.schema.boards import pending
from edgewright.schema.fleet_plan import Plan

_ENOUGH = 5
"""Devices with an older release from which their silence says something."""
_AHEAD = 60.0
LOOK = DAY
"""Seconds of reports that a gate looks back at most."""
OVERDUE = 1.2
"""Intervals between reports after which a device to which nothing happens is late: its clock draws the moment."""
_CHUNK = 1000
"""Devices in one query."""
Fate = Literal["failed", "confirmed", "lost", "open", "away"]


class RolloutTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Moments that decide who is silent; all in seconds since 1970.

    Attributes:
        now: of this round.
        began: when the rollout began.
        entered: when its stage began.
        due: before which the stage cannot end.
        listening: since when the control plane has been there without a break: while it was away, devices could not
            report, and that is no silence of theirs.
        every: seconds between two reports of a device to which nothing happens.
        finished: the last stage is over; the release is only watched.
    """

    now: float
    began: float
    entered: float
    due: float
    listening: float = 0.0
    every: float = REPORT_EVERY
    finished: bool = False


class OfferedDevice(msgspec.Struct, frozen=True, kw_only=True):
    """One device that was offered the release.

    Attributes:
        device, batch, enrolled: as in its votes.
        at: seconds since 1970, when it was offered.
        fate: 'failed' or 'confirmed' as it reported; 'lost': silent for longer than the plan allows, and more such
            devices than among those with an older release; 'away': it confirmed and is silent as others are; 'open':
            nothing is known yet.
        heard: seconds since 1970 of its last report; 0 for none.
    """

    device: str
    batch: str
    enrolled: float
    at: float
    fate: Fate
    heard: float

    def vote(self, number: float) -> Vote:
        """Return its vote in a gate."""
        return Vote(device=self.device, batch=self.batch, enrolled=self.enrolled, value=number)


def counting(plan: Plan) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions of devices that count in gates."""
    return (
        devices.c.product == plan.release.product,
        devices.c.quarantined.is_not(True),  # no index of which nearly every row is false
        devices.c.enrolled_at <= plan.enrolled,
    )


def waits_for_boards(plan: Plan, boards: str) -> bool:
    """Return whether boards of a device are still on their way to the release; one that is away is not waited for."""
    return any(pending(one, plan.release.counter, plan.silence) for one in boards_of(boards))


class Silence:
    """Says which devices are silent."""

    def __init__(self, connection: sa.Connection, plan: Plan, times: RolloutTimes) -> None:
        self._connection, self._plan, self._times = connection, plan, times

    def of_trial(self, heard: float) -> bool:
        """Return whether a device that is trying the release says nothing for too long."""
        times = self._times
        # What came while the server's clock was ahead would be the newest word of a device for as long as it was ahead.
        heard = heard if heard <= times.now + _AHEAD + OVERDUE * times.every else 0.0
        return times.now - max(heard, times.listening) > self._plan.silence

    def of_idle(self, heard: float) -> bool:
        """As `of_trial`, of a device to which nothing happens: it need not report before its next report is due."""
        return self.of_trial(heard + OVERDUE * self._times.every)

    def elsewhere(self) -> float:
        """Share of silent ones among devices with an older release that were there in the last day; 0 below a few."""
        d, plan = devices.c, self._plan
        query = sa.select(d.last_report_at).where(
            d.counter < plan.release.counter, d.last_report_at >= self._times.now - LOOK - plan.silence,
            *counting(plan), d.id.not_in(sa.select(intents.c.device).where(intents.c.plan == plan.id)),
        )  # fmt: skip
        heard = [row.last_report_at for row in self._connection.execute(query)]
        return sum(map(self.of_idle, heard)) / len(heard) if len(heard) >= _ENOUGH else 0.0

    def usual(self, names: Sequence[str]) -> set[str]:
        """Return devices that were as silent as now in the weeks before the rollout, such as every weekend."""
        r, d, found = reports.c, devices.c, set[str]()
        before = sa.func.lag(r.at).over(partition_by=r.device, order_by=r.at)
        for first in range(0, len(names), _CHUNK):
            some = names[first : first + _CHUNK]
            gaps = sa.select(r.device, (r.at - before).label("gap")).where(r.at < self._times.began, r.device.in_(some))
            part = gaps.subquery()
            query = (
                sa.select(d.id, d.last_report_at, sa.func.max(part.c.gap).label("longest"))
                .join(part, part.c.device == d.id)
                .group_by(d.id, d.last_report_at)
            )
            for row in self._connection.execute(query):
                if (row.longest or 0.0) >= self._times.now - (row.last_report_at or 0.0):
                    found.add(row.id)
        return found


def offered_devices(connection: sa.Connection, plan: Plan, times: RolloutTimes) -> tuple[OfferedDevice, ...]:
    """Return all devices that were offered the release, each once."""
    silence = Silence(connection, plan, times)
    ended, waiting = _ended(connection, plan)
    found: dict[str, OfferedDevice] = {}

    def add(row: Any, at: float, fate: Fate) -> None:  # noqa: ANN401 - a row of some query
        found[row.id] = OfferedDevice(
            device=row.id, batch=row.batch, enrolled=row.enrolled_at, at=at, fate=fate, heard=row.last_report_at or 0.0
        )

    def settled(row: Any, at: float) -> bool:  # noqa: ANN401 - a row of some query
        bad = ended.get(row.id)
        if bad is not None:
            away = not bad and silence.of_idle(row.last_report_at or 0.0)
            add(row, at, "failed" if bad else "away" if away else "confirmed")
        return bad is not None

    for row in connection.execute(_permitted(plan)):
        if settled(row, row.at):
            continue
        heard = row.last_report_at or 0.0
        lost = silence.of_idle(heard) if row.id in waiting else silence.of_trial(max(row.at, heard))
        add(row, row.at, "lost" if lost else "open")
    for row in connection.execute(_begun(plan)):
        if row.id in found or settled(row, row.at or row.last_report_at or 0.0):
            continue
        lost = silence.of_idle(row.last_report_at or 0.0)
        if lost or row.counter == plan.release.counter:
            add(row, row.at or row.last_report_at or 0.0, "lost" if lost else "open")
    return _away(list(found.values()), silence, times)


def _away(found: list[OfferedDevice], silence: Silence, times: RolloutTimes) -> tuple[OfferedDevice, ...]:
    """Decide which of the devices that confirmed the release and are silent are lost to it.

    Where devices with the old release fall silent as often, it is the world and not the release.
    """
    gone = [one for one in found if one.fate == "away"]
    if not gone:
        return tuple(found)
    usual = silence.usual([one.device for one in gone]) if times.finished else set()
    well = sum(one.fate in ("away", "confirmed") for one in found)
    theirs = (len(gone) - len(usual)) / well > silence.elsewhere()
    return tuple(
        msgspec.structs.replace(one, fate="lost") if theirs and one.fate == "away" and one.device not in usual else one
        for one in found
    )


_COLUMNS = (devices.c.id, devices.c.batch, devices.c.enrolled_at, devices.c.last_report_at, devices.c.counter)


def _permitted(plan: Plan) -> sa.Select[Any]:
    """Return devices whose intent was acknowledged."""
    i = intents.c
    return (
        sa.select(*_COLUMNS, i.at)
        .join(devices, devices.c.id == i.device)
        .where(i.plan == plan.id, i.counter == plan.release.counter, i.at.is_not(None), *counting(plan))
    )


def _begun(plan: Plan) -> sa.Select[Any]:
    """Return devices that began without permission: with an outcome, a download, or, in an open stage, the release."""
    d, o = devices.c, outcomes.c
    # Grouped once: a subquery for each device would walk all outcomes of the plan for each of them.
    first = sa.select(o.device, sa.func.min(o.at).label("at")).where(
        o.plan == plan.id, o.counter == plan.release.counter
    )
    part = first.group_by(o.device).subquery()
    begun = [part.c.at.is_not(None), sa.and_(d.plan == plan.id, d.phase == "download")]
    if not all(stage.gated for stage in plan.stages):
        begun.append(d.counter == plan.release.counter)
    joined = devices.outerjoin(part, part.c.device == d.id)
    return sa.select(*_COLUMNS, part.c.at).select_from(joined).where(sa.or_(*begun), *counting(plan))


def _ended(connection: sa.Connection, plan: Plan) -> tuple[dict[str, bool], set[str]]:
    """Return whether the release failed on devices whose trial is over, and devices that wait for their boards.

    One failure counts, whatever came after it.
    """
    o = outcomes.c
    query = (
        sa.select(devices.c.id, o.what, o.because, devices.c.boards)
        .join(devices, devices.c.id == o.device)
        .where(o.plan == plan.id, o.counter == plan.release.counter, *counting(plan))
        .order_by(o.device, o.number)
    )
    found: dict[str, bool] = {}
    waiting = set()
    for row in connection.execute(query):
        bad = failed(row.what, row.because)
        if bad is False and waits_for_boards(plan, row.boards):
            waiting.add(row.id)  # what its boards do with the release is not known yet
        elif bad is not None:
            found[row.id] = found.get(row.id, False) or bad
    return found, waiting

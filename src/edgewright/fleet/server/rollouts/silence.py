"""Whether the silence of devices says something about their release: compared with their own past, and with others.

Devices with the old release show what happens whatever the release. Where few of them are left, as in the last stage,
devices of the present stage and of earlier ones are compared with each other: a release that passed the earlier stages
kills the new ones, an outage silences both.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import sqlalchemy as sa

from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.protocol.plans.detection import MOST_ABSENT, as_uneven
from edgewright.fleet.protocol.plans.formatting import lasting
from edgewright.fleet.server.database.tables import devices, intents, reports
from edgewright.fleet.server.rollouts.offered import OVERDUE, OfferedDevice, RolloutTimes, counting, offered_devices
from edgewright.schema.fleet_plan import Plan

_ENOUGH = 5
"""Devices from which their silence says something about others; about fewer devices, as many."""
_EVEN = 0.01
"""Probability from which chance explains that two groups of devices are not equally silent."""
_FEW = 0.2
"""Share of reporting devices up to which nobody can tell an outage from the release without devices to compare with."""
_SPREAD = 4.0
"""Devices that began over so many times the span in which they fell silent were not silenced by what they began."""
_MIDDLE = 0.1, 0.9
_CHUNK = 1000
"""Devices in one query."""
_SILENT = ("lost", "away")


class Group(msgspec.Struct, frozen=True):
    """How many of some devices are silent."""

    silent: int
    count: int

    def says(self, count: int) -> bool:
        """Return whether they say something about so many others."""
        return self.count >= min(_ENOUGH, max(1, count))

    @property
    def share(self) -> float:
        """Share of silent devices."""
        return self.silent / self.count if self.count else 0.0


class Silence:
    """What silence says about a release.

    Attributes:
        everyone: devices that were offered the release; those that it may have silenced have the fate 'lost'.
        own: those of the present stage; empty for a finished rollout.
        common: why silence says nothing about the release at present; empty if it may be the release's.
    """

    def __init__(self, connection: sa.Connection, plan: Plan, times: RolloutTimes) -> None:
        self._connection, self._plan, self._times = connection, plan, times
        self.everyone = tuple(self._with_past(offered_devices(connection, plan, times)))
        self.own = self._own()
        self.common = self._common()
        self.everyone = tuple(self._settled())
        self.own = self._own()

    def group_of(self, members: Sequence[OfferedDevice]) -> tuple[Group, float | None]:
        """Return how many of some devices the release may have silenced, and the share to compare with.

        Args:
            members: all devices, or those of the present stage.

        Returns:
            Devices and the share of others that are silent; None for the share if there is nothing to compare with.
        """
        others = self._others(_began(members))
        if others.says(len(members)):
            return _lost(members), others.share
        own, earlier = map(_lost, self._parts())
        part, rest = (own, earlier) if len(members) == len(self.own) else (earlier, own)
        if own.count and rest.says(part.count):
            return part, rest.share
        known = [device for device in members if device.fate == "lost" and device.usual is None]
        return _lost(members), None if known else 0.0

    def share(self) -> float:
        """Return the share of silent devices among those with the old release; 0 if they are few."""
        others = self._others(_began(self.everyone))
        return others.share if others.says(len(self.everyone)) else 0.0

    def _own(self) -> tuple[OfferedDevice, ...]:
        times = self._times
        return () if times.finished else tuple(device for device in self.everyone if device.at >= times.entered)

    def _parts(self) -> tuple[Sequence[OfferedDevice], Sequence[OfferedDevice]]:
        """Return devices of the present stage, and those of earlier ones that were there when it began for them."""
        since, own = _began(self.own), {device.device for device in self.own}
        earlier = [
            device
            for device in self.everyone
            if device.device not in own and self._was_there(device.reported_at, since)
        ]
        return self.own, earlier

    def _was_there(self, reported_at: float, since: float) -> bool:
        return reported_at >= since - self._plan.silence - OVERDUE * self._times.every

    def _others(self, since: float) -> Group:
        """Return devices with the old release that were there at a time, like those to which it was offered then."""
        there = [reported_at for reported_at in self._old if self._was_there(reported_at, since)]
        return Group(sum(self._times.is_silent(reported_at, self._plan.silence) for reported_at in there), len(there))

    @functools.cached_property
    def _old(self) -> list[float]:
        """Times of the last reports of devices with the old release that were there since the rollout began."""
        d, plan = devices.c, self._plan
        query = sa.select(d.last_report_at).where(
            d.counter < plan.release.counter,
            d.last_report_at >= self._times.began - plan.silence - OVERDUE * self._times.every,
            *counting(plan), d.id.not_in(sa.select(intents.c.device).where(intents.c.plan == plan.id)),
        )  # fmt: skip
        return list(self._connection.execute(query).scalars())

    def _common(self) -> str:
        lost = [device for device in self.everyone if device.fate in _SILENT and not device.usual]
        if not lost:
            return ""
        others, all_of_them = self._others(_began(self.everyone)), _silent(self.everyone)
        if others.says(len(self.everyone)):
            shown = f"{others.silent} of {others.count} devices with the old release are silent too"
            return shown if _alike(all_of_them, others) else ""
        own, earlier = map(_silent, self._parts())
        if own.count and earlier.says(own.count):
            if _alike(own, earlier) and (_alike(earlier, own) or not own.says(earlier.count)):
                return f"{earlier.silent} of {earlier.count} devices of earlier stages are silent too"
        elif 1.0 - all_of_them.share <= _FEW:
            return f"{all_of_them.silent} of {all_of_them.count} devices are silent, and none are left to compare with"
        ended, begun = _span(device.reported_at for device in lost), _span(device.at for device in lost)
        together = OVERDUE * self._times.every
        if len(lost) >= _ENOUGH and ended <= together and begun > _SPREAD * together:
            return f"{len(lost)} devices fell silent at the same time, although they began over {lasting(begun)}"
        return ""

    def _settled(self) -> Iterator[OfferedDevice]:
        """Decide which silent devices are lost: not those that usually are, and none where others are as silent."""
        gone = [device for device in self.everyone if device.fate == "away"]
        well = len(gone) + sum(device.fate == "confirmed" for device in self.everyone)
        theirs = bool(gone) and sum(not device.usual for device in gone) / well > self.share()
        for device in self.everyone:
            excused = bool(device.usual or self.common)
            if device.fate == "away" and theirs and not excused:
                yield msgspec.structs.replace(device, fate="lost")
            elif device.fate == "lost" and excused:
                yield msgspec.structs.replace(device, fate="open")
            else:
                yield device

    def _with_past(self, offered: Sequence[OfferedDevice]) -> Iterator[OfferedDevice]:
        """Yield the devices; of silent ones with whether they were as silent before."""
        silent = [device for device in offered if device.fate in _SILENT]
        past = self._yesterday(silent)
        weekly = (
            self._weekly([device.device for device in silent if device.fate == "away"])
            if self._times.finished
            else set()
        )
        for device in offered:
            usual = True if device.device in weekly else past.get(device.device)
            yield device if usual is None else msgspec.structs.replace(device, usual=usual)

    def _yesterday(self, silent: Sequence[OfferedDevice]) -> dict[str, bool]:
        """Return which devices were silent in the same hours of the last day before they were offered the release."""
        d, r, past = devices.c, reports.c, dict[str, bool]()
        back: dict[float, list[OfferedDevice]] = {}
        for device in silent:
            back.setdefault(DAY * max(1, math.ceil((self._times.now - device.at) / DAY)), []).append(device)
        for ago, members in back.items():
            latest = (
                sa.select(sa.func.max(r.at))
                .where(r.device == d.id, r.at <= self._times.now - ago)
                .correlate(devices)
                .scalar_subquery()
            )
            for first in range(0, len(members), _CHUNK):
                last_reports = {device.device: device.reported_at for device in members[first : first + _CHUNK]}
                for name, at in self._connection.execute(sa.select(d.id, latest).where(d.id.in_(last_reports))):
                    if at is not None:
                        past[name] = at <= last_reports[name] - ago
        return past

    def _weekly(self, names: Sequence[str]) -> set[str]:
        """Return devices that were as silent as now in the weeks before the rollout, such as every weekend."""
        r, d, usual = reports.c, devices.c, set[str]()
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
                    usual.add(row.id)
        return usual


def _began(members: Sequence[OfferedDevice]) -> float:
    """Return the mean time at which devices were offered the release: others are watched for as long."""
    return sum(device.at for device in members) / len(members) if members else 0.0


def _lost(members: Sequence[OfferedDevice]) -> Group:
    return Group(sum(device.fate == "lost" for device in members), len(members))


def _silent(members: Sequence[OfferedDevice]) -> Group:
    """Return devices that are silent and were not at the same hours before."""
    return Group(sum(device.fate in _SILENT and not device.usual for device in members), len(members))


def _alike(silent: Group, others: Group) -> bool:
    """Return whether many of others are silent, and no fewer than chance explains."""
    counts = silent.silent, silent.count, others.silent, others.count
    return others.share > MOST_ABSENT and as_uneven(*counts) >= _EVEN


def _span(times: Iterable[float]) -> float:
    """Return the seconds between the tenth and the ninetieth percent of some times."""
    ordered = sorted(times)
    low, high = (ordered[round(part * (len(ordered) - 1))] for part in _MIDDLE)
    return high - low

"""Decide whether a stage may end: gates, healthy devices, and whether silence is due to the release.

Everything is judged over all devices that were offered the release, and again over those of the present stage alone.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence

import msgspec
import sqlalchemy as sa

from edgewright.core.measures import measures
from edgewright.core.records.fleet import Gate, Plan
from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.protocol.plans.decision import first_stage, lasting, unfit
from edgewright.fleet.protocol.plans.detection import (
    BY_SIZE,
    MOST_ABSENT,
    as_uneven,
    beyond_chance,
    quorum,
    tolerated,
    watched_s,
)
from edgewright.fleet.protocol.plans.gates import SHARES, Vote, judge
from edgewright.fleet.protocol.rollout_records import GateSeen
from edgewright.fleet.server.database.tables import devices, intents, outcomes, reports, traits_of
from edgewright.fleet.server.rollouts.gate_votes import GateVotes
from edgewright.fleet.server.rollouts.offered import (
    OVERDUE,
    OfferedDevice,
    RolloutTimes,
    counting,
    not_spoilt,
    offered_devices,
)

_CLOCK = DAY
"""Seconds by which a device's clock may be wrong; beyond, signed files are expired or not valid yet for it."""
_D = devices.c


def stage_members(
    connection: sa.Connection, plan: Plan, stage: int, *, since: float = 0.0, without: Container[str] = ()
) -> Iterator[str]:
    """Yield devices that may take the release in a stage or before it and do not have it, as far as anybody can tell.

    Args:
        connection: to read from.
        plan: of the rollout.
        stage: index of the stage.
        since: seconds since 1970; only devices that reported at or after it. 0: all.
        without: ids of devices to leave out.
    """
    query = sa.select(
        _D.id, _D.given, _D.profile, _D.product, _D.counter, _D.floor, _D.version, _D.skew
    ).where(*counting(plan), _D.counter < plan.release.counter).order_by(_D.id)  # fmt: skip
    if since:
        query = query.where(_D.last_report_at >= since)
    o = outcomes.c
    finished = sa.select(o.device).where(o.plan == plan.id, o.counter == plan.release.counter, not_spoilt())
    for row in connection.execute(query.where(_D.id.not_in(finished))):
        if row.id in without or abs(row.skew) > _CLOCK:
            continue
        traits = traits_of(row._mapping)
        first = first_stage(plan, traits)
        if first is not None and first <= stage and unfit(plan.release, traits) is None:
            yield row.id


HEALTH = "confirmed"
"""Name under which the share of healthy devices stands beside the gates."""
_QUORUM = 5
_ALL = 100.0
"""Percent that turns the rule off: gates alone decide."""
_SEVERITY = ("pass", "hold", "fail")


def _spare(plan: Plan, count: int) -> int:
    """Return how many of so many devices a gate's quorum does without; at least one may always be away."""
    return max(1, tolerated(plan.unconfirmed, count))


def judge_stage(connection: sa.Connection, plan: Plan, stage: int, times: RolloutTimes) -> tuple[GateSeen, ...]:
    """Return what each gate says, and after them whether the devices of the stage are healthy."""
    return _Stage(connection, plan, stage, times).seen()


class _Stage:
    """One judgement: what several gates need is read once."""

    def __init__(self, connection: sa.Connection, plan: Plan, stage: int, times: RolloutTimes) -> None:
        self._connection, self._plan, self._stage, self._times = connection, plan, stage, times
        self._silence = Silence(connection, plan, times)
        self._everyone, self._own = self._silence.everyone, self._silence.own
        self._names = frozenset(device.device for device in self._own)
        self._votes = GateVotes(connection, plan, times, self._everyone)
        self._last = times.finished or stage + 1 >= len(plan.stages)
        self._over = times.finished or times.now >= times.due

    def seen(self) -> tuple[GateSeen, ...]:
        """Return all judgements; a finished rollout is judged by its gates alone."""
        gates = tuple(map(self._gate, self._plan.gates))
        return gates if self._times.finished else (*gates, self._health())

    def _gate(self, gate: Gate) -> GateSeen:
        if gate.measure not in measures():
            why = f"{gate.measure}: this server does not know the measure; update Edgewright on it"
            return GateSeen(measure=gate.measure, verdict="hold", needed=gate.quorum, why=why)
        new = self._votes.new(gate.measure)
        needed = gate.quorum
        if len(new) < needed:
            needed = min(needed, self._within_reach(needed, self._votes.incomparable(gate.measure)))
        old = self._votes.old(gate.measure, needed) if gate.ratio else []
        others = needed
        if gate.ratio and len(old) < needed:
            others = min(needed, max(1, self._votes.left - _spare(self._plan, self._votes.left)))
        result = self._judge(gate, new, old, (needed, others), self._everyone)
        if not new and result.verdict == "hold" and not self._votes.is_measured(gate.measure):
            why = f"{gate.measure}: no device of this product measures it"
            return GateSeen(measure=gate.measure, verdict="pass", needed=needed, why=why)
        own = [vote for vote in new if vote.device in self._names]
        if not own or len(own) == len(new):
            return result
        few = min(gate.quorum, max(1, len(self._own) - _spare(self._plan, len(self._own))))
        part = self._judge(gate, own, old, (few, min(few, others)), self._own)
        if _SEVERITY.index(part.verdict) <= _SEVERITY.index(result.verdict):
            return result
        return msgspec.structs.replace(part, why=f"{part.why}, in this stage alone")

    def _judge(
        self, gate: Gate, new: Sequence[Vote], old: Sequence[Vote], needed: tuple[int, int],
        offered: Sequence[OfferedDevice],
    ) -> GateSeen:  # fmt: skip
        result = judge(gate, self._plan.enrolled, new, old, self._last, *needed)
        beyond = result.value is not None and result.allowed is not None and result.value > result.allowed
        if result.verdict != "hold" or not beyond or any(device.fate == "open" for device in offered):
            return result
        # All have answered, so a share is that of the stage itself and no longer a sample. What was measured gets as
        # much time again: a rate of few devices may have been chance.
        more = 0.0 if gate.measure in SHARES else self._plan.stages[self._stage].dwell
        if not self._over or self._times.now < self._times.due + more:
            return result
        return msgspec.structs.replace(result, verdict="fail", why=f"{result.why}; all devices have answered")

    @functools.cached_property
    def _reachable(self) -> int:
        """Devices of the stage that were there within the last day, offered or not; counted no further than needed."""
        known = {device.device for device in self._everyone}
        since = self._times.entered - DAY
        others = stage_members(self._connection, self._plan, self._stage, since=since, without=known)
        enough = max([_QUORUM, *(gate.quorum for gate in self._plan.gates)]) + 1
        return len(known) + sum(1 for _ in itertools.islice(others, enough))

    def _within_reach(self, quorum: int, without: int) -> int:
        """Return the quorum that a stage of this size can have, but for some devices; 0 where it has nobody."""
        if not self._reachable:
            return 0 if self._empty else 1
        count = max(1, self._reachable - without)
        return min(quorum, max(1, count - _spare(self._plan, count)))

    @functools.cached_property
    def _empty(self) -> bool:
        """Whether no device is in the stage, away or not, while a later stage has some."""
        nobody = not self._everyone and next(stage_members(self._connection, self._plan, self._stage), None) is None
        later = len(self._plan.stages) - 1
        return nobody and next(stage_members(self._connection, self._plan, later), None) is not None

    def _health(self) -> GateSeen:
        parts = [self._healthy(self._everyone, "")]
        if self._own and len(self._own) < len(self._everyone):
            parts.append(self._healthy(self._own, ", in this stage alone"))
        return max(parts, key=lambda device: _SEVERITY.index(device.verdict))

    def _healthy(self, offered: Sequence[OfferedDevice], which: str) -> GateSeen:
        """Judge whether enough of some devices are healthy after the dwell, those that have not asked yet included."""
        plan, times = self._plan, self._times
        fates = Counter(device.fate for device in offered)
        healthy = [device for device in offered if device.fate == "confirmed" and device.reported_at >= times.due]
        well = len(healthy)
        waiting = self._waiting if self._over else 0
        count = len(offered) + waiting
        allowed = tolerated(plan.unconfirmed, count)
        if count - well > allowed and plan.unconfirmed == BY_SIZE:
            allowed = tolerated(plan.unconfirmed, count, self._silence.share())
        needed = max(1, count - allowed) if plan.unconfirmed < _ALL else 0
        dwell = plan.stages[self._stage].dwell
        watched = watched_s(dwell, plan.silence)
        wanted, proven = (
            quorum(plan.unconfirmed, count),
            sum(device.reported_at >= device.at + watched for device in healthy),
        )
        verdict = "hold"
        if not count:
            verdict = "pass" if self._empty or (not plan.gates and not (needed and self._reachable)) else "hold"
        elif self._over and well >= needed and (proven >= wanted or not watched):
            verdict = "pass"
        elif self._lost(offered, allowed, dwell):
            verdict = "fail"
        why = (
            f"{HEALTH}: {well} of {count} devices have reported that they are healthy after the dwell; {needed} must "
            f"({fates['failed']} failed, {fates['lost']} silent, {fates['open'] + fates['away']} unresolved, "
            f"{fates['confirmed'] - well} not heard since, {waiting} have not asked yet){which}"
        )
        if verdict == "hold" and self._silence.common:
            why = f"{why}; {self._silence.common}"
        if verdict == "hold" and well >= needed and proven < wanted:
            why = f"{why}; {proven} have run the release for {lasting(watched)}, {wanted} must"
        if not count:
            why = f"{HEALTH}: {'no device is in this stage' if self._empty else self._nobody()}"
        value = well / count if count else None
        return GateSeen(measure=HEALTH, verdict=verdict, value=value, counted=well, needed=needed, why=why)

    def _nobody(self) -> str:
        """Return why no device was offered the release, for people."""
        plan = self._plan
        count = sa.select(sa.func.count()).where(
            _D.product == plan.release.product, _D.quarantined.is_not(True), _D.enrolled_at > plan.enrolled
        )
        late = self._connection.execute(count).scalar_one()
        text = "no device was offered the release yet"
        return f"{text}; devices that enrolled after the plan was signed do not count ({late})" if late else text

    def _lost(self, offered: Sequence[OfferedDevice], allowed: int, dwell: float) -> bool:
        """Return whether more of some devices are silent than may be, and than chance explains."""
        plan = self._plan
        group, absent = self._silence.group_of(offered)
        if plan.unconfirmed >= _ALL or group.silent <= min(allowed, tolerated(plan.unconfirmed, group.count)):
            return False
        if plan.unconfirmed != BY_SIZE:
            return self._over and group.silent - (absent or 0.0) * group.count > allowed
        waited = self._times.now >= self._times.due + dwell
        return beyond_chance(group.silent, group.count, absent, self._over + waited)

    @functools.cached_property
    def _waiting(self) -> int:
        """Devices of the stage that reported since it began and did not ask for the release, and are not silent now."""
        known = {device.device for device in self._everyone}
        times, plan = self._times, self._plan
        recently = times.now - plan.silence - OVERDUE * times.every
        since = times.entered if times.listening > recently else max(times.entered, recently)
        return sum(1 for _ in stage_members(self._connection, plan, self._stage, since=since, without=known))


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

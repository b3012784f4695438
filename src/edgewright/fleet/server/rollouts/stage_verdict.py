"""Whether a stage of a rollout may end: what its gates say, and whether the devices that it was offered to are healthy.

Everything is judged over all devices that were offered the release, and again over those of the present stage alone.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Container, Iterator, Sequence

import msgspec
import sqlalchemy as sa

from edgewright.core.measures import measures
from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.protocol.plans.decision import first_stage, unfit
from edgewright.fleet.protocol.plans.detection import BY_SIZE, beyond_chance, quorum, tolerated, watched_s
from edgewright.fleet.protocol.plans.formatting import lasting
from edgewright.fleet.protocol.plans.gates import SHARES, Vote, judge
from edgewright.fleet.server.database.rollout_rows import traits_of
from edgewright.fleet.server.database.tables import devices, outcomes
from edgewright.fleet.server.rollouts.gate_votes import GateVotes
from edgewright.fleet.server.rollouts.offered import OVERDUE, OfferedDevice, RolloutTimes, counting, not_spoilt
from edgewright.fleet.server.rollouts.silence import Silence
from edgewright.schema.fleet_plan import Gate, Plan
from edgewright.schema.fleet_watch import GateSeen

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

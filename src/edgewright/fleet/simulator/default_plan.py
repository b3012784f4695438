"""The plan that every simulation rolls out: a canary, a quarter, all; limits for a trial, and gates."""

from __future__ import annotations

import math

import msgspec

from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.simulator.behaviour import MEGABYTE
from edgewright.fleet.simulator.event_queue import EventQueue
from edgewright.schema.fleet_plan import Gate, Measure, Plan, Release, Stage, TrialLimits

HOUR = 3600.0
BEGINS = HOUR
"""Seconds after the beginning at which the rollout begins."""
CANARIES = 10
"""Devices that a canary should have; a fleet of 1,000 has them in 1 %."""
QUORUM = 3
TRIAL = TrialLimits(
    seconds=600.0, patience=DAY, crashes=2, boots=3, latency=0.5, memory=200 * MEGABYTE, unsure=0.3, drift=0.5,
    alarms=20.0,
)  # fmt: skip
_LIMITS: dict[Measure, float] = {
    "failed": 0.2, "silent": 0.3, "unsure": 0.3, "drift": 0.3, "alarms": 20.0, "crashes": 50.0, "latency": 0.5,
    "memory": 200.0 * MEGABYTE,
}  # fmt: skip
GATES = tuple(Gate(measure=measure, limit=limit, quorum=QUORUM) for measure, limit in _LIMITS.items())
STAGES = (
    Stage(name="canary", percent=1.0, dwell=3 * HOUR), Stage(name="quarter", percent=25.0, dwell=2 * HOUR),
    Stage(name="all", percent=100.0, dwell=2 * HOUR),
)  # fmt: skip

LAST = HOUR / 3
"""Seconds beyond the last stage's dwell after which everybody has ended the trial and said so."""


def least_days() -> float:
    """Days, in hundredths, in which the plan can come to its end."""
    seconds = BEGINS + sum(stage.dwell for stage in STAGES) + LAST
    return math.ceil(100.0 * seconds / DAY) / 100.0


def plan_for(release: Release, back: Release | None, devices: int, events: EventQueue, salt: bytes) -> Plan:
    """Return the plan over a release, for so many devices, from now."""
    share = min(50.0, max(1.0, round(100.0 * CANARIES / devices, 1)))
    canary, quarter, everybody = STAGES
    wider = max(quarter.percent, share)
    replace = msgspec.structs.replace
    stages = (replace(canary, percent=share), replace(quarter, percent=wider), everybody)
    return Plan(
        id=f"{release.product}-{release.counter}", release=release, revert=back, salt=salt.hex(),
        stages=stages, gates=GATES, trial=TRIAL, starts=events.now, expires=events.now + 60 * DAY, enrolled=events.now,
        silence=HOUR / 2,
    )  # fmt: skip

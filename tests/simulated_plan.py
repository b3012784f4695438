"""A plan for simulations of a few devices: a large canary, few devices needed, limits for a trial, and gates."""

from __future__ import annotations

from edgewright.core.records.fleet import Gate, Measure, Stage, TrialLimits
from edgewright.fleet.protocol.plans.options import PlanOptions
from edgewright.fleet.simulator.behaviour import MEGABYTE
from edgewright.fleet.simulator.result import HOUR

QUORUM = 3
_LIMITS: dict[Measure, float] = {
    "failed": 0.2, "silent": 0.3, "unsure": 0.3, "drift": 0.3, "alarms": 20.0, "crashes": 12.0, "latency": 0.5,
    "memory": 200.0 * MEGABYTE, "processor": 0.3,
}  # fmt: skip

_RATIOS: dict[Measure, float] = {"crashes": 3.0}
"""A power cut is no fault of the release: it befalls devices with the old one as often."""


def plan(canary: float = 50.0, classes: bool = True, failed: float = 0.2) -> PlanOptions:
    """Return a plan whose canary has so many per cent of the devices, with or without a gate for classes."""
    limits: dict[Measure, float] = {**_LIMITS, "failed": failed, **({"classes": 0.5} if classes else {})}
    return PlanOptions(
        stages=(
            Stage(name="canary", percent=canary, dwell=3 * HOUR), Stage(name="wide", percent=75.0, dwell=2 * HOUR),
            Stage(name="all", percent=100.0, dwell=2 * HOUR),
        ),
        gates=tuple(
            Gate(measure=measure, limit=limit, quorum=QUORUM, ratio=_RATIOS.get(measure, 0.0))
            for measure, limit in limits.items()
        ),
        trial=TrialLimits(
            seconds=600.0, patience=86_400.0, crashes=2, boots=3, latency=0.5, memory=200 * MEGABYTE, unsure=0.3,
            drift=0.5, alarms=20.0,
        ),
        silence=HOUR / 2,
        unconfirmed=5.0,  # stages of few devices; the default plan has tests of its own
    )  # fmt: skip

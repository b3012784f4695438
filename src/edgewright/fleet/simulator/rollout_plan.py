"""The plan of a simulation: the default of `fleet rollout start`, or any plan file."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.protocol.plans.options import DEFAULT_DWELL, DEFAULT_STAGES, PlanOptions, make_plan
from edgewright.fleet.protocol.plans.parser import stages
from edgewright.fleet.protocol.plans.validation import check
from edgewright.schema.fleet_plan import Cohort, Plan, Release, Stage

HOUR = 3600.0
BEGINS = HOUR
"""Start of the rollout, in seconds after the start of the simulation."""
LAST = HOUR / 3
"""Seconds in which the devices of a stage end their trials."""


def stages_of(options: PlanOptions) -> tuple[Stage, ...]:
    """Return the stages of a plan; if it has none, the default stages of the command line."""
    return options.stages or stages(DEFAULT_STAGES, DEFAULT_DWELL)


def minimum_days(options: PlanOptions, report_s: float) -> float:
    """Return the shortest duration of a plan in days, rounded up to 0.01.

    Args:
        options: options of the plan.
        report_s: seconds between two reports of a device: a stage waits for those of its devices.
    """
    seconds = BEGINS + sum(stage.dwell + report_s for stage in stages_of(options)) + LAST
    if options.windows:
        seconds += 8 * DAY  # a window may be a week away
    return math.ceil(100.0 * seconds / DAY) / 100.0


def cohort_tags(options: PlanOptions) -> Mapping[str, str]:
    """Return the tags of simulated devices in a cohort, by the cohort's name.

    Profiles, tags and ids of the real fleet are unknown here, so a tag replaces each condition.
    """
    return {name: f"cohort-{name}" for name in options.cohorts}


def plan_for(options: PlanOptions, release: Release, back: Release | None, now: float, salt: bytes) -> Plan:
    """Return the plan for a release, starting now.

    Raises:
        InputError: the plan is invalid.
    """
    cohorts = {name: Cohort(tags=(tag,)) for name, tag in cohort_tags(options).items()}
    options = msgspec.structs.replace(options, cohorts=cohorts, days=max(options.days, 60.0))
    name = f"{release.product}-{release.counter}"
    plan = make_plan(options, release, back, name=name, salt=salt.hex(), now=now)
    check(plan)
    return plan

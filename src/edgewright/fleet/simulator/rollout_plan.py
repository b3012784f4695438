"""The plan of a simulation: the default of `fleet rollout start`, or any plan file."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.protocol.plans.options import PlanOptions, make_plan, preview_of
from edgewright.fleet.protocol.plans.validation import check
from edgewright.schema.fleet_plan import Cohort, Plan, Release
from edgewright.schema.fleet_watch import StageDetection

HOUR = 3600.0
BEGINS = HOUR
"""Start of the rollout, in seconds after the start of the simulation."""
PARTS = 10
"""One of this many batches is in a cohort that only some stages name."""
LAST = HOUR / 3
"""Seconds in which the devices of a stage end their trials."""


def is_common(options: PlanOptions, name: str) -> bool:
    """Return whether every stage of a plan is for a cohort; simulated devices are all in it, else a tenth of them."""
    return all(name in stage.cohorts for stage in options.stages)


def detection_of(options: PlanOptions, devices: int) -> tuple[StageDetection, ...]:
    """Return what each stage of a complete plan finds with so many simulated devices."""
    parts = (
        PARTS if not stage.cohorts or any(is_common(options, name) for name in stage.cohorts)
        else min(PARTS, len(stage.cohorts)) for stage in options.stages
    )  # fmt: skip
    return preview_of(options, [devices * part // PARTS for part in parts])


def minimum_days(options: PlanOptions, report_s: float) -> float:
    """Return the shortest duration of a plan in days, rounded up to 0.01.

    Args:
        options: options of a complete plan.
        report_s: seconds between two reports of a device: a stage waits for those of its devices.
    """
    seconds = BEGINS + sum(stage.dwell + report_s for stage in options.stages) + LAST
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

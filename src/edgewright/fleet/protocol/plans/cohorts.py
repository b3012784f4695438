"""Which devices a cohort and a stage mean."""

from __future__ import annotations

from edgewright.fleet.protocol.plans.contract import Traits
from edgewright.fleet.protocol.plans.position import held_out, listed, place
from edgewright.schema.fleet_plan import Cohort, Plan


def belongs(cohort: Cohort, salt: str, traits: Traits) -> bool:
    """Whether every condition that the cohort names holds for the device."""
    if cohort.tags and not set(cohort.tags) & set(traits.tags):
        return False
    if cohort.profiles and traits.profile not in cohort.profiles:
        return False
    if cohort.counters is not None and not cohort.counters[0] <= traits.counter <= cohort.counters[1]:
        return False
    return not cohort.devices or listed(salt, traits.device) in cohort.devices


def invited(plan: Plan, stage: int, traits: Traits) -> bool:
    """Whether the stage's cohorts name the device, whatever its place."""
    names = plan.stages[stage].cohorts
    return not names or any(belongs(plan.cohorts[name], plan.salt, traits) for name in names if name in plan.cohorts)


def first_stage(plan: Plan, traits: Traits) -> int | None:
    """The first stage in which the device may take part; None where the plan never reaches it.

    Who may in a stage may in all later ones. The hold-out waits for the last, where there is more than one.
    """
    here = place(plan.salt, plan.id, traits.device)
    last = len(plan.stages) - 1
    waits = last > 0 and held_out(plan.salt, plan.id, traits.device, plan.holdout)
    for index, stage in enumerate(plan.stages):
        if waits and index < last:
            continue
        if here < stage.percent and invited(plan, index, traits):
            return index
    return None

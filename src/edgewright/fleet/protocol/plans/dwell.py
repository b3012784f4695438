"""How far a plan may have gone by now, whatever the online keys say."""

from __future__ import annotations

from edgewright.fleet.protocol.plans.contract import Moment
from edgewright.schema.fleet_plan import Plan


def earliest(plan: Plan, stage: int) -> float:
    """Seconds from the plan's start before which the stage cannot begin: the dwells of those before it."""
    return sum(part.dwell for part in plan.stages[:stage])


def elapsed(plan: Plan, moment: Moment) -> float:
    """Seconds for which the plan has been going on, as the device may believe it.

    A wall clock that is behind the latest signed time is wrong, and signed time comes from online keys: who stole one
    could say that the dwells are over. Then only the time counts that the device itself ran since it saw the plan.
    """
    return moment.now - plan.starts if moment.trusted else moment.running - moment.seen


def reached(plan: Plan, moment: Moment) -> int:
    """The last stage whose earliest time has come; -1 before the plan starts."""
    gone = elapsed(plan, moment)
    return max((k for k in range(len(plan.stages)) if earliest(plan, k) <= gone), default=-1)


def until(plan: Plan, stage: int, moment: Moment) -> float:
    """Seconds until the stage may begin; 0 where it may."""
    return max(0.0, earliest(plan, stage) - elapsed(plan, moment))

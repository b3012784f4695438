"""Validates a plan: once before it is signed, and again on every device that follows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from edgewright.core.measures import measures
from edgewright.fleet.protocol.layout import LONGEST, RELEASES
from edgewright.fleet.protocol.plans.decision import earliest
from edgewright.fleet.protocol.plans.formatting import day, lasting, percent
from edgewright.fleet.protocol.plans.gates import SHARES
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import Gate, Plan

STEADY = (0.25, 0.75)
"""Range of quantiles that 20 % of devices with false reports cannot shift arbitrarily."""


def check(plan: Plan) -> None:
    """Refuse a plan with a problem.

    Raises:
        InputError: the plan has a problem; the error is the first one.
    """
    for expected, got, where in problems(plan):
        raise InputError(expected, got, f"plan {plan.id}, {where}", "Nothing was signed")


def check_new(plan: Plan) -> None:
    """Refuse a plan that is about to be signed; older plans, which devices may follow already, stay valid.

    Raises:
        InputError: as `check`, or a stage could end before a device that died in it counts as failed.
    """
    check(plan)
    for stage in plan.stages:
        if stage.gated and stage.dwell < plan.silence:
            needed, got = lasting(plan.silence), lasting(stage.dwell)
            raise InputError(
                f"a dwell of at least {needed}, the silence after which a device counts as failed",
                f"{got} in stage {stage.name!r}", f"plan {plan.id}, stages",
                f"Use --dwell {_option(plan.silence)} or more, or --silence {_option(stage.dwell)} or less",
            )  # fmt: skip


def _option(seconds: float) -> str:
    """Return a duration as the command line takes it."""
    return f"{seconds / 60.0:g}m" if seconds >= 60.0 and seconds % 60.0 == 0.0 else f"{seconds:g}s"


def problems(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Yield the problems of a plan, as (expected, got, where)."""
    yield from _releases(plan)
    yield from _times(plan)
    yield from _stages(plan)
    names = Counter((gate.measure, bool(gate.ratio)) for gate in plan.gates)
    for (measure, _), count in names.items():
        if count > 1:
            yield "one gate for each measure", f"{count} for {measure!r}", "gates"
    for gate in plan.gates:
        yield from _gate(plan, gate)


def _releases(plan: Plan) -> Iterator[tuple[str, str, str]]:
    back = plan.revert
    if back is not None and back.product != plan.release.product:
        yield f"a rollback release of product {plan.release.product!r}", repr(back.product), "revert"
    if back is not None and back.counter != plan.release.counter + 1:
        yield f"a rollback release with counter {plan.release.counter + 1}", str(back.counter), "revert"


def _times(plan: Plan) -> Iterator[tuple[str, str, str]]:
    if not plan.starts < plan.expires:
        yield f"an expiry after the start on {day(plan.starts)}", day(plan.expires), "expires"
    if plan.enrolled > plan.expires:
        yield "devices counted that were enrolled before the plan expires", day(plan.enrolled), "enrolled"
    longest = LONGEST[RELEASES]
    if plan.expires - plan.starts > longest:
        yield f"an expiry within {lasting(longest)}", lasting(plan.expires - plan.starts), "expires"
    needed = earliest(plan, len(plan.stages) - 1)
    if needed >= plan.expires - plan.starts:
        got = f"{lasting(needed)} of dwells before the last of {len(plan.stages)} stages"
        yield f"dwells that end before the plan does, after {lasting(plan.expires - plan.starts)}", got, "stages"
    for window in plan.windows:
        if window.start == window.end or not window.days:
            yield "a window of some minutes on some day", "an empty one", "windows"


def _stages(plan: Plan) -> Iterator[tuple[str, str, str]]:
    names = Counter(stage.name for stage in plan.stages)
    for name, count in names.items():
        if count > 1:
            yield "a name of its own for each stage", f"{name!r} {count} times", "stages"
    highest: dict[tuple[str, ...], float] = {}
    for stage in plan.stages:
        where = f"stage {stage.name}"
        for name in stage.cohorts:
            if name not in plan.cohorts:
                yield f"a cohort of the plan ({', '.join(plan.cohorts) or 'it has none'})", repr(name), where
        if stage.percent <= 0.0:
            yield "more than 0 % of the devices", percent(stage.percent), where
        key = tuple(sorted(set(stage.cohorts)))
        before = highest.get(key, 0.0)
        if stage.percent < before:
            yield f"at least the {percent(before)} that an earlier stage has", percent(stage.percent), where
        highest[key] = max(before, stage.percent)
    for name, cohort in plan.cohorts.items():
        if cohort.counters is not None and cohort.counters[0] > cohort.counters[1]:
            yield "counters as (lowest, highest)", str(cohort.counters), f"cohort {name}"
    if plan.holdout and len(plan.stages) < 2:
        yield "at least two stages: the hold-out waits for the last one", "one", "holdout"
    if plan.holdout > 50.0:
        yield "a hold-out of at most 50 %", percent(plan.holdout), "holdout"


def _gate(plan: Plan, gate: Gate) -> Iterator[tuple[str, str, str]]:
    where = f"gate {gate.measure}"
    if gate.measure not in measures():
        yield f"a measure that this version knows: {', '.join(measures())}", repr(gate.measure), where
    if gate.limit < 0.0:
        yield "a limit of 0 or more", f"{gate.limit:g}", where
    if gate.measure in SHARES and gate.limit >= 1.0 and not gate.ratio:
        yield "a share below 1", f"{gate.limit:g}, which no fleet exceeds", where
    if gate.measure not in SHARES and not STEADY[0] <= gate.quantile <= STEADY[1]:
        yield f"a quantile from {STEADY[0]} to {STEADY[1]}, robust to false reports", f"{gate.quantile:g}", where
    if gate.ratio and gate.measure in SHARES:
        yield "a limit: the new release makes no device on the old one fail or fall silent", "a ratio", where
    if gate.ratio and len(plan.stages) < 2:
        yield "at least two stages, so that some devices keep the old release meanwhile", "one", where

"""The options of a plan and their defaults, which the command line and the simulator share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from edgewright.core.measures import measures
from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.protocol.plans.detection import (
    BY_SIZE,
    DEFAULT_FIND_WITHIN,
    canary_percent,
    detections,
    dwell_for,
    watched_s,
)  # fmt: skip
from edgewright.fleet.protocol.plans.formatting import lasting
from edgewright.fleet.protocol.plans.parser import stages
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import Cohort, Gate, Plan, Release, Stage, TrialLimits, Window
from edgewright.schema.fleet_watch import StageDetection

DEFAULT_WATCH = 7 * DAY
"""Seconds for which a finished rollout stays under its gates, or longer where `find_within` needs it."""
_LATER = (10, 50, 100)
"""Percent of the stages after the first one of a default plan."""
DEFAULT_SILENCE = 1800.0
"""Seconds until a device counts as silent; less than the dwell, so that a dead device counts as failed in its stage."""
DEFAULT_GATES = tuple(
    Gate(measure=name, limit=measure.default[0], ratio=measure.default[1])
    for name, measure in sorted(measures().items(), key=lambda item: item[1].rank)
    if measure.default
)
"""At most 30 % of the devices may fail, so that 20 % of devices with false reports cannot stop a good release. Other
measures are compared with devices on the old release at the same time, so a fleet's normal values need not be known."""


class PlanOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plan file: a plan without the fields that are computed at signing.

    Attributes:
        stages: stages in order; empty for `default_stages`.
        gates: gates of the plan; None for `default_gates`.
        quorum: quorum of the default gates.
        find_within: seconds after the activation within which a fault shows that must be found before the next stage;
            None for `DEFAULT_FIND_WITHIN`, and for whatever given stages allow.
        cohorts, windows, trial, holdout, silence, pace, unconfirmed, note: as `schema.fleet_plan.Plan`.
        watch: as there; None for `DEFAULT_WATCH`, or longer where `find_within` needs it.
        days: days after which the plan expires.
    """

    stages: tuple[Stage, ...] = ()
    gates: tuple[Gate, ...] | None = None
    quorum: Annotated[int, msgspec.Meta(ge=1)] = 5
    find_within: Annotated[float, msgspec.Meta(ge=0.0, le=1e9)] | None = None
    cohorts: dict[str, Cohort] = {}
    windows: tuple[Window, ...] = ()
    trial: TrialLimits = TrialLimits()
    holdout: float = 0.0
    silence: float = DEFAULT_SILENCE
    pace: float = 0.0
    unconfirmed: float = BY_SIZE
    watch: float | None = None
    days: float = 30.0
    note: str = ""


def default_gates(quorum: int, steps: Sequence[Stage]) -> tuple[Gate, ...]:
    """Return the default gates; with a single stage no device keeps the old release for comparison."""
    return tuple(
        msgspec.structs.replace(gate, quorum=quorum) for gate in DEFAULT_GATES if not gate.ratio or len(steps) > 1
    )


def default_dwell(options: PlanOptions) -> float:
    """Return the dwell of stages without their own, in seconds."""
    within = DEFAULT_FIND_WITHIN if options.find_within is None else options.find_within
    return dwell_for(within, options.silence)


def default_stages(devices: int | None, dwell: float, **fields: Any) -> tuple[Stage, ...]:  # noqa: ANN401
    """Return the stages of a plan without any: the first one is as large as it must be to find a bad release.

    Args:
        devices: devices that the rollout is for; None where nobody knows.
        dwell: seconds of each stage.
        fields: `cohorts` and `open_ones` of `parser.stages`.
    """
    first = canary_percent(devices) if devices else 1
    parts = [f"canary:{first}%", *(f"{share}%" for share in _LATER if share >= 2 * first)]
    if devices and devices * first < 100:  # stages of less than one device find nothing
        parts = [f"{share}%" for share in _LATER[1:]]
    return stages(",".join(parts), dwell, **fields)


def complete(options: PlanOptions, devices: int | None) -> PlanOptions:
    """Return the options with stages and watch.

    Args:
        options: options of the plan.
        devices: devices that the rollout is for; None where nobody knows.

    Raises:
        InputError: stages or watch are too short for `find_within`.
    """
    steps = options.stages or default_stages(devices, default_dwell(options))
    within = max(0.0, *(watched_s(stage.dwell, options.silence) for stage in steps))
    watch = max(DEFAULT_WATCH, dwell_for(within, options.silence)) if options.watch is None else options.watch
    if options.find_within:
        needed = dwell_for(options.find_within, options.silence)
        short = [(f"stage {stage.name!r}", stage.dwell) for stage in steps if stage.dwell < needed]
        short += [("the watch after the end", watch)] if watch < needed else []
        for subject, got in short:
            raise InputError(
                f"at least {lasting(needed)}, to find faults that show within {lasting(options.find_within)}",
                lasting(got), f"{subject} of the plan", "Make it longer, or choose a shorter --find-within",
            )  # fmt: skip
    return msgspec.structs.replace(options, stages=steps, watch=watch)


def preview_of(plan: Plan | PlanOptions, members: Sequence[int]) -> tuple[StageDetection, ...]:
    """Return what each stage of a complete plan finds.

    Args:
        plan: with its stages.
        members: as in `detections`.
    """
    return detections(
        plan.stages, members, unconfirmed=plan.unconfirmed, silence=plan.silence, holdout=plan.holdout
    )  # fmt: skip


def make_plan(
    options: PlanOptions, release: Release, revert: Release | None, *, name: str, salt: str, now: float,
    devices: int | None = None,
) -> Plan:  # fmt: skip
    """Create the plan of a release, as `fleet rollout start` signs it.

    Args:
        options: options of the plan; missing ones get defaults.
        release: release to roll out.
        revert: its rollback release; None for a product's first release.
        name: id of the plan.
        salt: 32 random bytes, hexadecimal.
        now: start of the plan, seconds since 1970.
        devices: devices that it is for, from which default stages follow; None where nobody knows.

    Raises:
        InputError: a field of the plan is out of range.
    """
    options = complete(options, devices)
    steps = options.stages
    gates = default_gates(options.quorum, steps) if options.gates is None else options.gates
    own = ("days", "quorum", "find_within")
    copied = {field: getattr(options, field) for field in options.__struct_fields__ if field not in own}
    fields: Mapping[str, Any] = {**copied, "gates": gates}
    plan = Plan(
        id=name, release=release, revert=revert, salt=salt, starts=now, expires=now + options.days * DAY, enrolled=now,
        **fields,
    )  # fmt: skip
    try:
        return msgspec.json.decode(msgspec.json.encode(plan), type=Plan)  # validates names and numbers again
    except msgspec.ValidationError as error:
        raise InputError("a plan", str(error), "the options") from None

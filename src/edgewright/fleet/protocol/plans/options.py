"""The options of a plan and their defaults, which the command line and the simulator share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.protocol.plans.parser import stages
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import Cohort, Gate, Plan, Release, Stage, TrialLimits, Window

DEFAULT_STAGES = "canary:1%,10%,50%,100%"
DEFAULT_DWELL = 3600.0
"""Shortest duration of a stage, in seconds."""
DEFAULT_SILENCE = 1800.0
"""Seconds until a device counts as silent; less than the dwell, so that a dead device counts as failed in its stage."""
DEFAULT_GATES = (
    Gate(measure="failed", limit=0.3),
    Gate(measure="classes", limit=0.5),
    Gate(measure="unsure", limit=0.1, ratio=2.0),
    Gate(measure="drift", limit=0.2, ratio=2.0),
    Gate(measure="alarms", limit=5.0, ratio=3.0),
    Gate(measure="anomalies", limit=5.0, ratio=3.0),
    Gate(measure="crashes", limit=2.0, ratio=3.0),
    Gate(measure="latency", limit=0.1, ratio=3.0),
    Gate(measure="memory", limit=32e6, ratio=2.0),
    Gate(measure="processor", limit=0.05, ratio=3.0),
)
"""At most 30 % of the devices may fail, so that 20 % of devices with false reports cannot stop a good release. Other
measures are compared with devices on the old release at the same time, so a fleet's normal values need not be known."""


class PlanOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plan file: a plan without the fields that are computed at signing.

    Attributes:
        stages: stages in order; empty for `DEFAULT_STAGES`.
        gates: gates of the plan; None for `default_gates`.
        quorum: quorum of the default gates.
        cohorts, windows, trial, holdout, silence, pace, unconfirmed, watch, note: as `schema.fleet_plan.Plan`.
        days: days after which the plan expires.
    """

    stages: tuple[Stage, ...] = ()
    gates: tuple[Gate, ...] | None = None
    quorum: Annotated[int, msgspec.Meta(ge=1)] = 5
    cohorts: dict[str, Cohort] = {}
    windows: tuple[Window, ...] = ()
    trial: TrialLimits = TrialLimits()
    holdout: float = 0.0
    silence: float = DEFAULT_SILENCE
    pace: float = 0.0
    unconfirmed: float = 5.0
    watch: float = 7 * DAY
    days: float = 30.0
    note: str = ""


def default_gates(quorum: int, steps: Sequence[Stage]) -> tuple[Gate, ...]:
    """Return the default gates; with a single stage no device keeps the old release for comparison."""
    return tuple(
        msgspec.structs.replace(gate, quorum=quorum) for gate in DEFAULT_GATES if not gate.ratio or len(steps) > 1
    )


def make_plan(
    options: PlanOptions, release: Release, revert: Release | None, *, name: str, salt: str, now: float
) -> Plan:
    """Create the plan of a release, as `fleet rollout start` signs it.

    Args:
        options: options of the plan; missing ones get defaults.
        release: release to roll out.
        revert: its rollback release; None for a product's first release.
        name: id of the plan.
        salt: 32 random bytes, hexadecimal.
        now: start of the plan, seconds since 1970.

    Raises:
        InputError: a field of the plan is out of range.
    """
    steps = options.stages or stages(DEFAULT_STAGES, DEFAULT_DWELL)
    gates = default_gates(options.quorum, steps) if options.gates is None else options.gates
    own = ("days", "quorum")
    copied = {field: getattr(options, field) for field in options.__struct_fields__ if field not in own}
    fields: Mapping[str, Any] = {**copied, "stages": steps, "gates": gates}
    made = Plan(
        id=name, release=release, revert=revert, salt=salt, starts=now, expires=now + options.days * DAY, enrolled=now,
        **fields,
    )  # fmt: skip
    try:
        return msgspec.json.decode(msgspec.json.encode(made), type=Plan)  # validates names and numbers again
    except msgspec.ValidationError as error:
        raise InputError("a plan", str(error), "the options") from None

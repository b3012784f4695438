"""What operators and the control plane tell each other about rollouts."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edgewright.schema.fleet_api import OperatorRequest
from edgewright.schema.fleet_plan import Id, Stage, State

Why = Annotated[str, msgspec.Meta(max_length=400)]


class StartRollout(OperatorRequest, frozen=True, kw_only=True):
    """Begins the rollout of a plan that was signed offline and published."""

    plan: Id


class SteerRollout(OperatorRequest, frozen=True, kw_only=True):
    """Pauses or resumes."""

    why: Why = ""


class AbortRollout(OperatorRequest, frozen=True, kw_only=True):
    """Ends a rollout for ever; with `revert` devices that have the release are called back."""

    why: Why = ""
    revert: bool = False


class GateSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate said last; fields as `fleet.protocol.plans.gates.GateVerdict`."""

    measure: str
    said: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    allowed: float | None = None
    heard: int = 0
    needed: int = 0
    why: str = ""


class RolloutSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout as the control plane knows it; times are seconds since 1970.

    Attributes:
        plan, product, counter, package: what is rolled out.
        state, stage, stages, entered: where it stands.
        why: of the last transition; `holds`: why it does not go on now, empty where it may.
        due: before which the stage cannot end; `ends`: before which the last one cannot.
        gates, judged_at: what they said last; None before the first time.
        allowed: devices that were given leave; `running` have the release now.
        outcomes: devices by what became of it there: confirmed, reverted, refused.
        signer: why nothing can be signed now; empty where it can, and where nobody asked.
    """

    plan: str
    product: str
    counter: int
    package: str
    state: State
    stage: int
    stages: tuple[Stage, ...]
    entered: float
    revert: bool
    why: str
    holds: str
    due: float
    ends: float
    expires: float
    started_at: float
    started_by: str
    gates: tuple[GateSeen, ...]
    judged_at: float | None
    allowed: int
    running: int
    outcomes: dict[str, int]
    signer: str = ""


class RolloutsSeen(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first."""

    rollouts: tuple[RolloutSeen, ...]

"""What operators see of a fleet: where versions are, what needs a look, what happened last, and rollouts."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edgewright.core.records.fleet import Id, Stage, State
from edgewright.fleet.protocol.api_records import OperatorRequest

Why = Annotated[str, msgspec.Meta(max_length=400)]


class StartRollout(OperatorRequest, frozen=True, kw_only=True):
    """Begins the rollout of a plan that was signed offline and published."""

    plan: Id


class SteerRollout(OperatorRequest, frozen=True, kw_only=True):
    """Pauses or resumes."""

    why: Why = ""


class PromoteRollout(OperatorRequest, frozen=True, kw_only=True):
    """Ends a stage although it holds; `stage` is its name, `why` the reason for the audit log."""

    stage: Id
    why: Annotated[str, msgspec.Meta(min_length=1, max_length=400)]


class AbortRollout(OperatorRequest, frozen=True, kw_only=True):
    """Ends a rollout for ever; with `revert` devices that have the release are called back."""

    why: Why = ""
    revert: bool = False


class GateSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate said.

    Attributes:
        measure: of the gate.
        verdict: 'pass', 'hold' or 'fail'.
        value, low, high: of the new release, and its bounds; None below the quorum.
        allowed: the limit that held; None where it cannot be said.
        counted, needed: devices that counted, and that are needed for a word.
        why: one line for people.
    """

    measure: str
    verdict: str = msgspec.field(name="said")
    value: float | None = None
    low: float | None = None
    high: float | None = None
    allowed: float | None = None
    counted: int = msgspec.field(default=0, name="heard")
    needed: int = 0
    why: str = ""


class GatePoint(msgspec.Struct, frozen=True, kw_only=True):
    """What the gates said at one moment.

    Attributes:
        at: seconds since 1970.
        values: by measure, the value of the new release and the limit that applied; None where there was none.
    """

    at: float
    values: dict[str, tuple[float, float | None]]


class StageDetection(msgspec.Struct, frozen=True, kw_only=True):
    """What one stage finds.

    Attributes:
        name, percent, dwell: of the stage; seconds.
        devices: expected number of its devices, with those of the stages before it.
        fewest: lower 95 % bound of that number: places are drawn by a hash.
        within: seconds after a device's activation in which a fault must show to be found in this stage.
        quorum: devices that must have run the release for that time.
        tolerated: devices that may be missing or have failed when the stage ends.
        smallest: smallest share of killed devices that is found with a probability of 95 %; None if none is.
    """

    name: str
    percent: float
    dwell: float
    devices: int
    fewest: int
    within: float
    quorum: int
    tolerated: int
    smallest: float | None


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
        watch: seconds for which its gates watch it after its end.
        detection: what each stage finds; empty for a plan with cohorts, whose devices nobody counts here.
        history: what the gates said so far, oldest first; empty in the list of all rollouts.
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
    watch: float = 0.0
    detection: tuple[StageDetection, ...] = ()
    history: tuple[GatePoint, ...] = ()

    @property
    def under_way(self) -> bool:
        """Whether it may still go on."""
        return self.state in ("running", "paused")


MapState = Literal["healthy", "trial", "allowed", "waiting", "silent", "failed", "returned"]
"""State of a device in a rollout: it confirmed the release, tries it, may begin, was not offered it yet, is silent,
reverted or refused it, or went back because the rollout was aborted."""


class StageDevices(msgspec.Struct, frozen=True, kw_only=True):
    """Devices that a stage adds to those before it, by state."""

    name: str
    states: dict[MapState, int]


class RolloutMap(msgspec.Struct, frozen=True, kw_only=True):
    """Devices of a rollout.

    Attributes:
        stages: in order.
        outside: devices of its product that no stage includes, or that are in quarantine or enrolled later.
    """

    stages: tuple[StageDevices, ...]
    outside: int


class RolloutsSeen(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first."""

    rollouts: tuple[RolloutSeen, ...]


Trait = Literal["product", "profile", "tag", "batch", "version", "phase"]
"""By which devices are put together; 'version' is that of Edgewright on the device."""


class SpreadPart(msgspec.Struct, frozen=True, kw_only=True):
    """Devices that have one value of a trait.

    Attributes:
        value: such as a tag; empty for devices that have none.
        total: devices.
        counters: of them by the release that they run.
    """

    value: str
    total: int
    counters: dict[int, int]


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Where versions are, largest part first. A device with several tags counts in each of them.

    Attributes:
        more: parts beyond those that are shown.
    """

    by: Trait
    parts: tuple[SpreadPart, ...]
    more: int = 0


class RolloutWord(msgspec.Struct, frozen=True, kw_only=True):
    """What a rollout says to one device, worked out as the device itself does it.

    Attributes:
        position: percent from 0 up to 100 where the device stands in it.
        stage: such as "1 of 3 'canary'"; empty where the plan has no such stage.
        go: the device may begin.
        why: one line.
    """

    plan: str
    counter: int
    state: State
    position: float = msgspec.field(name="place")
    stage: str
    go: bool
    why: str


class IntentSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The latest answer to a device that asked whether it may activate; `at` is when it first was allowed."""

    plan: str
    counter: int
    stage: int
    asked_at: float
    go: bool
    at: float | None
    why: str


class Whereabouts(msgspec.Struct, frozen=True, kw_only=True):
    """Why a device is where it is: what each rollout of its product says to it, newest first, and what it asked."""

    rollouts: tuple[RolloutWord, ...]
    intents: tuple[IntentSeen, ...]


class Noticed(msgspec.Struct, frozen=True, kw_only=True):
    """A device that needs a look; `value` is what is said of it, in the unit of its list."""

    id: str
    name: str
    counter: int
    at: float
    value: float
    subject: str = msgspec.field(default="", name="what")


class Attention(msgspec.Struct, frozen=True, kw_only=True):
    """What the latest reports say of drift, alarms and crashes; and who is silent or shut out. Worst first.

    Attributes:
        drifting: share of channels that drift; `what` names them.
        alarming: alarms a day.
        crashing: crashes a day.
        silent: seconds since the last report, at least `silence`.
        quarantined: seconds since then; `what` is the reason.
        behind: seconds since the release of its rollout was open to it, which `what` names.
        unknown: runs a release that nobody published, `counter`; `value` is that number.
        stale: age in seconds of its newest signed metadata, although it reports.
        faulty: attempts in a row to download a release; `what` says why they failed.
        totals: devices in each list altogether, by its name.
        channels: that drift most often among the devices shown, with how many.
    """

    drifting: tuple[Noticed, ...]
    alarming: tuple[Noticed, ...]
    crashing: tuple[Noticed, ...]
    silent: tuple[Noticed, ...]
    quarantined: tuple[Noticed, ...]
    totals: dict[str, int]
    channels: dict[str, int]
    behind: tuple[Noticed, ...] = ()
    unknown: tuple[Noticed, ...] = ()
    stale: tuple[Noticed, ...] = ()
    faulty: tuple[Noticed, ...] = ()


class EventSeen(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened.

    Attributes:
        key: unique, for whoever asks again and wants the new ones.
        at: seconds since 1970.
        kind: 'outcome', 'alarm', or what the audit log says, such as 'rollout.stage'.
        device: its id; empty where it was none's.
        subject: plan, device's name or another name.
        text: one line.
    """

    key: str
    at: float
    kind: str
    device: str
    subject: str
    text: str


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """The latest, newest first."""

    events: tuple[EventSeen, ...]

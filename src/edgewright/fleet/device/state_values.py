"""What the agent holds durably, as values: which slot, what is on trial, what was seen."""

from __future__ import annotations

import msgspec

from edgewright.fleet.device.ports import Slot
from edgewright.schema.boards import BoardSeen
from edgewright.schema.fleet_plan import TrialLimits
from edgewright.schema.fleet_report import Because


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What a trial has counted over all starts of the model's process.

    Attributes:
        seconds: with rows arriving.
        windows, unsure, alarms, anomalies: counts.
    """

    seconds: float = 0.0
    windows: int = 0
    unsure: int = 0
    alarms: int = 0
    anomalies: int = 0


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A release that was activated and is not confirmed yet.

    Attributes:
        plan, stage: under which it was activated.
        counter: of the release.
        previous: slot to go back to; empty where there is none. `before` is its counter, `plan_before` its plan.
        limits: of the plan; kept, since the plan may be out of reach when they are needed.
        counts: of all starts, up to the last time that they were written.
        waited: seconds that the agent ran since the activation.
        crashes: ends of the process that were not asked for.
        boots: starts of the agent that found the process noted as running: a power loss, or a kill of the agent.
        running: the process was started and not ended in order; written before each start.
    """

    plan: str
    stage: int
    counter: int
    previous: Slot
    before: int
    plan_before: str
    limits: TrialLimits
    counts: Counts = Counts()
    waited: float = 0.0
    crashes: int = 0
    boots: int = 0
    running: bool = False


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that was seen.

    Attributes:
        id, sha256: as the standing names them; the first hash that was seen stays.
        seen: running seconds when it was first seen.
        stage: highest that held for this device; -1 for none.
        aborted: an abort was verified, which nothing takes back.
    """

    id: str
    sha256: str
    seen: float
    stage: int = -1
    aborted: bool = False


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the slot that is not active.

    Attributes:
        sha256, counter: of the release that is being fetched or was.
        tested: its test vectors passed here.
    """

    sha256: str
    counter: int
    tested: bool = False


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """The device as the control plane knows it.

    Attributes:
        device: id; empty before enrolment.
        tags, batch: as enrolled.
        at: seconds since 1970, when.
        nonce: of the last durable acknowledgement.
        sequence: of the last report; raised durably before a report is sent.
    """

    device: str = ""
    tags: tuple[str, ...] = ()
    batch: str = ""
    at: float = 0.0
    nonce: str = ""
    sequence: int = 0


class DeviceState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything but outcomes and the link; one row.

    Attributes:
        begun: False in a file that was made anew: then slots and floors are looked for where packages lie.
        product: that the device follows.
        active: slot; empty for none.
        counter, plan: of the release there; 0 and empty for a package that came with the device.
        floors: lowest counter that may be activated, by product.
        burned: counters that failed here, of this product.
        trial: None where the active release is confirmed.
        fetched: None where nothing was begun.
        plans: seen, newest last; a bounded number.
        running: seconds that the agent has run, ever.
        outcome: number of the last one.
        quarantined: why the control plane wants this device to stay as it is; empty where it does not.
        because: why the last release failed; for people.
        boards: behind the device, as they were seen last.
    """

    begun: bool = False
    product: str = ""
    active: Slot = ""
    counter: int = 0
    plan: str = ""
    floors: dict[str, int] = msgspec.field(default_factory=dict)
    burned: tuple[int, ...] = ()
    trial: Trial | None = None
    fetched: Fetched | None = None
    plans: tuple[Followed, ...] = ()
    running: float = 0.0
    outcome: int = 0
    quarantined: str = ""
    because: Because = ""
    boards: tuple[BoardSeen, ...] = ()

    @property
    def floor(self) -> int:
        """Of the product that is followed."""
        return self.floors.get(self.product, 0)

    @property
    def other(self) -> Slot:
        """The slot that is not active."""
        return "b" if self.active == "a" else "a"

    def followed(self, plan: str) -> Followed | None:
        """Return what is known of a plan."""
        return next((one for one in self.plans if one.id == plan), None)

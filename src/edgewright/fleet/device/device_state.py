"""Records of the agent's durable state: the device, a trial, plans that it has seen, its link to the control plane."""

from __future__ import annotations

import msgspec

from edgewright.fleet.device.ports import Slot
from edgewright.schema.boards import BoardSeen
from edgewright.schema.fleet_plan import TrialLimits
from edgewright.schema.fleet_report import Because


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of a trial over all starts of the model's process.

    Attributes:
        seconds: seconds with arriving rows.
        windows, unsure, alarms, anomalies: counts.
        crashes: of programs that run beside the model.
    """

    seconds: float = 0.0
    windows: int = 0
    unsure: int = 0
    alarms: int = 0
    anomalies: int = 0
    crashes: int = 0


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """An activated release that is not confirmed yet.

    Attributes:
        plan, stage: plan and stage of the activation.
        counter: counter of the release.
        previous: slot for a rollback; empty for none.
        before, plan_before: counter and plan of the release in the previous slot.
        limits: limits of the plan, stored because the plan may be unavailable when they are needed.
        counts: counts over all starts, as last written.
        waited: seconds that the agent has run since the activation.
        crashes: number of unexpected exits of the process.
        boots: number of agent starts that found the process marked as running, after a power loss or a kill.
        running: whether the process was started and not stopped normally; written before each start.
        environment: of the agent before the activation. `starts`: of a new agent that nothing has confirmed.
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
    environment: str = ""
    starts: int = 0


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that the device has seen.

    Attributes:
        id, sha256: id and hash from the standing; the first hash is kept.
        seen: running seconds of the agent when it first saw the plan.
        stage: highest stage that applied to this device; -1 for none.
        aborted: whether an abort was verified, which is permanent.
    """

    id: str
    sha256: str
    seen: float
    stage: int = -1
    aborted: bool = False


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """The release in the inactive slot.

    Attributes:
        sha256, counter: hash and counter of the release that is or was downloaded.
        tested: whether its test vectors passed on this device.
        environment: of the agent that it carries; empty for none.
    """

    sha256: str
    counter: int
    tested: bool = False
    environment: str = ""


class TagChange(msgspec.Struct, frozen=True, kw_only=True):
    """Tags that an operator assigned to the device after its enrolment.

    Attributes:
        tags: all tags of the device.
        at: time at which the device received them, seconds since 1970, the later of its clock and the signed time; None
            until that time is known.
    """

    tags: tuple[str, ...]
    at: float | None = None


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """The device's enrolment and its connection to the control plane.

    Attributes:
        device: id of the device; empty before enrolment.
        tags, batch: tags and batch of the enrolment.
        changes: changes of tags since the enrolment, newest last; limited in number.
        at: time of the enrolment, seconds since 1970.
        nonce: nonce of the last durable acknowledgement.
        sequence: number of the last report; raised durably before a report is sent.
        retries: number of the last applied retry that an operator requested.
    """

    device: str = ""
    tags: tuple[str, ...] = ()
    changes: tuple[TagChange, ...] = ()
    batch: str = ""
    at: float = 0.0
    nonce: str = ""
    sequence: int = 0
    retries: int = 0

    @property
    def newest_tags(self) -> tuple[str, ...]:
        """Return the tags that the device has now."""
        return self.changes[-1].tags if self.changes else self.tags

    def tags_for(self, starts: float) -> tuple[str, ...]:
        """Return the tags that apply to a plan: those that the device had at the plan's start.

        Tags come from the online host and plans from the offline keys. A compromised host must not be able to move
        devices into the first cohort of a plan that is already signed.

        Args:
            starts: start of the plan, seconds since 1970.
        """
        return next(
            (change.tags for change in reversed(self.changes) if change.at is not None and change.at <= starts),
            self.tags,
        )


class DeviceState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the device except outcomes and the link, stored in one row.

    Attributes:
        begun: False in a new file: the slots and the floor are then restored from the package folders.
        product: product that the device follows.
        active: active slot; empty for none.
        counter, plan: counter and plan of the active release; 0 and empty for a package that came with the device.
        floors: lowest counter that may be activated, by product.
        burned: counters of this product that failed on this device.
        retried: counters of failed releases that an operator let the device retry, one entry per retry.
        trial: trial of the active release; None if it is confirmed.
        fetched: release in the inactive slot; None for none.
        plans: plans that the device has seen, newest last; limited in number.
        running: total seconds that the agent has run.
        outcome: number of the last outcome.
        quarantined: why the control plane has quarantined this device; empty if it has not. `retired` says
            whether this is permanent. The device still asks about once an hour: an attacker with control of the server
            must not be able to exclude devices permanently.
        because: why the last release failed, for people.
        boards: last known states of the boards behind the device.
        environment: of the agent that is to run; empty for the one that came with the device. `environment_before`:
            before the last activation.
        started: whether the agent started the model's process and has not closed since; written before the first start.
    """

    begun: bool = False
    product: str = ""
    active: Slot = ""
    counter: int = 0
    plan: str = ""
    floors: dict[str, int] = msgspec.field(default_factory=dict)
    burned: tuple[int, ...] = ()
    retried: tuple[int, ...] = ()
    trial: Trial | None = None
    fetched: Fetched | None = None
    plans: tuple[Followed, ...] = ()
    running: float = 0.0
    outcome: int = 0
    quarantined: str = ""
    retired: bool = False
    because: Because = ""
    boards: tuple[BoardSeen, ...] = ()
    environment: str = ""
    environment_before: str = ""
    started: bool = False

    @property
    def floor(self) -> int:
        """Floor of the followed product."""
        return self.floors.get(self.product, 0)

    @property
    def other(self) -> Slot:
        """The inactive slot."""
        return "b" if self.active == "a" else "a"

    def followed(self, plan: str) -> Followed | None:
        """Return the record of a plan; None if the device has not seen it."""
        return next((plan_followed for plan_followed in self.plans if plan_followed.id == plan), None)

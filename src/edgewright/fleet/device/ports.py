"""What the agent's state machine asks of its device: slots, the model's process, the control plane."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

from edgewright.schema.boards import BoardSeen
from edgewright.schema.fleet_plan import Release, TrialLimits
from edgewright.schema.fleet_report import (
    Acknowledged,
    Allowed,
    Because,
    Enrolled,
    Enrolment,
    Intent,
    Phase,
    Report,
    Vitals,
)

Slot = str
"""'a' or 'b'."""


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a package's test vectors, run in a process with limits."""

    ok: bool
    because: Because = ""
    detail: str = ""


class Slots(Protocol):
    """Two places for packages, each with the copy of the release floor that was true when it was written."""

    def size(self, slot: Slot) -> int:
        """Bytes there so far, of a download that may be broken off."""

    def write(self, slot: Slot, offset: int, data: bytes) -> None:
        """Appends to a download at `offset`, which is `size` or 0 to begin anew.

        Raises:
            OutputError: the disk is full or broken.
        """

    def finish(self, slot: Slot, release: Release, floor: int) -> bool:
        """Checks length and hash and makes the slot durable; False, and the slot emptied, where they differ.

        Without a download, the package that the slot holds is taken where it has the length and hash: the same bytes
        under a new number need not be fetched.
        """

    def holds(self, slot: Slot) -> Release | None:
        """The release of a finished slot whose bytes are right; None for any other."""

    def floor(self, slot: Slot) -> int:
        """The floor kept there; 0 where there is none."""

    def raise_floor(self, floor: int) -> None:
        """Copies a floor into both slots, durably."""


class Runner(Protocol):
    """The model's process."""

    def test(self, slot: Slot, limits: TrialLimits) -> Tested:
        """Runs the package's test vectors in a process with limits of memory and time."""

    def start(self, slot: Slot, limits: TrialLimits | None) -> None:
        """Ends what runs and starts the package of a slot; with limits during a trial."""

    def stop(self) -> None:
        """Ends it in order."""

    def running(self) -> bool:
        """Whether it lives."""

    def ended(self) -> str | None:
        """How it ended by itself since `start` (a line for people); None where it has not, or was told to."""

    def vitals(self) -> Vitals:
        """Counted since `start`."""


class Control(Protocol):
    """The control plane, as a device sees it. Every request is signed by the device's key."""

    def enrol(self, request: Enrolment) -> Enrolled:
        """Asks to be taken in.

        Raises:
            Unreachable: no answer; may be asked again with the same token and key, and gives the same id.
            InputError: refused, with the reason.
        """

    def intent(self, intent: Intent) -> Allowed:
        """Raises: Unreachable."""

    def report(self, report: Report) -> Acknowledged:
        """Raises: Unreachable; InputError where the device is quarantined or unknown there."""


class Packages(Protocol):
    """Where the bytes of packages come from."""

    def read(self, path: str, offset: int, length: int) -> Iterator[bytes]:
        """The bytes of a target from `offset` to its end, in parts.

        Args:
            path: as `Trust.path` gives it.
            offset: first byte wanted; where the other side cannot begin there, what comes before it is passed over.
            length: of the whole target; never a byte more is given.

        Raises:
            Unreachable: no answer, or it broke off; what was given counts.
            Refused: the other side's target is of another length.
        """


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent has to say about itself, for a report.

    Attributes:
        as `Report`; `running`: seconds of the agent's durable running time; `urgent`: something just happened that the
        control plane waits for (an outcome, an intent that was used); `heard`: the fleet has just given a sign of life.
    """

    counter: int
    floor: int
    phase: Phase
    plan: str
    stage: int
    metadata: dict[str, int]
    vitals: Vitals | None
    why: str
    product: str
    profile: str
    version: str
    running: float
    urgent: bool = False
    boards: tuple[BoardSeen, ...] = ()
    heard: bool = False


class Teller(Protocol):
    """Sends reports where one is due; outcomes, number and nonce are read from the state and kept there."""

    def tell(self, facts: Facts) -> float:
        """Sends a report where it is time or something is urgent.

        Returns:
            Seconds after which it wants to be asked again; it waits longer by itself where nobody answers.

        Raises:
            InputError: the control plane knows this device no more, or has quarantined it.
        """


class Silent:
    """A teller of a device that tells nobody."""

    def tell(self, facts: Facts) -> float:
        """Nothing; asked again in a day."""
        return 86_400.0

"""What the state machine asks of its device: settings, slots, the model's process, the control plane."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

from edgewright.schema.fleet_plan import Release, TrialLimits
from edgewright.schema.fleet_report import (
    Acknowledged,
    Allowed,
    Because,
    Intent,
    Report,
    Vitals,
)

HOUR = 3600.0


class DeviceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the state machine; all times in seconds.

    Attributes:
        product: line of packages that is followed.
        profile: hardware profile; `version` of Edgewright.
        poll: between two looks for news.
        slowest: longest time between two looks where nobody answers.
        look: between two looks at the model's process.
        keep: between two writings of times and counts that rise all the time.
        slice: that one step spends at a download, or little more.
        again: after which a process that ended in order is started again.
    """

    product: str
    profile: str = ""
    version: str = ""
    poll: float = 60.0
    slowest: float = HOUR
    look: float = 2.0
    keep: float = 60.0
    slice: float = 20.0
    again: float = 60.0


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
        """Return bytes there so far, of a download that may be broken off."""

    def write(self, slot: Slot, offset: int, data: bytes) -> None:
        """Append to a download at `offset`, which is `size` or 0 to begin anew.

        Raises:
            OutputError: the disk is full or broken.
        """

    def finish(self, slot: Slot, release: Release, floor: int) -> bool:
        """Check length and hash and make the slot durable; False, and the slot emptied, where they differ.

        Without a download, the package that the slot holds is taken where it has the length and hash: the same bytes
        under a new number need not be fetched.
        """

    def holds(self, slot: Slot) -> Release | None:
        """Return the release of a finished slot whose bytes are right; None for any other."""

    def floor(self, slot: Slot) -> int:
        """Return the floor kept there; 0 where there is none."""

    def raise_floor(self, floor: int) -> None:
        """Copy a floor into both slots, durably."""


class Runner(Protocol):
    """The model's process."""

    def test(self, slot: Slot, limits: TrialLimits) -> Tested:
        """Runs the package's test vectors in a process with limits of memory and time."""

    def start(self, slot: Slot, limits: TrialLimits | None) -> None:
        """End what runs and start the package of a slot; with limits during a trial."""

    def stop(self) -> None:
        """End it in order."""

    def running(self) -> bool:
        """Return whether it lives."""

    def ended(self) -> str | None:
        """How it ended by itself since `start` (a line for people); None where it has not, or was told to."""

    def vitals(self) -> Vitals:
        """Return the counts since `start`."""


class Control(Protocol):
    """The control plane, as a device sees it. Every request is signed by the device's key."""

    def intent(self, intent: Intent) -> Allowed:
        """Raise: Unreachable."""

    def report(self, report: Report) -> Acknowledged:
        """Raise: Unreachable; InputError where the device is quarantined or unknown there."""


class Packages(Protocol):
    """Where the bytes of packages come from."""

    def read(self, path: str, offset: int, length: int) -> Iterator[bytes]:
        """Return the bytes of a target from `offset` to its end, in parts.

        Args:
            path: as `Trust.path` gives it.
            offset: first byte wanted; where the other side cannot begin there, what comes before it is passed over.
            length: of the whole target; never a byte more is given.

        Raises:
            Unreachable: no answer, or it broke off; what was given counts.
            Refused: the other side's target is of another length.
        """


class Reporter(Protocol):
    """Sends reports where one is due; outcomes, number and nonce are read from the state and kept there."""

    def tell(self, facts: Report, urgent: bool = False, heard: bool = False) -> float:
        """Send a report where it is time or something is urgent.

        Args:
            facts: what the agent has to say; what is the sender's own (nonce, number, clock, items) is empty in it.
            urgent: something just happened that the control plane waits for (an outcome, an intent that was used).
            heard: the fleet has just given a sign of life.

        Returns:
            Seconds after which it wants to be asked again; it waits longer by itself where nobody answers.

        Raises:
            InputError: the control plane knows this device no more, or has quarantined it.
        """

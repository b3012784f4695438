"""Interfaces of the state machine to its device: settings, slots, the model's process, the control plane."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

from edgewright.schema.errors import InputError
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


class RetiredError(InputError):
    """The control plane has retired this device: its key is permanently invalid."""


class DeviceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the state machine; all times in seconds.

    Attributes:
        product: product that the device follows.
        profile: hardware profile.
        version: version of Edgewright.
        poll: time between two polls for news.
        slowest: longest time between two polls without an answer.
        look: time between two checks of the model's process.
        keep: time between two writes of times and counts that increase continuously.
        slice: approximate time that one step spends on a download.
        again: time after which a process that exited normally is restarted.
        environment: of this agent; empty for the one that came with the device.
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
    environment: str = ""


Slot = str
"""'a' or 'b'."""


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a package's test vectors in a process with limits."""

    ok: bool
    because: Because = ""
    detail: str = ""


class Slots(Protocol):
    """Two package slots, each with a copy of the release floor at the time of writing."""

    def size(self, slot: Slot) -> int:
        """Return the downloaded bytes in a slot; the download may be incomplete."""

    def write(self, slot: Slot, offset: int, data: bytes) -> None:
        """Append to a download at `offset`, which is `size`, or 0 to start over.

        Raises:
            OutputError: the disk is full or broken.
        """

    def finish(self, slot: Slot, release: Release, floor: int) -> bool:
        """Check length and hash and make the slot durable; if they differ, empty the slot and return False.

        Without a download, a package in the slot with the same length and hash is accepted: the same bytes under a
        new counter need no download.

        Raises:
            OutputError: the disk is full or broken.
        """

    def holds(self, slot: Slot) -> Release | None:
        """Return the release in a finished slot with correct bytes; None for any other slot."""

    def floor(self, slot: Slot) -> int:
        """Return the floor stored in a slot; 0 if there is none."""

    def raise_floor(self, floor: int) -> None:
        """Store a floor in both slots durably.

        Raises:
            OutputError: the disk is full or broken.
        """


class Runner(Protocol):
    """The model's process."""

    def test(self, slot: Slot, limits: TrialLimits) -> Tested:
        """Run the package's test vectors in a process with memory and time limits."""

    def start(self, slot: Slot, limits: TrialLimits | None) -> None:
        """Stop the running process and start the package of a slot, with limits during a trial.

        Raises:
            OutputError: the process cannot be started.
        """

    def stop(self) -> None:
        """Stop the process normally."""

    def running(self) -> bool:
        """Return whether the process runs."""

    def ended(self) -> str | None:
        """Return how the process exited by itself since `start`, in one line; None if it runs or was stopped."""

    def vitals(self) -> Vitals:
        """Return the counts since `start`."""


class Control(Protocol):
    """The control plane from a device's view. The device's key signs every request."""

    def intent(self, intent: Intent) -> Allowed:
        """Request permission to activate a release.

        Raises:
            Unreachable: no answer.
        """

    def report(self, report: Report) -> Acknowledged:
        """Send a report.

        Raises:
            Unreachable: no answer.
            InputError: the device is quarantined or unknown to the control plane.
        """


class Packages(Protocol):
    """A source of package bytes."""

    def read(self, path: str, offset: int, length: int) -> Iterator[bytes]:
        """Return the bytes of a target from `offset` to its end, in parts.

        Args:
            path: path from `Trust.path`.
            offset: first byte to return; if the server cannot start there, earlier bytes are skipped.
            length: length of the whole target; no more bytes are returned.

        Raises:
            Unreachable: no answer, or the connection broke; the bytes returned so far are valid.
            Refused: the server's target has another length; the bytes returned so far are not of the target.
        """

    def spoilt(self, release: Release) -> str:
        """Record that the bytes of a release were wrong, so that the next read tries another mirror.

        Returns:
            The mirror that sent them, for people.
        """


class Reporter(Protocol):
    """Sends reports when they are due; outcomes, sequence number and nonce are read from and stored in the state."""

    def send(self, facts: Report, urgent: bool = False, contact: bool = False) -> float:
        """Send a report if one is due or urgent.

        Args:
            facts: the agent's part of the report; the sender fills in nonce, sequence number, clock and items.
            urgent: whether an event happened that the control plane waits for (an outcome, a used intent).
            contact: whether the fleet has just responded.

        Returns:
            Seconds until the next call; the sender itself waits longer while nobody answers.

        Raises:
            InputError: the control plane no longer knows this device, or has quarantined it.
        """

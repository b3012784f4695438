"""Interfaces of the state machine to its device, retry delays, and the slots of packages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, Protocol

import msgspec

from edgewright.core.errors import FormatNewerError, InputError, OutputError
from edgewright.core.files import PRIVATE, open_private, os_errors, private_folder, sync, write_atomic
from edgewright.core.records.fleet import (
    Acknowledged,
    Allowed,
    Because,
    Intent,
    Release,
    Report,
    TrialLimits,
    Vitals,
)
from edgewright.device.store import file_operations
from edgewright.fleet.protocol.layout import Chance, Clock

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


MIN_PAUSE_S = 60.0
"""Seconds by which the wall clock must differ from the monotonic clock; smaller differences are normal adjustments."""


class ClockJump:
    """Detects that a device's wall clock was set. Suspending the machine does not count: both clocks continue.

    A device whose clock is far ahead refuses all news as expired and polls less and less often, down to once an hour;
    over TLS the same happens if the clock is behind. After the time service sets the clock, the device need not wait.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._difference = self._now()

    def __call__(self) -> bool:
        """Return whether the clock was set since the last call."""
        before, self._difference = self._difference, self._now()
        return abs(self._difference - before) > MIN_PAUSE_S

    def _now(self) -> float:
        return self._clock.wall() - self._clock.monotonic()


BACK = 60.0
"""Longest pause in seconds between attempts without an answer; all devices are back this soon after an outage. These
attempts come about one and a half times as often as polls and reports each minute, and carry less."""
_DOUBLINGS = 16
_LONGEST_ASKED = 3600.0


class Pace:
    """The schedule of one kind of request.

    Args:
        chance: random numbers that spread the times.
        every: seconds between two successful requests.
        slowest: longest pause after failures, in seconds.
        first: first pause after a failure in seconds, which then doubles; None for `every`.
    """

    def __init__(self, chance: Chance, every: float, slowest: float, first: float | None = None) -> None:
        self._chance, self._every, self._slowest = chance, every, max(every, slowest)
        self._first = every if first is None else min(first, every)
        self.failures = 0
        self.due = 0.0
        self._requested = 0.0
        self._pause = 0.0

    def spread(self, now: float) -> None:
        """Schedule the first attempt at random within one interval."""
        self.due = now + self._every * self._chance.share()

    def at_once(self, now: float, within: float = 0.0) -> None:
        """Schedule the next attempt at random within `within` seconds."""
        self.due = min(self.due, now + within * self._chance.share())

    def good(self, now: float, wait: float | None = None) -> None:
        """Schedule the next attempt after 90 to 110 % of the interval, or of the requested time."""
        self.failures, self._pause = 0, 0.0
        self.due = now + (self._every if wait is None else wait) * (0.9 + 0.2 * self._chance.share())

    def bad(self, now: float, wait: float | None = None) -> None:
        """Double the pause after a failure; the next attempt falls in its second half, never before `wait`."""
        self.failures += 1
        longest = min(self._slowest, self._first * 2.0 ** min(self.failures, _DOUBLINGS))
        self.due = now + max(longest * (0.5 + 0.5 * self._chance.share()), wait or 0.0)

    def away(self, now: float, wait: float | None = None) -> None:
        """Schedule a retry after no answer, or after a request to retry in `wait` seconds (at most an hour).

        After `wait`, the pause is uniform between once and twice that time: the server knows how many others it asked.
        Otherwise it is uniform between half the first one and three times the last one, up to `BACK`: decorrelated
        jitter (M. Brooker, Exponential Backoff and Jitter, 2015). Devices that failed at the same moment retry at
        different times.
        """
        self.failures += 1
        wait = min(wait, _LONGEST_ASKED) if wait else None
        minimum = wait or self._first / 2.0
        maximum = max(2.0 * minimum, 0.0 if wait else min(BACK, 3.0 * (self._pause or self._first)))
        self._pause = minimum + (maximum - minimum) * self._chance.share()
        self._requested, self.due = now + (wait or 0.0), now + self._pause

    def answered(self, now: float) -> None:
        """Retry now because the server responded, but not before the time that it requested."""
        if self.failures:
            self.due = min(self.due, max(now, self._requested))


# ruff: noqa: D102 - a port's methods are described where it is declared


FOLDER = "slots"
NAMES: tuple[Slot, Slot] = ("a", "b")
PACKAGE, PART, LABEL = "package.edge", "package.part", "release.json"
FORMAT = 1
_BLOCK = 1 << 20


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `release.json`: describes the package next to it and stores the floor at the time of writing.

    Attributes:
        counter: counter of the release; 0 for a package that came with the device.
        sha256: hash of the package; empty if there is none.
    """

    format: int = FORMAT
    product: str = ""
    counter: int = 0
    target: str = ""
    sha256: str = ""
    length: int = 0
    package: str = ""
    floor: int = 0


class FolderSlots:
    """The slots in a store's folder; every write except parts of downloads is durable when its function returns.

    Raises:
        OutputError: the folders cannot be created.
    """

    def __init__(self, store: Path) -> None:
        self._folder = store / FOLDER
        with _slot_errors(self._folder):
            for name in NAMES:
                if not (self._folder / name).is_dir():
                    private_folder(self._folder)
                    private_folder(self._folder / name)
                    file_operations.sync_folder(self._folder)
                    file_operations.sync_folder(store)

    def path(self, slot: Slot) -> Path:
        """Return the path of the package in a slot."""
        return self._folder / slot / PACKAGE

    def size(self, slot: Slot) -> int:
        return file_operations.size(self._folder / slot / PART)

    def write(self, slot: Slot, offset: int, data: bytes) -> None:
        path = self._folder / slot / PART
        with _slot_errors(path), open_private(path, "ab" if offset else "wb") as file:
            if offset and file.tell() != offset:
                raise OutputError(f"a download of {offset:,} bytes", f"{file.tell():,}", str(path))
            file.write(data)

    def finish(self, slot: Slot, release: Release, floor: int) -> bool:
        folder = self._folder / slot
        with _slot_errors(folder):
            part = folder / PART
            if file_operations.size(part):
                if not _is(part, release.length, release.sha256):
                    self._empty(slot, floor)
                    return False
                sync(part)
                file_operations.rename(part, folder / PACKAGE)
                file_operations.sync_folder(folder)
            elif not _is(folder / PACKAGE, release.length, release.sha256):
                self._empty(slot, floor)
                return False
            # Between the rename and this write, the label does not match the bytes: the slot counts as empty.
            self._label(slot, Label(floor=max(floor, self.floor(slot)), **_named(release)))
        return True

    def put(self, slot: Slot, data: bytes, release: Release, floor: int) -> bool:
        """Write a whole package, such as one that came with the device; return whether it is correct."""
        self.write(slot, 0, data)
        return self.finish(slot, release, floor)

    def holds(self, slot: Slot) -> Release | None:
        label = self._read(slot)
        if not label.sha256 or not _is(self._folder / slot / PACKAGE, label.length, label.sha256):
            return None
        return Release(**_named(label))

    def floor(self, slot: Slot) -> int:
        return self._read(slot).floor

    def raise_floor(self, floor: int) -> None:
        for slot in NAMES:
            label = self._read(slot)
            if label.floor < floor:
                self._label(slot, msgspec.structs.replace(label, floor=floor))

    def _read(self, slot: Slot) -> Label:
        path = self._folder / slot / LABEL
        try:
            label = msgspec.json.decode(path.read_bytes(), type=Label)
        except (OSError, msgspec.DecodeError):
            return Label()
        if label.format > FORMAT:
            raise FormatNewerError(f"a slot of format {FORMAT} or older", f"format {label.format}", str(path),
                             "Update Edgewright on this device")  # fmt: skip
        return label

    def _label(self, slot: Slot, label: Label) -> None:
        folder = self._folder / slot
        # Remove temporary files of interrupted writes.
        for left in folder.glob(f".{LABEL}.*"):
            file_operations.remove(left)
        write_atomic(folder / LABEL, msgspec.json.encode(label) + b"\n", PRIVATE)

    def _empty(self, slot: Slot, floor: int) -> None:
        self._label(slot, Label(floor=max(floor, self.floor(slot))))
        file_operations.remove(self._folder / slot / PART)
        file_operations.remove(self._folder / slot / PACKAGE)
        file_operations.sync_folder(self._folder / slot)


def _named(release: Release | Label) -> dict[str, Any]:
    """Return the fields that a label and a release have in common."""
    return {name: getattr(release, name) for name in ("product", "counter", "target", "sha256", "length", "package")}


def _is(path: Path, length: int, sha256: str) -> bool:
    """Return whether a file has this length and hash; it is read in blocks."""
    if file_operations.size(path) != length:
        return False
    digest = hashlib.sha256()
    with suppress(OSError), path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
        return digest.hexdigest() == sha256
    return False


def _slot_errors(path: Path) -> AbstractContextManager[None]:
    """Turn an OSError into an OutputError."""
    return os_errors(OutputError, "room for a package on a disk that can be written", path)

"""What the launcher counts, in a file of fixed size: a full disk does not stop it, a power cut leaves the last one.

The file has two slots with a checksum and a number; a record replaces the older one in place. Beside it lies a reserve,
which is deleted when the state itself, a database that needs room for its journal, must change on a full disk.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from edgewright.core.errors import FormatNewerError, OutputError
from edgewright.core.files import flush, open_private
from edgewright.core.formatting import printable
from edgewright.core.records.fleet import Because
from edgewright.device.store import file_operations

FILE, RESERVE = "launcher.state", "launcher.reserve"
FORMAT = 1
_SLOT = 8192
_RESERVE_BYTES, _SPARE = 256 << 10, 4 << 20
_TEXT = 300
T = TypeVar("T")
EndKind = Literal["", "exit", "hang", "memory"]


class Returned(msgspec.Struct, frozen=True, kw_only=True):
    """The last return from a release with a new agent.

    Attributes:
        counter: counter of the release.
        because, why: reason, as it is reported to the fleet.
        at: seconds since 1970 of the device's clock.
    """

    counter: int
    because: Because
    why: str
    at: float


class LauncherRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the launcher counts in the trial of a new agent.

    Attributes:
        format: version of the file.
        counter: counter of the trial; 0 for none.
        environment: of the agent that was chosen last.
        nonce: of the last acknowledged report at the last start; a newer one shows that the new agent has reported.
        starts: starts since then.
        waited: seconds that the launcher has run since the activation.
        ends: exits of the new agent that nobody requested, and hangs.
        cuts: starts of the launcher that found the agent marked as running, after a power loss or a kill.
        running: whether the agent was started and its end was not recorded; written before the start.
        last, how: kind of the last of `ends`, and how it happened.
        returned: last return; None for none.
    """

    format: int = FORMAT
    counter: int = 0
    environment: str = ""
    nonce: str = ""
    starts: int = 0
    waited: float = 0.0
    ends: int = 0
    cuts: int = 0
    running: bool = False
    last: EndKind = ""
    how: str = ""
    returned: Returned | None = None


def short(text: str) -> str:
    """Return a text that fits into a slot."""
    return printable(text, " ")[:_TEXT]


class RecordFile:
    """The record of a store.

    Args:
        store: its folder.
    """

    def __init__(self, store: Path) -> None:
        self._store, self._path = store, store / FILE

    def read(self) -> LauncherRecord:
        """Return the newest whole record; an empty one if there is none.

        Raises:
            InputError: a newer version wrote it.
            OutputError: the disk is broken.
        """
        try:
            _, content = self._newest()
        except OSError as error:
            raise OutputError("to read what the launcher counted", error.strerror or str(error),
                              str(self._path)) from error  # fmt: skip
        if not content:
            return LauncherRecord()
        version = msgspec.json.decode(content).get("format", 0)
        try:
            if version <= FORMAT:
                return msgspec.json.decode(content, type=LauncherRecord)
            got = f"format {version}"
        except msgspec.ValidationError as error:
            got = str(error)
        raise FormatNewerError(f"a record of the launcher of format {FORMAT} or older", got, str(self._path),
                         "Update Edgewright on this device")  # fmt: skip

    def write(self, record: LauncherRecord) -> None:
        """Replace the older slot durably.

        Raises:
            OutputError: the disk is broken, or the file is new and the disk is full.
        """
        try:
            number = self._newest()[0] + 1
            content = f"{number} ".encode() + msgspec.json.encode(record)
            data = f"{zlib.crc32(content):08x} ".encode() + content
            if not self._path.exists():
                with open_private(self._path, "wb") as file:
                    file.write(b"\n" * 2 * _SLOT)
                    flush(file)
                file_operations.sync_folder(self._store)
            with self._path.open("r+b") as file:
                file.seek(_SLOT * (number % 2))
                file.write(data.ljust(_SLOT, b"\n"))
                flush(file)
        except OSError as error:
            raise OutputError("to record what the launcher counted", error.strerror or str(error),
                              str(self._path)) from error  # fmt: skip

    def _newest(self) -> tuple[int, bytes]:
        """Return the number and the content of the newest whole slot; (0, nothing) if there is none.

        Raises:
            OSError: it cannot be read.
        """
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return 0, b""
        return max(_parsed(data[at : at + _SLOT]) for at in (0, _SLOT))

    def reserve(self) -> None:
        """Keep room for a return on a full disk; a disk without room to spare keeps none."""
        path = self._store / RESERVE
        with suppress(OSError):
            space = os.statvfs(self._store)
            if file_operations.size(path) == _RESERVE_BYTES or space.f_bavail * space.f_frsize < _SPARE:
                return
            with open_private(path, "wb") as file:
                # A file system may compress what repeats.
                file.write(hashlib.shake_256(RESERVE.encode()).digest(_RESERVE_BYTES))
                flush(file)

    def with_room(self, change: Callable[[], T]) -> T:
        """Return what `change` returns; if the disk is full, delete the reserve and try again.

        Raises:
            OutputError: also the second attempt failed.
        """
        try:
            return change()
        except OutputError:
            with suppress(OSError):  # on a disk that turned read-only it stays
                (self._store / RESERVE).unlink(missing_ok=True)
            return change()


def _parsed(slot: bytes) -> tuple[int, bytes]:
    """Return the number and the content of a slot; (0, nothing) if it is damaged."""
    checksum, _, content = slot.rstrip(b"\n").partition(b" ")
    if checksum != f"{zlib.crc32(content):08x}".encode():
        return 0, b""
    number, _, record = content.partition(b" ")
    return int(number), record

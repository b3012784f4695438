"""The tail of a CSV file that grows, or lines on standard input."""

from __future__ import annotations

import ctypes
import os
import select
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from edgewright.core.errors import SourceError
from edgewright.core.records.data import Column
from edgewright.core.records.device import Packet
from edgewright.device.sources import Stream, StreamKind
from edgewright.device.sources._csv_lines import LineSettings, line_reader
from edgewright.device.sources._csv_place import FilePlace, ReadBytes, file_with, next_file, place_in
from edgewright.device.sources._packet import Arrived, Stamper
from edgewright.device.sources._polling import AwaitedSource

# Of inotify.h: written to, its attributes (which says that its last name is gone), renamed, deleted.
_MODIFY, _ATTRIB, _MOVED, _DELETED = 0x2, 0x4, 0x800, 0x400
_NONBLOCK, _CLOEXEC = 0o4000, 0o2000000
_SLEEP = 0.01
# A network file system tells nothing of what others write: a watched file is looked at so often in any case.
_LOOK = 0.1


class Watch:
    """Waits for changes of one file.

    Args:
        path: path of the file, which is there.
    """

    def __init__(self, path: str) -> None:
        self._handle = -1
        library = _library()
        if library is None:
            return
        handle = library.inotify_init1(_NONBLOCK | _CLOEXEC)
        if handle < 0:
            return
        if library.inotify_add_watch(handle, os.fsencode(path), _MODIFY | _ATTRIB | _MOVED | _DELETED) < 0:
            os.close(handle)
            return
        self._handle = handle

    def wait(self, seconds: float) -> None:
        """Return when the file changed, and after so many seconds at the latest."""
        if self._handle < 0:
            time.sleep(min(seconds, _SLEEP))
        elif select.select([self._handle], [], [], min(seconds, _LOOK))[0]:
            os.read(self._handle, 1 << 16)

    def close(self) -> None:
        """End the watch."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


@cache
def _library() -> Any:  # noqa: ANN401 - the C library
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "inotify_init1"):
        return None
    library.inotify_add_watch.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32]
    return library


_BYTES = 1 << 16


class CsvConfig(LineSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a CSV file that grows.

    Attributes:
        path: path of the file; '-' for standard input.
        begin: for the first start: 'end' reads what is appended from now on, 'start' what is there as well. A file
            that is not there yet is read from its start. Later starts go on where the one before was.
    """

    path: str
    begin: Literal["end", "start"] = "end"


class CsvTail(AwaitedSource):
    """An open CSV file; rotation (another file under the name) and truncation are noticed, and a place is found again.

    Args:
        config: its settings.
        columns: channels wanted, in order; none: all there are.

    Raises:
        InputError: for a folder, or a header without a wanted column.
    """

    def __init__(self, config: CsvConfig, columns: tuple[str, ...]) -> None:
        super().__init__(config.rate, columns)
        self.loses = ""
        self._path = Path(config.path)
        if self._path.is_dir():
            raise SourceError("a CSV file", "a folder", config.path, "Name the file; replay takes folders")
        self._lines = line_reader(config, columns, config.path)
        self.origin = str(self._path.absolute())
        self._watch: Watch | None = None
        self._position = self._backlog = 0
        self._absent = self._catching_up = False
        self._sought: FilePlace | None = None
        self._bytes: ReadBytes | None = None
        if self._open():
            self._check_header(to_end=config.begin == "end")
            self._bytes = ReadBytes(self._handle, self._position)
            self._backlog = os.fstat(self._handle).st_size
        self.columns = self._lines.columns

    def read_as(self, columns: Sequence[Column]) -> None:
        """Take how numbers of columns are written."""
        self._lines.read_as(columns)

    def position(self) -> dict[str, Any]:
        """Return the place behind the last whole line in its file; no file where the next one of the name is new."""
        offset = self._position - self._lines.pending_bytes
        self.reached = f"byte {offset:,} of {self._path.name}" if self._handle is not None else "the end of a file"
        known = self._sought if self._handle is None else place_in(self._handle, offset)
        file = None if known is None else msgspec.to_builtins(known)
        return {"file": file, "lines": self._lines.state(), "stamp": self._stamper.state()}

    def resume(self, position: dict[str, Any]) -> bool:
        """Go on behind the last line that was taken, wherever its file is now."""
        file = position["file"]
        file_place = None if file is None else msgspec.convert(file, FilePlace)
        self._lines.go_on(position["lines"])
        self._stamper.go_on(position["stamp"])
        self.close()
        self._catching_up, self._sought = True, file_place
        exact = file_place is None or self._find(file_place)
        if self._handle is None:
            self._open()
        self.columns = self._lines.columns
        return exact

    def close(self) -> None:
        """Close the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def _pause(self, left: float) -> None:
        if self._watch is not None:
            self._watch.wait(left)
        else:
            super()._pause(left)

    def _arrived(self, wait: float) -> Arrived:
        data = self._next() if self._handle is not None or self._open() else b""
        try:
            arrived = self._lines.feed(data)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # no row may end the agent for ever
            self._lines.restart()
            self._notice = f"{len(data)} bytes that cannot be read ({type(error).__name__}) were skipped"
            return Arrived(np.empty((0, len(self._lines.columns)), np.float32))
        self.columns = self._lines.columns
        return arrived

    def _find(self, position: FilePlace) -> bool:
        """Open the file of an earlier run at its place; whether it is there."""
        handle = file_with(self._path, position)
        if handle is None:
            if self._path.exists():
                self._notice = f"{self._path.name} is another file than before: read from its start"
                self._sought = None
            return False
        self._sought = None
        self._take_up(handle, position.offset)
        return True

    def _take_up(self, handle: int, offset: int) -> None:
        self._handle, self._position, self._bytes = handle, offset, ReadBytes(handle, offset)
        self._backlog = os.fstat(handle).st_size if self._catching_up else 0
        if self._watch is None:
            self._watch = Watch(str(self._path))

    def _next(self) -> bytes:
        if os.fstat(self._handle).st_size < self._position:
            self._truncated()
        data = os.read(self._handle, _BYTES) or self._look_for_another()
        self._stamper.backlog = self._position < self._backlog
        self._position += len(data)
        if self._bytes is not None:
            self._bytes.add(data)
        return data

    def _truncated(self) -> None:
        """Read the rest of a copy that was made before the truncation; without one, read from the start."""
        copy = None
        if self._bytes is not None:
            copy = file_with(self._path, self._bytes.position(self._handle, self._position))
        if copy is not None:
            os.close(self._handle)
            self._take_up(copy, self._position)
            return
        self._notice = f"{self._path.name} was truncated: read from its start"
        self._take_up(self._handle, os.lseek(self._handle, 0, os.SEEK_SET))
        self._lines.restart()

    def _look_for_another(self) -> bytes:
        """Take up another file that has the name now, once the old one was read to its end; return its last bytes."""
        try:
            now: os.stat_result | None = self._path.stat()
        except OSError:
            now = None
        if now is not None and os.path.samestat(now, os.fstat(self._handle)):
            self._catching_up = False
            return b""
        if data := os.read(self._handle, _BYTES):  # written while it lost the name
            return data
        following = next_file(self._path, self._handle) if self._catching_up else None
        self.close()
        if following is not None:
            self._lines.restart()
            self._take_up(following, 0)
        elif now is None:
            self._say_absent("is gone")
        else:
            self._notice = f"{self._path.name} was rotated: the new file is read"
            self._open()
        return b""

    def _open(self) -> bool:
        if self._backoff.wait():
            return False
        if self._sought is not None and self._find(self._sought):
            return True
        try:
            self._handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            self._say_absent("is not there")
            return False
        except OSError as error:
            self._failed(f"{self._path.name} cannot be read: {error.strerror}")
            return False
        self._backoff.worked()
        self._absent = False
        self._take_up(self._handle, 0)
        self._lines.restart()
        return True

    def _say_absent(self, how: str) -> None:
        """Told once, until the file is there again."""
        self._failed(self._notice if self._absent else f"{self._path.name} {how}: retrying")
        self._absent = True

    def _check_header(self, *, to_end: bool) -> None:
        """Read the header of a file that is there, which must fit; from its end, go behind the last whole line."""
        line, end, _ = os.pread(self._handle, _BYTES, 0).partition(b"\n")
        if not end:
            return
        self._lines.strict = True
        head = self._lines.feed(line + b"\n")
        self._lines.strict = False
        size = os.fstat(self._handle).st_size
        tail = os.pread(self._handle, _BYTES, max(0, size - _BYTES))
        if to_end:
            self._position = size - (len(tail) - 1 - tail.rfind(b"\n"))
        elif not len(head.values):  # a row, in a file without a header, is read again
            self._position = len(line) + 1
        os.lseek(self._handle, self._position, os.SEEK_SET)


class CsvPipe(Stream):
    """Lines on standard input, until it ends."""

    def __init__(self, config: CsvConfig, columns: tuple[str, ...], handle: int | None = None) -> None:
        self.rate = config.rate
        self._handle = sys.stdin.fileno() if handle is None else handle
        self.loses = "rows that are written to standard input while the agent is away are lost"
        self._lines = line_reader(config, columns, "standard input")
        self._lines.strict = True
        self._stamper = Stamper(rate=config.rate)
        self._done = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Channels that come out; empty until they are known."""
        return self._lines.columns

    def read_as(self, columns: Sequence[Column]) -> None:
        """Take how numbers of columns are written."""
        self._lines.read_as(columns)

    def read(self, timeout: float) -> Sequence[Packet]:
        """Return rows that were written to the pipe."""
        if self._done or not select.select([self._handle], [], [], max(0.0, timeout))[0]:
            return []
        data = os.read(self._handle, _BYTES)
        self._done = not data
        arrived = self._lines.feed(data) if data else self._lines.finish()
        return [self._stamper.packet(arrived)] if len(arrived.values) or arrived.notices else []

    def ended(self) -> bool:
        """Return whether the other end was closed."""
        return self._done

    def close(self) -> None:
        """Leave standard input as it is."""
        self._done = True


def _open(config: CsvConfig, columns: tuple[str, ...]) -> Stream:
    if not config.path:
        raise SourceError(
            "the path of a CSV file, or - for standard input", "none", "--source csv:", "Name it: csv:FILE"
        )
    return CsvPipe(config, columns) if config.path == "-" else CsvTail(config, columns)


STREAM = StreamKind(config=CsvConfig, open=_open, example="csv:readings.csv?begin=start")

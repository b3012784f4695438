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

from edgewright.device.sources import Stream, StreamKind
from edgewright.device.sources._csv_lines import LineSettings, line_reader
from edgewright.device.sources._packet import Arrived, Stamper
from edgewright.device.sources._polling import PolledSource
from edgewright.schema.device import Packet
from edgewright.schema.errors import InputError

# Of inotify.h: written to, its attributes (which says that its last name is gone), renamed, deleted.
_MODIFY, _ATTRIB, _MOVED, _DELETED = 0x2, 0x4, 0x800, 0x400
_NONBLOCK, _CLOEXEC = 0o4000, 0o2000000
_SLEEP = 0.01
# A network file system tells nothing of what others write: a watched file is looked at so often in any case.
_LOOK = 0.1


class Watch:
    """Waits for changes of one file.

    Args:
        path: of the file, which is there.
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
        path: of the file; '-' for standard input.
        begin: 'end' reads what is appended from now on, 'start' what is there as well. A file that is not there yet
            is read from its start.
    """

    path: str
    begin: Literal["end", "start"] = "end"


class CsvTail(PolledSource):
    """An open CSV file; rotation (another file under the name) and truncation are noticed.

    Args:
        config: its settings.
        columns: channels wanted, in order; none: all there are.

    Raises:
        InputError: for a folder, or a header without a wanted column.
    """

    def __init__(self, config: CsvConfig, columns: tuple[str, ...]) -> None:
        super().__init__(config.rate, columns)
        self._path = Path(config.path)
        if self._path.is_dir():
            raise InputError("a CSV file", "a folder", config.path, "Name the file; replay takes folders")
        self._lines = line_reader(config, columns, config.path)
        self._watch: Watch | None = None
        self._position = 0
        self._absent = False
        if self._open():
            self._check_header(to_end=config.begin == "end")
        self.columns = self._lines.columns

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

    def _taken(self, wait: float) -> Arrived:
        data = self._next() if self._handle is not None or self._open() else b""
        arrived = self._lines.feed(data)
        self.columns = self._lines.columns
        return arrived

    def _next(self) -> bytes:
        if os.fstat(self._handle).st_size < self._position:
            self._notice = f"{self._path.name} was truncated: read from its start"
            self._position = os.lseek(self._handle, 0, os.SEEK_SET)
            self._lines.restart()
        data = os.read(self._handle, _BYTES)
        self._position += len(data)
        if not data:
            self._look_for_another()
        return data

    def _look_for_another(self) -> None:
        """Take up another file that has the name now, once the old one was read to its end."""
        try:
            now = self._path.stat()
        except OSError:
            self.close()
            self._say_absent("is gone")
            return
        if not os.path.samestat(now, os.fstat(self._handle)):
            self.close()
            self._notice = f"{self._path.name} was rotated: the new file is read"
            self._open()

    def _open(self) -> bool:
        if self._backoff.wait():
            return False
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
        self._watch = Watch(str(self._path))
        self._position = 0
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
        self._lines = line_reader(config, columns, "standard input")
        self._lines.strict = True
        self._stamper = Stamper(rate=config.rate)
        self._done = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Channels that come out; empty until they are known."""
        return self._lines.columns

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
        raise InputError("the path of a CSV file, or - for standard input", "none", "--source csv:")
    return CsvPipe(config, columns) if config.path == "-" else CsvTail(config, columns)


STREAM = StreamKind(config=CsvConfig, open=_open, example="csv:readings.csv?begin=start")

"""A serial line: rows as lines of CSV, or in frames with a count, the device's time and a CRC."""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from edgewright.device.sources import Stream, StreamConfig, StreamKind
from edgewright.device.sources._csv_lines import LineReader
from edgewright.device.sources._frame_rows import FrameReader
from edgewright.device.sources._packet import Backoff, Stamper, notice_of
from edgewright.schema.device import Packet
from edgewright.schema.errors import InputError, MissingExtraError

_BYTES = 1 << 16
_LOOK = 0.05  # seconds that a read of the port may wait at once
_QUIET = 0.5
"""Seconds of silence behind the opening after which the first bytes begin a line: a board that restarts when its
port is opened says its header then, once."""
_STARTS_SOON = 2.0
"""Seconds of bytes without a row after which the baud rate or the form is doubted."""


class SerialConfig(StreamConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a serial line.

    Attributes:
        port: device of the line; one below /dev/serial/by-id keeps its name when it is plugged in elsewhere.
        baud: bits a second.
        form: 'csv' for lines, 'framed' for the frames of `senders/`.
        rate: rows a second; rows without a time are stamped evenly with it.
        time: column of lines with the time; found by its name when left out, '-' for none.
        sequence: column of lines with the count; found by its name when left out, '-' for none.
        names: of the cells of lines without a header, or of the channels of frames whose sender does not name them.
        delimiter: between cells; found when left out.
    """

    port: str
    baud: Annotated[int, msgspec.Meta(ge=50, le=20_000_000)] = 115200
    form: Literal["csv", "framed"] = "csv"
    rate: Annotated[float, msgspec.Meta(gt=0.0, le=1e9)] | None = None
    time: str = ""
    sequence: str = ""
    names: tuple[str, ...] = ()
    delimiter: str = ""


class SerialLine:
    """An open serial line; one that vanishes is opened again when it comes back.

    Args:
        config: its settings.
        columns: channels wanted, in order; none: all there are.

    Raises:
        MissingExtraError: without pyserial.
    """

    def __init__(self, config: SerialConfig, columns: tuple[str, ...]) -> None:
        self._config = config
        self.rate = config.rate
        try:
            self._library: Any = importlib.import_module("serial")
        except ModuleNotFoundError:
            raise MissingExtraError("device", "pyserial") from None
        self._reader = _reader(config, columns)
        self._stamper = Stamper(rate=config.rate)
        self._backoff = Backoff()
        self._port: Any = None
        self._notice = ""
        self._was_there = False
        self._opened = 0.0  # when the port was, while nothing has come
        self._without = 0.0  # seconds since which bytes come and no rows do; 0: not now
        self._doubted = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Channels that come out; empty until they are known."""
        return self._reader.columns

    def read(self, timeout: float) -> Sequence[Packet]:
        """Return rows that came over the line."""
        until = time.monotonic() + timeout
        while True:
            data = self._bytes(max(0.0, min(_LOOK, until - time.monotonic())))
            arrived = self._reader.feed(data)
            self.rate = self._config.rate or self._reader.rate
            self._doubt(bool(data), bool(len(arrived.values)))
            notice, self._notice = self._notice, ""
            if len(arrived.values) or arrived.notices:
                return [self._stamper.packet(arrived, notice)]
            if notice:
                return [notice_of(notice, len(self.columns))]
            left = until - time.monotonic()
            if left <= 0:
                return []
            if self._port is None:
                time.sleep(min(left, max(0.01, self._backoff.wait())))

    def ended(self) -> bool:
        """Never: a line may always carry more."""
        return False

    def close(self) -> None:
        """Close the port."""
        if self._port is not None:
            self._port.close()
            self._port = None

    def _bytes(self, wait: float) -> bytes:
        if self._port is None and not self._open():
            return b""
        try:
            self._port.timeout = wait
            first: bytes = self._port.read(1)
            if first and self._opened:
                if isinstance(self._reader, LineReader) and time.monotonic() - self._opened > _QUIET:
                    self._reader.restart(joined=False)
                self._opened = 0.0
            waiting = min(_BYTES, self._port.in_waiting) if first else 0
            return first + (self._port.read(waiting) if waiting else b"")
        except (OSError, TypeError, self._library.SerialException) as error:
            # pyserial says TypeError where the port was closed under it.
            self.close()
            self._backoff.failed()
            self._notice = f"{self._config.port} is gone ({_reason(error)}): retrying"
            return b""

    def _open(self) -> bool:
        if self._backoff.wait():
            return False
        try:
            self._port = self._library.Serial(self._config.port, self._config.baud, timeout=0, exclusive=True)
        except (OSError, self._library.SerialException) as error:
            self._backoff.failed()
            if not self._was_there:
                self._notice = f"{self._config.port} cannot be opened ({_reason(error)}): retrying"
                self._was_there = True
            return False
        except ValueError as error:
            raise InputError(
                "a baud rate that the port takes", str(error), f"--source serial:{self._config.port}"
            ) from None
        if self._was_there:
            self._notice = f"{self._config.port} is there"
        self._was_there = True
        self._backoff.worked()
        self._reader.restart()
        self._opened = time.monotonic()
        return True

    def _doubt(self, bytes_came: bool, rows_came: bool) -> None:
        """Say once that the baud rate or the form looks wrong: bytes come, and nothing in them is a row."""
        now = time.monotonic()
        if rows_came:
            self._without, self._doubted = 0.0, False
        elif bytes_came and not self._without:
            self._without = now
        elif bytes_came and not self._doubted and now - self._without > _STARTS_SOON:
            self._doubted = True
            self._notice = f"bytes come and no rows: is it {self._config.baud} baud, and form {self._config.form!r}?"


def _reader(config: SerialConfig, columns: tuple[str, ...]) -> LineReader | FrameReader:
    if config.form == "framed":
        return FrameReader(columns, name=config.port, names=config.names, joined=True)
    return LineReader(
        columns,
        name=config.port,
        columns=config.names,
        time=config.time,
        sequence=config.sequence,
        delimiter=config.delimiter,
        joined=True,
    )


def _reason(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    strerror = getattr(error, "strerror", None)
    if number and strerror and len(str(strerror)) < 60:
        return str(strerror)
    text = str(error)
    return text if len(text) < 60 else "it does not answer"


def _place(text: str) -> dict[str, str]:
    port, at, baud = text.rpartition("@")
    return {"port": port, "baud": baud} if at else {"port": text}


def _open(config: SerialConfig, columns: tuple[str, ...]) -> Stream:
    if not config.port:
        raise InputError("the device of a serial line", "none", "--source serial:", "Name it: serial:/dev/ttyUSB0")
    return SerialLine(config, columns)


STREAM = StreamKind(config=SerialConfig, open=_open, example="serial:/dev/ttyUSB0@115200?form=framed", place=_place)

"""A serial line: rows as lines of CSV, or in frames with a count, the device's time and a CRC."""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from edgewright.core.errors import MissingExtraError, SourceError
from edgewright.core.records.data import Column
from edgewright.device.sources import Stream, StreamKind
from edgewright.device.sources._csv_lines import LineReader, LineSettings, line_reader
from edgewright.device.sources._packet import Arrived
from edgewright.device.sources._payload import FrameReader
from edgewright.device.sources._polling import CapturedSource, Gone

_BYTES = 1 << 16
_LOOK = 0.05  # seconds that a read of the port may wait at once
_QUIET = 0.5
"""Seconds of silence behind the opening after which the first bytes begin a line: a board that restarts when its
port is opened says its header then, once."""
_STARTS_SOON = 2.0
"""Seconds of bytes without a row after which the baud rate or the form is doubted."""


class SerialConfig(LineSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a serial line.

    Attributes:
        port: device of the line; one below /dev/serial/by-id keeps its name when it is plugged in elsewhere.
        baud: bits a second.
        form: 'csv' for lines, 'framed' for the frames of `senders/`.
        names: of the cells of lines without a header, or of the channels of frames whose sender does not name them.
    """

    port: str
    baud: Annotated[int, msgspec.Meta(ge=50, le=20_000_000)] = 115200
    form: Literal["csv", "framed"] = "csv"


class SerialLine(CapturedSource):
    """An open serial line; one that vanishes is opened again when it comes back.

    Args:
        config: its settings.
        columns: channels wanted, in order; none: all there are.

    Raises:
        MissingExtraError: without pyserial.
    """

    loses = "rows that the board sends while the agent is away are lost"

    def __init__(self, config: SerialConfig, columns: tuple[str, ...]) -> None:
        super().__init__(config.port, self._port, config.rate, columns)
        self.origin = config.port
        self._config = config
        try:
            self._library: Any = importlib.import_module("serial")
        except ModuleNotFoundError:
            raise MissingExtraError("device", "pyserial") from None
        self._reader = _reader(config, columns)
        self.columns = self._reader.columns
        self._since = 0.0  # when the port was opened, while nothing has come
        self._without = 0.0  # seconds since which bytes come and no rows do; 0: not now
        self._doubted = False

    def read_as(self, columns: Sequence[Column]) -> None:
        """Take how numbers of columns are written, where lines come."""
        if isinstance(self._reader, LineReader):
            self._reader.read_as(columns)

    def _arrived(self, wait: float) -> Arrived:
        data = self._bytes(min(_LOOK, wait))
        arrived = self._reader.feed(data)
        self.rate, self.columns = self._config.rate or self._reader.rate, self._reader.columns
        self._doubt(bool(data), bool(len(arrived.values)))
        return arrived

    def _bytes(self, wait: float) -> bytes:
        if not self._opened():
            return b""
        try:
            self._handle.timeout = wait
            first: bytes = self._handle.read(1)
            if first and self._since:
                if isinstance(self._reader, LineReader) and time.monotonic() - self._since > _QUIET:
                    self._reader.restart(joined=False)
                self._since = 0.0
            waiting = min(_BYTES, self._handle.in_waiting) if first else 0
            return first + (self._handle.read(waiting) if waiting else b"")
        except (OSError, TypeError, self._library.SerialException) as error:
            # pyserial says TypeError where the port was closed under it.
            self._gone(Gone(_reason(error)))
            return b""

    def _port(self) -> Any:  # noqa: ANN401 - pyserial has no types
        try:
            port = self._library.Serial(self._config.port, self._config.baud, timeout=0, exclusive=True)
        except (OSError, self._library.SerialException) as error:
            raise Gone(_reason(error)) from None
        except ValueError as error:
            raise SourceError(
                "a baud rate that the port takes", str(error), f"--source serial:{self._config.port}"
            ) from None
        self._reader.restart()
        self._since = time.monotonic()
        return port

    def _doubt(self, bytes_came: bool, rows_came: bool) -> None:
        """Say once that the baud rate or the form looks wrong: bytes come, and nothing in them is a row."""
        now = time.monotonic()
        if rows_came:
            self._without, self._doubted = 0.0, False
        elif bytes_came and not self._without:
            self._without = now
        elif bytes_came and not self._doubted and now - self._without > _STARTS_SOON:
            self._doubted = True
            self._notice = f"bytes but no rows: is it {self._config.baud} baud, and form {self._config.form!r}?"


def _reader(config: SerialConfig, columns: tuple[str, ...]) -> LineReader | FrameReader:
    if config.form == "framed":
        return FrameReader(columns, name=config.port, names=config.names, joined=True)
    return line_reader(config, columns, config.port, joined=True)


def _reason(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    strerror = getattr(error, "strerror", None)
    if number and strerror and len(str(strerror)) < 60:
        return str(strerror)
    text = str(error)
    return text if len(text) < 60 else "it does not answer"


def _settings_of(text: str) -> dict[str, str]:
    port, at, baud = text.rpartition("@")
    return {"port": port, "baud": baud} if at else {"port": text}


def _open(config: SerialConfig, columns: tuple[str, ...]) -> Stream:
    if not config.port:
        raise SourceError("the device of a serial line", "none", "--source serial:", "Name it: serial:/dev/ttyUSB0")
    return SerialLine(config, columns)


STREAM = StreamKind(
    config=SerialConfig, open=_open, example="serial:/dev/ttyUSB0@115200?form=framed", location_settings=_settings_of
)

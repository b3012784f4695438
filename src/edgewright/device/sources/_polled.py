"""Sources that are asked: a row at a steady rate from whatever answers with one value a column."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Annotated, Protocol

import msgspec
import numpy as np

from edgewright.device.sources import Stream, StreamConfig
from edgewright.device.sources._columns import match, refuse_missing
from edgewright.device.sources._packet import Arrived, Backoff, Stamper, notice_of
from edgewright.schema.device import Packet
from edgewright.schema.errors import InputError

_TURN = 0.05  # seconds that a read sleeps at most before it looks again


class PolledConfig(StreamConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a source that is asked.

    Attributes:
        rate: rows a second.
    """

    rate: Annotated[float, msgspec.Meta(gt=0.0, le=1000.0)] = 1.0


class LinkError(Exception):
    """The other side is away, or does not answer; asked again later."""


class Link(Protocol):
    """A connection to what answers."""

    def connect(self) -> None:
        """Reach it; raises `LinkError`, or `InputError` for what will never work."""

    def values(self) -> Sequence[float]:
        """Ask for one value of each column, NaN where the other side has none; raises `LinkError`."""

    def close(self) -> None:
        """Let go of it, whatever state it is in."""


class Polled(Stream):
    """Asks for a row when it is due; a row that could not be had in its time counts as lost.

    Args:
        link: that is asked.
        names: of its columns.
        wanted: channels, in the order they are to come out; all of them when empty.
        rate: rows a second.
        where: of the other side, for messages.
    """

    loses = "values that nobody asks for while the agent is away are lost"

    def __init__(self, link: Link, names: Sequence[str], wanted: tuple[str, ...], rate: float, where: str) -> None:
        found = match(names, wanted, where, time="-", sequence="-")
        refuse_missing(found, names, where)
        self.columns, self.rate, self._period = found.names, rate, 1 / rate
        self._link, self._places, self._where = link, list(found.places), where
        self._stamper, self._backoff = Stamper(rate=rate), Backoff()
        self._due = -math.inf
        self._connected = self._was_there = False

    def read(self, timeout: float) -> Sequence[Packet]:
        """Return the row that is due within the time, or what went wrong."""
        return self._polled(timeout)

    def _polled(self, timeout: float) -> Sequence[Packet]:
        until = time.monotonic() + timeout
        while True:
            now = time.monotonic()
            pause = max(self._due - now, 0.0 if self._connected else self._backoff.wait())
            if pause <= 0:
                return self._asked()
            if now >= until:
                return []
            time.sleep(min(pause, until - now, _TURN))

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def _asked(self) -> list[Packet]:
        packets = []
        try:
            if not self._connected:
                self._link.connect()
                self._connected = True
                if self._was_there:
                    packets.append(notice_of(f"{self._where} is there", len(self.columns)))
                self._was_there = True
                self._backoff.worked()
                self._due = time.monotonic()
            row = np.asarray(self._link.values(), np.float32)[self._places]
        except LinkError as error:
            self._link.close()
            # Its loss is told once.
            told = self._was_there and not self._connected
            self._connected, self._was_there = False, True
            self._backoff.failed()
            return packets if told else [*packets, notice_of(f"{self._where}: {error}; retrying", len(self.columns))]
        lost = self._next()
        packet = self._stamper.packet(Arrived(row[None]))
        return [*packets, msgspec.structs.replace(packet, lost=lost) if lost else packet]

    def _next(self) -> int:
        """Set when the next row is due; return how many were due meanwhile and could not be had."""
        self._due += self._period
        late = max(0, math.floor((time.monotonic() - self._due) / self._period))
        self._due += late * self._period
        return late


def named(given: Sequence[str], what: str, example: str) -> list[tuple[str, str]]:
    """Split settings such as 'speed@40001' into names and what they stand for.

    Args:
        given: the settings.
        what: they are, for messages.
        example: of one of them.

    Raises:
        InputError: none, one without a name, or a name twice.
    """
    pairs: list[tuple[str, str]] = []
    for text in given:
        name, _, rest = text.partition("@")
        if not name or not rest:
            raise InputError(f"{what} such as {example}", repr(text), "[source]")
        if name in [before for before, _ in pairs]:
            raise InputError("a name of its own for each column", f"{name!r} twice", "[source]")
        pairs.append((name, rest))
    if not pairs:
        raise InputError(f"{what} such as {example}", "none", "[source]")
    return pairs

"""Reading a source on a device until so many rows came, for the tests of its kinds."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.device import Packet
from edgewright.device.sources import Stream, kind


def opened(source: str, *columns: str) -> Stream:
    """Return the source behind `--source SOURCE`."""
    name, _, rest = source.partition(":")
    part = kind(name)
    return part.open(part.short(rest), columns)


def drain(stream: Stream, rows: int, seconds: float = 5.0) -> list[Packet]:
    """Return packets until so many rows came, the source ended or the time is over."""
    packets: list[Packet] = []
    until = time.monotonic() + seconds
    while sum(len(p.values) for p in packets) < rows and time.monotonic() < until and not stream.ended():
        packets += stream.read(0.05)
    return packets


def until_notice(stream: Stream, word: str, seconds: float = 60.0) -> list[Packet]:
    """Return packets until one whose notice holds the word."""
    packets: list[Packet] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        new = stream.read(0.05)
        packets += new
        if any(word in packet.notice for packet in new):
            return packets
    raise AssertionError(f"no notice with {word!r}: {notices(packets)}")


def values(packets: Sequence[Packet]) -> NDArray[np.float32]:
    """All rows."""
    return np.concatenate([p.values for p in packets])


def times(packets: Sequence[Packet]) -> NDArray[np.float64]:
    """All times."""
    return np.concatenate([p.time for p in packets])


def notices(packets: Sequence[Packet]) -> list[str]:
    """Return what was told."""
    return [p.notice for p in packets if p.notice]


class Clock:
    """Stands for the module `time`: it goes on where somebody sleeps, and nowhere else."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        """Return the time of the clock."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self.now += seconds

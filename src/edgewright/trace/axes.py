"""Axes of a chart: where round numbers stand, and how they are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgewright.trace.words import bytes_text, microseconds_text, number

# Letters of a text that takes a twelfth of an axis.
SHORT = 4
WRITERS: dict[str, Callable[[float], str]] = {
    "": lambda value: f"{value:,.4g}" if abs(value) < 1e5 else number(value),
    "share": lambda value: f"{100 * value:.3g} %",
    "s": lambda value: f"{1000 * value:.3g} ms" if abs(value) < 1 else f"{value:.3g} s",
    "B": bytes_text,
    "us": microseconds_text,
    "count": lambda value: f"{value:,.0f}" if abs(value) < 1e6 else f"{value / 1e6:.3g} M",
}
"""How the numbers of an axis are written, by unit."""


@dataclass(frozen=True)
class Axis:
    """One axis: from values to places.

    Attributes:
        low, high: values at its ends.
        start, end: places of its ends, in units of the drawing; `end` may lie before `start`.
        marks: round values inside.
        unit: a key of `WRITERS`.
        logarithmic: places go by the logarithm.
    """

    low: float
    high: float
    start: float
    end: float
    marks: tuple[float, ...]
    unit: str = ""
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Place of a value, to a tenth of a unit."""
        low, high, here = (
            (math.log(self.low), math.log(self.high), math.log(value))
            if self.logarithmic
            else (self.low, self.high, value)
        )
        share = (here - low) / ((high - low) or 1.0)
        return round(self.start + (self.end - self.start) * share, 1)

    def labels(self) -> list[tuple[float, str]]:
        """Place and text of each mark."""
        write = WRITERS[self.unit]
        return [(self.at(mark), write(mark)) for mark in self.marks]


def value_axis(values: Sequence[float], start: float, end: float, unit: str, *, logarithmic: bool = False) -> Axis:
    """An axis that begins and ends at round numbers around the values.

    Args:
        values: finite; positive where `logarithmic`.
        start, end: places of its ends.
        unit: a key of `WRITERS`.
        logarithmic: places go by the logarithm.
    """
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if logarithmic:
        low, high = 0.8 * low, 1.25 * high
        return Axis(low, high, start, end, tuple(_decades(low, high)), unit, True)
    marks = round_marks(low, high)
    return Axis(marks[0], marks[-1], start, end, tuple(marks), unit)


def running_axis(values: Sequence[float], start: float, end: float, unit: str, *, logarithmic: bool = False) -> Axis:
    """An axis that begins and ends at the outermost values: epochs, rows, seconds.

    Args:
        values: finite; positive where `logarithmic`, when the marks are the values themselves.
        start, end: places of its ends.
        unit: a key of `WRITERS`.
        logarithmic: places go by the logarithm.
    """
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if logarithmic:
        return Axis(low, high, start, end, _apart(sorted(set(values)), low, high), unit, True)
    whole = all(value == int(value) for value in values)
    inside = [mark for mark in round_marks(low, high, 6) if low <= mark <= high and (not whole or mark == int(mark))]
    # The first value gets a mark of its own where its text does not touch that of the next one.
    apart = (high - low) / (12 if len(WRITERS[unit](low)) <= SHORT else 6)
    marks = sorted({low, *inside}) if whole and inside and inside[0] - low > apart else inside
    return Axis(low, high, start, end, tuple(marks or [low]), unit)


def round_marks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round numbers from at most `low` to at least `high`: steps of 1, 2 or 5 times a power of ten."""
    span = (high - low) or abs(high) or 1.0
    raw = span / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw * 0.999)
    begin = math.floor(low / step + 1e-9)
    end = math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(begin, max(end, begin + 1) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """The 1, 2 and 5 of every decade in between; over three decades the 1 alone."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if len(powers) <= 4 else (1,)
    return [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]


def _apart(values: Sequence[float], low: float, high: float) -> tuple[float, ...]:
    """Values whose texts do not touch on a logarithmic axis: a ninth of its length lies between two of them."""
    kept: list[float] = []
    length = math.log(high / low) or 1.0
    for value in values:
        if not kept or math.log(value / kept[-1]) >= length / 9:
            kept.append(value)
    return tuple(kept)

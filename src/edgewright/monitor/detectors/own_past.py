"""Each stream against its own past: level, shift and time of day by how unusual they are here, and a range.

Four numbers of a channel are looked at: how far a value is from a mean of the last rows, how far a short mean is from a
long one, how far a value is from others of this time of day, and how far it lies outside the range so far. The first
three are judged by the short mean of each against all the means before it, in their deviations (the anomaly likelihood
of Ahmad and others, Neurocomputing 2017, without its logarithm), and count together: the root of their mean square. So
the same limit fits a still stream and a wild one, and 1 is a common threshold. Nothing is learnt beforehand, but a
fitted detector goes on from the rows that it was fitted on; some 65 numbers a channel are remembered. The settings are
those chosen on the Numenta Anomaly Benchmark (benchmarks/anomalies).
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import TooFewRowsError
from edgewright.core.records.data import Floats
from edgewright.monitor.detectors import DetectorConfig, DetectorKind
from edgewright.monitor.detectors._row import RowDetector

_DAY = 86400.0  # s
# Rows that a past counts for at the start of a stream.
MOST_PAST = 1000
_FAR = 1e18


class OwnPastConfig(DetectorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the comparison with a stream's own past.

    Attributes:
        near: weight of the newest row in the mean from which a value is far.
        fast, slow: weight of the newest row in the short and the long mean that are compared.
        bins: parts of a day, each with a mean of its own; 0 leaves the time of day out.
        forget: weight of the newest row in the mean of a part of the day.
        short: weight of the newest row in the short mean of each of these three distances.
        past: rows over which their usual mean and deviation are known, and the range.
        deviations: how many deviations beyond the usual are odd.
        beyond: how far outside the range, in its widths, is odd.
        leak: the range loses this share of its width on each side, divided by the rows seen, with every row.
        warm_up: rows without a score at the beginning.
    """

    near: float = 1 / 64
    fast: float = 1 / 50
    slow: float = 1 / 2000
    bins: int = 24
    forget: float = 0.2
    short: float = 0.1
    past: int = 20_000
    deviations: float = 3.0
    beyond: float = 0.2
    leak: float = 0.5
    warm_up: int = 50


class Channel:
    """What is remembered of one channel; of each distance its short mean, and mean and variance of that."""

    __slots__ = ("counts", "day", "fast", "high", "level", "low", "means", "near", "rows", "shift", "slow", "timed")

    def __init__(self, bins: int) -> None:
        self.low = self.high = self.near = self.fast = self.slow = 0.0
        self.rows = self.timed = 0
        self.level, self.shift, self.day = [0.0] * 3, [0.0] * 3, [0.0] * 3
        self.means, self.counts = [0.0] * bins, [0] * bins

    def state(self) -> list[Any]:
        """Return its numbers, in the order of their names."""
        values = (getattr(self, name) for name in self.__slots__)
        return [list(v) if isinstance(v, list) else v for v in values]

    def set(self, state: list[Any]) -> None:
        """Go on from a `state()`."""
        for name, value in zip(self.__slots__, state, strict=True):
            setattr(self, name, list(value) if isinstance(value, list) else value)

    def numbers(self) -> NDArray[np.float64]:
        """Return the state as numbers."""
        return np.concatenate([np.atleast_1d(np.asarray(value, np.float64)) for value in self.state()])

    def set_numbers(self, numbers: NDArray[np.float64]) -> None:
        """Go on from `numbers()`.

        Raises:
            ValueError: another count of numbers, or numbers that a detector never has.
        """
        if numbers.shape != self.numbers().shape or not np.isfinite(numbers).all():
            raise ValueError(f"{len(self.numbers())} finite numbers a channel")
        rest = iter(numbers.tolist())
        self.set([[next(rest) for _ in v] if isinstance(v, list) else next(rest) for v in self.state()])
        self.counts, self.rows, self.timed = [int(n) for n in self.counts], int(self.rows), int(self.timed)
        if min(self.rows, self.timed, *self.counts, *(tail[2] for tail in (self.level, self.shift, self.day))) < 0:
            raise ValueError("counts and variances from 0 on")


class OwnPast(RowDetector):
    """At work. A missing value leaves its channel as it was."""

    def __init__(self, learnt: dict[str, Any]) -> None:
        super().__init__(int(learnt["channels"]))
        self._c = _checked(msgspec.convert(learnt["config"], OwnPastConfig))
        self.remembered = [Channel(self._c.bins) for _ in range(self.channels)]
        if (past := learnt.get("past")) is not None:
            for channel, numbers in zip(self.remembered, np.asarray(past, np.float64), strict=True):
                channel.set_numbers(numbers)

    def row(self, x: NDArray[np.float64], present: NDArray[np.bool_], time: float) -> float:
        """Return the largest score of all channels that have seen enough; NaN when none has."""
        parts = np.zeros(self.channels)
        learning = True
        for index, channel in enumerate(self.remembered):
            if present[index]:
                outside, far = self.measured(channel, float(x[index]), time)
                if channel.rows > self._c.warm_up:
                    unusual = math.sqrt(sum(d * d for d in far) / len(far))
                    parts[index] = max(outside / self._c.beyond, unusual / self._c.deviations)
                    learning = False
        self._parts = parts
        return math.nan if learning else float(parts.max())

    def measured(self, c: Channel, x: float, time: float) -> tuple[float, list[float]]:
        """One value of one channel: widths outside the range, and the deviations of the distances that are known."""
        if not c.rows:
            c.low = c.high = c.near = c.fast = c.slow = x
        c.rows += 1
        level, shift, day = self._distances(c, x, time)
        far = [self._unusual(c.level, level, c.rows), self._unusual(c.shift, shift, c.rows)]
        if not math.isnan(day):
            c.timed += 1
            far.append(self._unusual(c.day, day, c.timed))
        return self._outside(c, x), far

    def _distances(self, c: Channel, x: float, time: float) -> tuple[float, float, float]:
        """From the level, between the means, and from this part of the day: NaN where nobody knows it."""
        rate = 1 / c.rows
        level = abs(x - c.near)
        c.near += max(self._c.near, rate) * (x - c.near)
        c.fast += max(self._c.fast, rate) * (x - c.fast)
        shift = abs(c.fast - c.slow)
        c.slow += max(self._c.slow, rate) * (x - c.slow)
        if not self._c.bins or not math.isfinite(time):
            return level, shift, math.nan
        part = min(int(time % _DAY * self._c.bins / _DAY), self._c.bins - 1)
        day = abs(x - c.means[part]) if c.counts[part] else math.nan
        c.counts[part] += 1
        c.means[part] += max(self._c.forget, 1 / c.counts[part]) * (x - c.means[part])
        return level, shift, day

    def _unusual(self, tail: list[float], distance: float, seen: int) -> float:
        """By how many deviations the short mean of a distance is above what it usually is."""
        short, mean, variance = tail
        short += max(self._c.short, 1 / seen) * (distance - short)
        step = short - mean
        rate = max(1 / self._c.past, 1 / seen)
        tail[:] = short, mean + rate * step, variance + rate * (step * step * (1 - rate) - variance)
        return step / math.sqrt(variance) if variance > 0 and step > 0 else 0.0

    def _outside(self, c: Channel, x: float) -> float:
        """How far outside the range, in widths; the range then takes the value in and shrinks a little."""
        width = c.high - c.low
        outside = max(x - c.high, c.low - x, 0.0)
        c.high, c.low = max(c.high, x), min(c.low, x)
        leak = self._c.leak * max(1 / self._c.past, 1 / c.rows) * (c.high - c.low)
        c.high -= leak
        c.low += leak
        return outside / width if width > 0 else float(outside > 0)

    @property
    def longest(self) -> int:
        """Rows over which it looks back."""
        return self._c.past

    def past(self) -> NDArray[np.float64]:
        """Return the numbers of every channel to begin with, shape (channels, numbers)."""
        for channel in self.remembered:
            channel.rows, channel.timed = min(channel.rows, MOST_PAST), min(channel.timed, MOST_PAST)
        return np.stack([channel.numbers() for channel in self.remembered])

    def state(self) -> dict[str, Any]:
        """Return numbers of every channel, and the last blame."""
        return {"channels": [channel.state() for channel in self.remembered], **super().state()}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a `state()`."""
        super().resume(state)
        for channel, record in zip(self.remembered, state["channels"], strict=True):
            channel.set(record)


def fit(config: OwnPastConfig, values: Floats, time: NDArray[np.float64]) -> dict[str, Any]:
    """Learn nothing but the number of channels; the rest comes as it goes.

    Raises:
        InputError: settings that are not possible.
    """
    _checked(config)
    named = {name: getattr(config, name) for name in config.__struct_fields__}
    return {"channels": int(values.shape[1]), "config": named}


def remember(learnt: dict[str, Any], values: Floats, time: NDArray[np.float64]) -> dict[str, Any]:
    """Return what was learnt with these rows as its past, of the weight of `MOST_PAST` rows at most.

    A device whose level is another then follows its own stream soon. What float32 cannot square is a broken reading
    and counts as missing: it would hide all others for good.
    """
    running = OwnPast(learnt)
    values, time = values[-2 * running.longest :], time[-2 * running.longest :]
    known = (column[np.isfinite(column)] for column in values.T)
    middle = np.array([np.median(column) if len(column) else 0.0 for column in known])
    running.update(np.where(np.abs(values - middle) > _FAR, np.float32(np.nan), values), time)
    return {**learnt, "past": running.past()}


def _checked(config: OwnPastConfig) -> OwnPastConfig:
    """Refuse settings that are not possible.

    Raises:
        InputError: naming what they have to be.
    """
    rates = (config.near, config.fast, config.slow, config.forget, config.short)
    known = all(0 < r <= 1 for r in rates) and config.deviations > 0 and config.beyond > 0 and 0 <= config.leak <= 1
    if not known or not 0 <= config.bins <= 1440 or not 2 <= config.past <= 1 << 23:
        raise TooFewRowsError(
            "rates above 0 up to 1, limits above 0, a leak of 0 to 1, 0 to 1440 bins and a past of 2 to 8,388,608 rows",
            "others", "own_past",
        )  # fmt: skip
    return config


DETECTOR = DetectorKind(config=OwnPastConfig, fit=fit, start=OwnPast, remember=remember)

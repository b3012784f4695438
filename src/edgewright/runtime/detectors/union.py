"""A union for streams that nobody has seen before: out of a leaky range, a shifted mean, or odd for the time of day.

Each channel is looked at alone, by three measures, each divided by what still is usual; the largest is the score, so
that 1 is a common threshold for streams of any kind. Nothing is learnt beforehand and the memory is some 80 numbers a
channel. The settings are those that were chosen on the Numenta Anomaly Benchmark (benchmarks/anomalies).
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.runtime.detectors import DetectorConfig, DetectorKind
from edgewright.runtime.detectors._row import RowDetector
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError

_DAY = 86400.0  # s
# Rows until the usual residual of the time of day is a mean over a sliding past.
_SLOW_RESIDUAL = 1000


class UnionConfig(DetectorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the union.

    Attributes:
        leak: share of its width that the range loses on each side with every row.
        beyond: how far beyond the range, in its widths, is odd.
        fast, slow: weight of the newest row in the short and the long mean.
        shift: how many standard errors between the two means are odd.
        bins: parts of a day, each with a mean and a variance of its own; 0 leaves the time of day out.
        forget: weight of the newest row in the mean of a part of the day.
        calm: multiple of the usual residual that is added to a part's deviation: quiet hours are not touchy.
        residual: how many of these deviations are odd.
        warm_up: rows without a score at the beginning.
    """

    leak: float = 3e-5
    beyond: float = 0.03
    fast: float = 1 / 16
    slow: float = 1 / 4000
    shift: float = 11.0
    bins: int = 24
    forget: float = 0.2
    calm: float = 4.0
    residual: float = 10.0
    warm_up: int = 150


class _Channel:
    """What is remembered of one channel."""

    __slots__ = ("counts", "high", "low", "mean", "means", "rows", "short", "timed", "usual", "variance", "variances")

    def __init__(self, bins: int) -> None:
        self.low = self.high = self.short = self.mean = self.variance = self.usual = 0.0
        self.rows = self.timed = 0
        self.means, self.variances, self.counts = [0.0] * bins, [0.0] * bins, [0] * bins

    def state(self) -> list[Any]:
        values = (getattr(self, name) for name in self.__slots__)
        return [list(v) if isinstance(v, list) else v for v in values]

    def set(self, state: list[Any]) -> None:
        for name, value in zip(self.__slots__, state, strict=True):
            setattr(self, name, list(value) if isinstance(value, list) else value)


class _Union(RowDetector):
    """At work. A missing value leaves its channel as it was."""

    def __init__(self, learnt: dict[str, Any], state: dict[str, Any] | None = None) -> None:
        super().__init__(int(learnt["channels"]))
        self._c = _checked(msgspec.convert(learnt["config"], UnionConfig))
        self._all = [_Channel(self._c.bins) for _ in range(self.channels)]
        if state is not None:
            for channel, told in zip(self._all, state["channels"], strict=True):
                channel.set(told)
            self._parts = np.array(state["parts"], np.float64)

    def row(self, x: NDArray[np.float64], present: NDArray[np.bool_], time: float) -> float:
        """The largest score of all channels that have learnt enough; NaN when none has."""
        parts = np.zeros(self.channels)
        learning = True
        for index, channel in enumerate(self._all):
            if present[index]:
                score = self._one(channel, float(x[index]), time)
                if channel.rows > self._c.warm_up:
                    parts[index], learning = score, False
        self._parts = parts
        return math.nan if learning else float(parts.max())

    def _one(self, c: _Channel, x: float, time: float) -> float:
        """One value of one channel."""
        if not c.rows:
            c.low = c.high = c.short = c.mean = x
        c.rows += 1
        score = max(self._range(c, x), self._shift(c, x))
        return max(score, self._day(c, x, time)) if self._c.bins and math.isfinite(time) else score

    def _range(self, c: _Channel, x: float) -> float:
        """How far outside the range, in widths; the range then takes the value in and shrinks a little."""
        width = c.high - c.low
        outside = max(x - c.high, c.low - x, 0.0)
        c.high, c.low = max(c.high, x), min(c.low, x)
        leak = self._c.leak * (c.high - c.low)
        c.high -= leak
        c.low += leak
        return (outside / width if width > 0 else float(outside > 0)) / self._c.beyond

    def _shift(self, c: _Channel, x: float) -> float:
        """The short mean against the long one, in standard errors of a mean of so many rows."""
        fast, slow = max(self._c.fast, 1 / c.rows), max(self._c.slow, 1 / c.rows)
        c.short += fast * (x - c.short)
        score = abs(c.short - c.mean) / math.sqrt(c.variance * self._c.fast) if c.variance > 0 else 0.0
        step = x - c.mean
        c.mean += slow * step
        c.variance += slow * (step * step * (1 - slow) - c.variance)
        return score / self._c.shift

    def _day(self, c: _Channel, x: float, time: float) -> float:
        """The value against others of this part of the day."""
        part = min(int(time % _DAY * self._c.bins / _DAY), self._c.bins - 1)
        seen = c.counts[part]
        c.counts[part] = seen + 1
        if not seen:
            c.means[part] = x
            return 0.0
        step = x - c.means[part]
        unit = math.sqrt(c.variances[part]) + self._c.calm * c.usual
        rate = max(self._c.forget, 1 / (seen + 1))
        c.means[part] += rate * step
        c.variances[part] += rate * (step * step * (1 - rate) - c.variances[part])
        c.timed += 1
        c.usual += (abs(step) - c.usual) / min(c.timed, _SLOW_RESIDUAL)
        return abs(step) / unit / self._c.residual if unit > 0 else 0.0

    def state(self) -> dict[str, Any]:
        """Numbers of every channel, and the last blame."""
        return {"channels": [channel.state() for channel in self._all], "parts": self._parts.copy()}


def fit(config: UnionConfig, values: Floats, time: NDArray[np.float64]) -> dict[str, Any]:
    """Learns nothing but the number of channels; the rest comes as it goes.

    Raises:
        InputError: settings that are not possible.
    """
    _checked(config)
    named = {name: getattr(config, name) for name in config.__struct_fields__}
    return {"channels": int(values.shape[1]), "config": named}


def _checked(config: UnionConfig) -> UnionConfig:
    """Refuses settings that are not possible.

    Raises:
        InputError: naming what they have to be.
    """
    rates = (config.leak, config.fast, config.slow, config.forget)
    units = (config.beyond, config.shift, config.residual)
    if not all(0 < r <= 1 for r in rates) or not all(u > 0 for u in units) or not 0 <= config.bins <= 1440:
        raise InputError("rates above 0 up to 1, limits above 0, 0 to 1440 bins", "others", "union")
    return config


DETECTOR = DetectorKind(config=UnionConfig, fit=fit, start=_Union, resume=_Union)

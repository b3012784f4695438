"""Values that cannot be what the model was made for: beyond the sensor's range, or of another unit."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewright.monitor.sensor_health import Health
from edgewright.schema.data import Floats
from edgewright.schema.package import ReferenceColumn

_WINDOWS = 8  # in a row, before something is said
_FACTORS = {9.80665: "g and m/s2", 1000.0: "a unit and its thousandth", 180 / math.pi: "degrees and radians"}
_NEAR, _BEYOND = 1.25, 1.5


class RangeWatch:
    """Tells when a column begins and ends to have values that its sensor cannot give."""

    KEPT = ("_outside",)

    def __init__(self) -> None:
        self._outside: dict[str, int] = {}

    def look(self, outside: Sequence[tuple[str, ...]], times: Sequence[float]) -> list[Health]:
        """Columns outside, sample by sample, with the time of each."""
        found = []
        for columns, time in zip(outside, times, strict=True):
            for name in columns:
                if not self._outside.get(name):
                    text = f"range: {name} has values that its sensor cannot give"
                    found.append(Health(time=time, what="range", text=text, channel=name))
                self._outside[name] = _WINDOWS
            if not self._outside:
                continue
            for name in [name for name in self._outside if name not in columns]:
                self._outside[name] -= 1
                if not self._outside[name]:
                    del self._outside[name]
                    found.append(Health(time=time, what="well", text=f"well: {name} after range", channel=name))
        return found


class ScaleWatch:
    """Compares how large values are with how large they were in training.

    Args:
        reference: of the package; empty: nothing is compared.
    """

    KEPT = ("_row", "_told")

    def __init__(self, reference: Sequence[ReferenceColumn]) -> None:
        if not all(column.quantiles for column in reference):
            reference = ()
        self._names = [column.name for column in reference]
        self._size = np.array([math.hypot(column.mean, column.deviation) for column in reference])
        # What was (nearly) always zero in training has no size to compare with.
        self._compared = self._size > 1e-6
        self._row = np.zeros(len(reference), np.int64)
        self._told = np.zeros(len(reference), np.bool_)
        ends = [(column.quantiles[0], column.quantiles[-1]) for column in reference]
        self._most = np.array([max(abs(low), abs(high)) for low, high in ends])
        # A column that was near zero now and then has no least size: a sensor at rest is no other unit.
        self._least = np.array([min(abs(low), abs(high)) if low * high > 0 else 0.0 for low, high in ends])

    def look(self, samples: Floats, times: Sequence[float]) -> list[Health]:
        """Samples of shape (n, channels, samples), or (n, columns), with the time of each."""
        if not len(self._names) or samples.shape[1] != len(self._names):
            return []
        wide = samples.reshape(len(samples), len(self._names), -1).astype(np.float64)
        present = ~np.isnan(wide)
        count = np.maximum(present.sum(2), 1)
        size = np.sqrt((np.where(present, wide, 0.0) ** 2).sum(2) / count)
        # On the whole larger than anything was once in training, or smaller than it ever was.
        odd = self._compared & present.any(2) & ((size > _BEYOND * self._most) | (size * _BEYOND < self._least))
        if not odd.any() and not self._told.any():
            self._row[:] = 0
            return []
        found: list[Health] = []
        for place, time in enumerate(times):
            self._row = np.where(odd[place], self._row + 1, 0)
            begins = (self._row >= _WINDOWS) & ~self._told
            for channel in np.flatnonzero(begins).tolist():
                one = self._tell(channel, float(size[place, channel]), time)
                found.append(one)
            self._told |= begins
            for channel in np.flatnonzero(self._told & ~odd[place]).tolist():
                name = self._names[channel]
                found.append(Health(time=time, what="well", text=f"well: {name} after unit", channel=name))
            self._told &= odd[place]
        return found

    def _tell(self, channel: int, size: float, time: float) -> Health:
        name, ratio = self._names[channel], size / float(self._size[channel])
        guess = next(
            (words for factor, words in _FACTORS.items() if 1 / _NEAR < max(ratio, 1 / ratio) / factor < _NEAR), ""
        )
        text = f"unit: {name} is {ratio:.3g} times as large as in training" + (f": {guess}?" if guess else "")
        return Health(time=time, what="unit", text=text, channel=name, amount=ratio)

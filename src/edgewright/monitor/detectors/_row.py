"""What the detectors share: rows one by one, so that all at once can give nothing else; scales; sliding means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import SampleShapeError, TooFewRowsError
from edgewright.core.records.data import Floats

Array = NDArray[np.float64]
# A channel that never moved in training has no spread: a thousandth of its level (or of one) is taken as its unit.
_STILL = 1e-3


class RowDetector(ABC):
    """A detector that looks at one row after the other.

    A row without any value is 0, 'not odd', and leaves everything as it is; while learning the score is NaN. What a
    missing value among others means is said by each detector; none calls it odd.

    Args:
        channels: columns of a row.
        mean: rows of the sliding mean that it judges; 0 for none.
    """

    KEPT: ClassVar[tuple[str, ...]] = ("parts",)
    """What it remembers beside the sliding mean; the attribute of each name begins with an underscore."""

    def __init__(self, channels: int, mean: int = 0) -> None:
        self.channels = channels
        self._sliding = SlidingMean(mean, channels)
        self._parts: Array = np.zeros(channels)
        self._prepared: Array | None = None

    def update(self, values: Floats, time: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return scores of rows in order, as `Running.update` says.

        Raises:
            InputError: rows of another number of channels.
        """
        if values.ndim != 2 or values.shape[1] != self.channels:
            raise SampleShapeError(f"rows of {self.channels} channels", f"shape {values.shape}", "the detector")
        out = np.empty(len(values))
        wide = np.asarray(values, np.float64)
        present = np.isfinite(wide)
        some: NDArray[np.bool_] = np.asarray(present.any(1))
        prepared = iter(self.prepare(wide[some], present[some]) if len(wide) > 1 else ())
        for index in range(len(wide)):
            if some[index]:
                self._prepared = next(prepared, None)
                out[index] = self.row(wide[index], present[index], float(time[index]))
            else:
                self._parts = np.zeros(self.channels)
                out[index] = 0.0
        self._prepared = None
        return out

    def prepare(self, wide: Array, present: NDArray[np.bool_]) -> Iterable[Array]:
        """Work out for many rows at once what does not depend on the score of the row before; nothing by default.

        Args:
            wide: rows with a value, shape (rows, channels).
            present: whether each value was measured, same shape.

        Returns:
            For each row what `row` then finds in `_prepared`, equal to what it would work out by itself.
        """
        return ()

    def blame(self) -> NDArray[np.float64]:
        """Each channel's share of the last score, shape (channels,); adds up to 1, or to 0 where nothing is odd."""
        parts = np.where(np.isfinite(self._parts), self._parts, 0.0)
        total = float(parts.sum())
        return parts / total if total > 0 else np.zeros(self.channels)

    @abstractmethod
    def row(self, x: Array, present: NDArray[np.bool_], time: float) -> float:
        """Return the score of one row; sets `_parts`, what each channel adds to it, not negative.

        Args:
            x: shape (channels,), NaN where missing.
            present: shape (channels,), where it is not; at least one.
            time: seconds.
        """

    def state(self) -> dict[str, Any]:
        """Return all it remembers, as arrays and JSON."""
        kept = {name: getattr(self, f"_{name}") for name in self.KEPT}
        copied = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in kept.items()}
        return {**self._sliding.state(), **copied}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a `state()` as if it had never stopped."""
        self._sliding.resume(state)
        for name in self.KEPT:
            value = state[name]
            setattr(self, f"_{name}", value if isinstance(value, int) else np.array(value, np.float64))


class SlidingMean:
    """The mean of the last rows, fewer at the beginning.

    Args:
        rows: how many.
        channels: columns.
    """

    def __init__(self, rows: int, channels: int) -> None:
        self.ring = np.zeros((rows, channels))
        self.seen = 0

    def push(self, x: Array) -> Array:
        """Take a row and give the mean, both of shape (channels,)."""
        rows = len(self.ring)
        if rows == 1:
            return x
        self.ring[self.seen % rows] = x
        self.seen += 1
        # Added up again: a running sum would drift apart over months.
        return np.asarray(self.ring[: min(self.seen, rows)].mean(0))

    @property
    def full(self) -> float:
        """How much of the ring is filled, up to 1: a mean of fewer rows varies more."""
        rows = len(self.ring)
        return 1.0 if rows == 1 else min(self.seen, rows) / rows

    def state(self) -> dict[str, Any]:
        """Return what it remembers; nothing without rows."""
        return {"ring": self.ring.copy(), "ring_seen": self.seen} if len(self.ring) else {}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a `state()`."""
        if len(self.ring):
            self.ring = np.array(state["ring"], np.float64)
            self.seen = int(state["ring_seen"])


def scales(values: Floats) -> tuple[Array, Array]:
    """Return mean and deviation of each channel, NaN left out; 0 and 1 for a channel without a value.

    Args:
        values: shape (rows, channels).
    """
    wide = np.asarray(values, np.float64)
    present = np.isfinite(wide)
    count = np.maximum(present.sum(0), 1)
    mean = np.where(present, wide, 0.0).sum(0) / count
    deviation = np.sqrt((np.where(present, wide - mean, 0.0) ** 2).sum(0) / count)
    return mean, spread(deviation, mean)


def spread(deviation: Array, level: Array) -> Array:
    """Return a deviation to divide by: what never moved gets a thousandth of its level, or of one."""
    minimum = _STILL * np.maximum(np.abs(level), 1.0)
    return np.where(deviation > 1e-6 * minimum, deviation, minimum)


def filled(values: Floats, mean: Array, deviation: Array) -> Array:
    """Return rows in units of the deviation, 0 (as usual) where a value is missing; shape (rows, channels)."""
    wide = np.asarray(values, np.float64)
    return np.where(np.isfinite(wide), (wide - mean) / deviation, 0.0)


def enough(values: Floats, minimum: int, unit: str) -> None:
    """Refuse to learn from too little.

    Raises:
        InputError: fewer rows with a value than `minimum`.
    """
    rows = int(np.isfinite(values).any(1).sum()) if values.ndim == 2 else 0
    if rows < minimum:
        raise TooFewRowsError(
            f"at least {minimum} rows to fit {unit} on", str(rows), do="Give more rows, or another detector"
        )

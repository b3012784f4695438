"""Anomalies put into rows that have no labels, so that detectors can be compared by what they find of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.data import Floats
from edgewright.workflows.detection.rows import Stretch

_Rng = np.random.Generator
# The shortest and the longest event, and from one to the next, rows.
SHORT, LONG, APART = 10, 60, 300


def _spike(x: Floats, unit: float, rng: _Rng) -> Floats:
    out = x.copy()
    out[:2] += np.float32(rng.choice([-1, 1]) * rng.uniform(6, 12) * unit)
    return out


def _shift(x: Floats, unit: float, rng: _Rng) -> Floats:
    return np.asarray(x + np.float32(rng.choice([-1, 1]) * rng.uniform(2, 5) * unit), np.float32)


def _drift(x: Floats, unit: float, rng: _Rng) -> Floats:
    ramp = np.linspace(0, rng.choice([-1, 1]) * rng.uniform(3, 8) * unit, len(x))
    return np.asarray(x + ramp, np.float32)


def _noise(x: Floats, unit: float, rng: _Rng) -> Floats:
    return np.asarray(x + rng.normal(0, rng.uniform(2, 4) * unit, len(x)), np.float32)


def _stuck(x: Floats, unit: float, rng: _Rng) -> Floats:
    return np.full_like(x, x[0])


def _reversed(x: Floats, unit: float, rng: _Rng) -> Floats:
    """The same values backwards: each is possible, their order is not."""
    return x[::-1].copy()


KINDS: dict[str, Callable[[Floats, float, _Rng], Floats]] = {
    "spike": _spike, "shift": _shift, "drift": _drift, "noise": _noise, "stuck": _stuck, "reversed": _reversed,
}  # fmt: skip
"""How an anomaly changes a stretch of one channel: (values, the channel's deviation, generator) -> values."""


def inject(stretch: Stretch, seed: int) -> Stretch:
    """Puts events into a stretch, the kinds in turn, each into one or two channels, one in every `APART` rows.

    Args:
        stretch: taken as normal.
        seed: of places, channels and sizes.

    Returns:
        The changed rows, with the events as labels.
    """
    rng = np.random.default_rng(seed)
    values = stretch.values.copy()
    odd = np.zeros(len(values), np.bool_)
    unit = _units(values)
    moving = np.flatnonzero(unit > 0)
    kinds = rng.permutation(sorted(KINDS)).tolist()
    for turn, begin in enumerate(range(0, len(values) - LONG + 1, APART)):
        name = kinds[turn % len(kinds)]
        length = 2 if name == "spike" else int(rng.integers(SHORT, LONG))
        # In the middle of its rows, so that what follows one event does not count for the next.
        start = begin + int(rng.integers(APART // 3, APART // 2))
        end = min(start + length, len(values))
        if end - start < 2 or not len(moving):
            continue
        for channel in rng.choice(moving, min(len(moving), int(rng.integers(1, 3))), replace=False):
            values[start:end, channel] = KINDS[name](values[start:end, channel], float(unit[channel]), rng)
        odd[start:end] = True
    return replace(stretch, values=values, odd=odd)


def _units(values: Floats) -> NDArray[np.float64]:
    """Deviation of every channel by its middle 68 %, which a few odd rows do not move; 0 for one that stands still."""
    unit = np.zeros(values.shape[1])
    for channel in range(values.shape[1]):
        column = values[np.isfinite(values[:, channel]), channel]
        if len(column):
            low, high = np.quantile(column, [0.16, 0.84])
            unit[channel] = (high - low) / 2 or float(column.std())
    return unit

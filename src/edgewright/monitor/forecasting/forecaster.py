"""A forecaster at work: a value goes in at a time, forecasts with intervals come out; the C code does the same."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.errors import InputError
from edgewright.schema.forecast import LinearModel

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
# A value so many spreads away is none: float32 could not add it up.
FAR = 1e30


@dataclass(frozen=True)
class Forecast:
    """What comes next: shape (horizon,) each, in the units of the column.

    Attributes:
        middle: the forecast.
        low, high: shape (levels, horizon).
        stale: rows without a value since the last one that had one; forecasts then stand in for them.
    """

    middle: Floats
    low: Floats
    high: Floats
    stale: int


class Forecaster:
    """Remembers `model.reach` float32 numbers; a row costs one multiplication a lag where it is missing, else none.

    A value that is missing (NaN, infinite, beyond `FAR`, or not positive under a logarithm) is taken to be what was
    foretold for it, so that the seasons keep their place; `stale` counts such rows in a row.

    Args:
        model: the recursion.
        state: shape (reach + 1,), float32: the last z's, oldest first, and the last u (`start_state`).
        widths: shape (levels, horizon), float32: half of each interval, in units of u.
    """

    def __init__(self, model: LinearModel, state: Singles, widths: Singles) -> None:
        self.model = model
        self.reach = model.reach
        if state.shape != (self.reach + 1,) or widths.ndim != 2:
            raise InputError(f"a state of {self.reach + 1} numbers", f"{state.shape}", "forecaster")
        self._ring = np.array(state[:-1], np.float32)
        self._level = np.float32(state[-1])
        self._next = 0
        self._widths = np.asarray(widths, np.float32)
        self._parts = [
            (np.float32(part.share), part.lags, np.array(part.weights, np.float32), np.float32(part.bias))
            for part in model.parts
        ]
        self._low, self._high = np.float32(model.low), np.float32(model.high)
        self.stale = 0

    def push(self, value: float) -> None:
        """The next row."""
        model = self.model
        usable = math.isfinite(value) and (model.scale == "level" or value > 0.0)
        wide = scaled_value(model, value) if usable else math.nan
        usable = abs(wide) <= FAR
        u = np.float32(wide) if usable else self._path(1)[0]
        self.stale = 0 if usable else self.stale + 1
        if self.reach:
            self._ring[self._next] = u - self._level if model.difference else u
            self._next = (self._next + 1) % self.reach
        self._level = u

    def forecast(self, horizon: int) -> Forecast:
        """The next rows.

        Raises:
            InputError: more rows than the intervals were made for.
        """
        most = self._widths.shape[1]
        if not 1 <= horizon <= most:
            raise InputError(f"a horizon from 1 to {most}", str(horizon), "forecaster", "Fit one with --horizon")
        path = self._path(horizon)
        halves = self._widths[:, :horizon]
        ends = (path[None, :] - halves, path[None, :] + halves)
        return Forecast(
            self._values(path), self._values(ends[0]), self._values(ends[1]), self.stale
        )  # fmt: skip

    def state(self) -> Singles:
        """As the constructor takes it."""
        return np.concatenate([np.roll(self._ring, -self._next), [self._level]]).astype(np.float32)

    def _path(self, horizon: int) -> Singles:
        """The next u's: those of each recursion, mixed in the order of the parts as C does."""
        mixed = np.zeros(horizon, np.float32)
        known = np.roll(self._ring, -self._next)
        for share, lags, weights, bias in self._parts:
            path = np.concatenate([known, np.empty(horizon, np.float32)])
            terms = np.full(len(lags) + 1, bias, np.float32)
            where = self.reach - np.array(lags, np.int64)
            level = self._level
            for h in range(horizon):
                np.multiply(weights, path[where + h], out=terms[1:])
                # accumulate adds from left to right, as C does; a sum of NumPy goes in pairs.
                z = np.add.accumulate(terms)[-1]
                u = np.float32(level + z) if self.model.difference else z
                u = min(max(u, self._low), self._high)
                path[self.reach + h] = u - level if self.model.difference else u
                mixed[h] += share * u
                level = u
        return mixed

    def _values(self, u: Singles) -> Floats:
        model = self.model
        level = np.asarray(u, np.float64) * model.spread + model.centre
        # A logarithm whose interval is wider than a number can say ends at the largest one.
        return np.exp(np.minimum(level, 700.0)) if model.scale == "log" else level


def scaled_value(model: LinearModel, value: float) -> float:
    """One usable value as u, in float64."""
    return ((math.log(value) if model.scale == "log" else value) - model.centre) / model.spread


def start_state(model: LinearModel, values: Floats) -> Singles:
    """The state after these rows, of which the last `max(lags) + difference` are needed.

    Raises:
        InputError: too few of them.
    """
    reach, difference = model.reach, model.difference
    if len(values) < max(1, reach + difference):
        raise InputError(f"at least {reach + difference} rows", str(len(values)), "forecaster")
    u = np.array([scaled_value(model, float(v)) for v in values[-(reach + difference) or -1 :]], np.float32)
    z = np.diff(u) if difference else u
    return np.concatenate([z[len(z) - reach :], u[-1:]]).astype(np.float32)

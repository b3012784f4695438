"""The file of a forecaster: a sealed archive of JSON and arrays that proves itself when it is read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.core.archive import pack_parts, read_file, unpack_arrays, unpack_parts
from edgewright.core.files import write_atomic
from edgewright.schema.errors import InputError
from edgewright.schema.forecast import FORECASTER_VERSION, ForecasterSpec, LinearModel

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
    forecast for it, so that the seasons keep their place; `stale` counts such rows in a row.

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
        """Take the next row."""
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
        """Return the next rows.

        Raises:
            InputError: more rows than the intervals were made for.
        """
        maximum = self._widths.shape[1]
        if not 1 <= horizon <= maximum:
            raise InputError(f"a horizon from 1 to {maximum}", str(horizon), "forecaster", "Fit one with --horizon")
        path = self._path(horizon)
        halves = self._widths[:, :horizon]
        ends = (path[None, :] - halves, path[None, :] + halves)
        return Forecast(
            self._values(path), self._values(ends[0]), self._values(ends[1]), self.stale
        )  # fmt: skip

    def state(self) -> Singles:
        """Return the state as the constructor takes it."""
        return np.concatenate([np.roll(self._ring, -self._next), [self._level]]).astype(np.float32)

    def _path(self, horizon: int) -> Singles:
        """Return the next u's: those of each recursion, mixed in the order of the parts as C does."""
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
    """Return the state after these rows, of which the last `max(lags) + difference` are needed.

    Raises:
        InputError: too few of them.
    """
    reach, difference = model.reach, model.difference
    if len(values) < max(1, reach + difference):
        raise InputError(f"at least {reach + difference} rows", str(len(values)), "forecaster")
    u = np.array([scaled_value(model, float(v)) for v in values[-(reach + difference) or -1 :]], np.float32)
    z = np.diff(u) if difference else u
    return np.concatenate([z[len(z) - reach :], u[-1:]]).astype(np.float32)


SPEC = "forecaster.json"
_ARRAYS = ("state", "widths", "test_rows", "test_forecast")
_DAMAGED = "Create it again with: edgewright forecast DATA --out FILE"
_MOST_LAG, _MOST_LAGS, _MOST_HORIZON, _MOST_PARTS = 1 << 20, 4096, 1 << 16, 16
# Of the forecast of the test, relative to its largest number: exp and log differ in their last bits between machines.
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class ForecasterFile:
    """What was read and checked.

    Attributes:
        spec: as `forecaster.json` says it.
        state: float32, as `Forecaster` takes it.
        widths: shape (levels, horizon), float32, in scaled units.
        test_rows: shape (n,), float64, pushed from the state.
        test_forecast: shape (horizon,), float64: what must come out then.
    """

    spec: ForecasterSpec
    state: Singles
    widths: Singles
    test_rows: Floats
    test_forecast: Floats

    def start(self) -> Forecaster:
        """At work, after the last row of the data it was fitted on."""
        return Forecaster(self.spec.model, self.state, self.widths)


def with_test(spec: ForecasterSpec, state: Singles, widths: Singles, rows: Floats) -> ForecasterFile:
    """Return a forecaster with its test vectors: these rows pushed, one of them missing, then the whole horizon."""
    given = np.array(rows, np.float64)
    given[len(given) // 2 : len(given) // 2 + 1] = np.nan
    forecaster = Forecaster(spec.model, state, widths)
    for value in given:
        forecaster.push(float(value))
    return ForecasterFile(spec, state, widths, given, forecaster.forecast(spec.horizon).middle)


def forecaster_bytes(forecaster: ForecasterFile) -> bytes:
    """Return the bytes of its file; the same forecaster gives the same bytes."""
    return pack_parts(SPEC, forecaster.spec, {name: getattr(forecaster, name) for name in _ARRAYS})


def write_forecaster(path: Path, forecaster: ForecasterFile) -> int:
    """Write the file and give its length in bytes.

    Raises:
        OutputError: it cannot be written.
    """
    return write_atomic(path, forecaster_bytes(forecaster))


def read_forecaster(path: Path) -> ForecasterFile:
    """Read a file, check it and run its test.

    Raises:
        InputError: missing, damaged, altered, of a newer format, or it does not answer as it did where it was made.
    """
    return parse_forecaster(read_file(path, "a forecaster's file", absent=_DAMAGED), str(path))


def is_forecaster(data: bytes) -> bool:
    """Return whether bytes are meant to be a forecaster's file."""
    return data.startswith(b"PK") and SPEC.encode() in data


def parse_forecaster(data: bytes, where: str) -> ForecasterFile:
    """Read a forecaster from bytes; `where` names them in messages."""
    if data[:64].lstrip().startswith(b"{"):
        raise InputError("a forecaster's file", "JSON, as a pool is", where,
                         "A pool makes one for a series: edgewright forecast DATA --pooled POOL")  # fmt: skip
    spec, files = unpack_parts(data, where, SPEC, ForecasterSpec, FORECASTER_VERSION, "forecaster", _DAMAGED)
    _check_model(spec.model, where)
    levels = list(spec.levels)
    if not 1 <= spec.horizon <= _MOST_HORIZON or levels != sorted(set(levels)) or len(levels) > 16:
        raise InputError("a horizon, and levels in order", f"{spec.horizon}, {levels}", where)
    arrays = unpack_arrays(files, _ARRAYS, where, _DAMAGED)
    shapes = {
        "state": (spec.model.reach + 1,), "widths": (len(spec.levels), spec.horizon),
        "test_forecast": (spec.horizon,),
    }  # fmt: skip
    for name, array in arrays.items():
        if array.dtype.kind != "f" or array.shape != shapes.get(name, array.shape):
            raise InputError(f"floats of shape {shapes.get(name)}", f"{array.dtype} {array.shape}", f"{where}, {name}")
    if arrays["test_rows"].ndim != 1 or not all(np.isfinite(arrays[n]).all() for n in shapes):
        raise InputError("finite numbers", "others", where, _DAMAGED)
    forecaster = ForecasterFile(
        spec, arrays["state"].astype(np.float32), arrays["widths"].astype(np.float32), arrays["test_rows"],
        arrays["test_forecast"],
    )  # fmt: skip
    _prove(forecaster, where)
    return forecaster


def _prove(forecaster: ForecasterFile, where: str) -> None:
    running = forecaster.start()
    for value in forecaster.test_rows:
        running.push(float(value))
    forecast = running.forecast(forecaster.spec.horizon).middle
    # What the numbers are relative to: a constant series lies at its centre.
    unit = float(np.abs(forecaster.test_forecast).max()) + abs(forecaster.spec.model.spread)
    if not np.abs(forecast - forecaster.test_forecast).max() <= _TOLERANCE * unit:
        raise InputError("the forecasts of its own test", "others", where, _DAMAGED)


def _check_model(model: LinearModel, where: str) -> None:
    numbers = [model.centre, model.spread, model.low, model.high]
    for part in model.parts:
        lags = list(part.lags)
        numbers += [part.share, part.bias, *part.weights]
        counted = len(lags) == len(part.weights) <= _MOST_LAGS and all(0 < lag <= _MOST_LAG for lag in lags)
        if not counted or lags != sorted(set(lags)):
            raise InputError("lags in order, one weight each", "others", f"{where}, {SPEC}", _DAMAGED)
    mixed = len(model.others) > _MOST_PARTS or (model.others and model.difference)
    if mixed or not all(map(math.isfinite, numbers)) or model.spread <= 0:
        raise InputError("a recursion of finite weights", "another", f"{where}, {SPEC}", _DAMAGED)

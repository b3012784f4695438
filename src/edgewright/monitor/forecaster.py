"""The file of a forecaster: a sealed archive of JSON and arrays that proves itself when it is read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.core.archive import pack_parts, read_file, unpack_arrays, unpack_parts
from edgewright.core.errors import ForecasterError, SeriesError, TooFewRowsError
from edgewright.core.files import write_atomic
from edgewright.monitor.records import FORECASTER_VERSION, ForecasterSpec, LinearModel

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


# Of adaptive intervals, chosen on half of the training parts of M4 (docs/forecasting.md): the step of a scale one row
# ahead, the bounds of a scale, and the smallest width it multiplies, in units of u.
STEP, LOWEST, HIGHEST, NARROWEST = 0.4, 2.0**-12, 2.0**20, 1e-4
# Numbers that forecasting from several rows at once may take.
_BATCH = 1 << 21


def anchors(horizon: int) -> NDArray[np.int64]:
    """Return the steps ahead whose intervals learn from what came: 1, 2, 4 and so on, and the last."""
    return np.array([*(1 << k for k in range((horizon - 1).bit_length())), horizon], np.int64)


def paces(levels: Sequence[float], horizon: int) -> Singles:
    """Return what a scale is multiplied by, shape (2, anchors, levels): after a value within, and after one beyond.

    Where the share beyond is that of the level, a scale stays the same; the longer an answer takes, the smaller a step.
    """
    beyond = 1 - np.array(levels, np.float64) / 100
    steps = STEP / np.sqrt(anchors(horizon))[:, None]
    return np.exp(np.stack([-steps * beyond, steps * (1 - beyond)])).astype(np.float32)


class Forecaster:
    """Remembers `model.reach` float32 numbers, and about three horizons of forecasts that wait for their values.

    A value that is missing (NaN, infinite, beyond `FAR`, or not positive under a logarithm) is taken to be what was
    forecast for it, so that the seasons keep their place; `stale` counts such rows in a row.

    Intervals adapt: each forecast of an anchor is compared with the value that came, and the scale of its interval
    grows after a value beyond it and shrinks after one within (adaptive conformal inference, Gibbs and Candes 2021, on
    the logarithm of the width). Steps between two anchors have a scale in between.

    Args:
        model: the recursion.
        state: shape (reach + 1,), float32: the last z's, oldest first, and the last u (`start_state`).
        widths: shape (levels, horizon), float32: half of each interval at the start, in units of u.
        levels: of the intervals, in per cent.
    """

    def __init__(self, model: LinearModel, state: Singles, widths: Singles, levels: Sequence[float]) -> None:
        self.model = model
        self.reach = model.reach
        if state.shape != (self.reach + 1,) or widths.shape[:-1] != (len(levels),):
            raise SeriesError(f"a state of {self.reach + 1} numbers", f"{state.shape}", "forecaster")
        self._known, self._level = np.array(state[:-1], np.float32), np.float32(state[-1])
        self._widths = np.maximum(np.asarray(widths, np.float32), np.float32(NARROWEST))
        parts, longest = model.parts, max(len(part.lags) for part in model.parts)
        # A lag too few has the weight 0, so that all recursions go on in one step.
        self._weights = np.zeros((len(parts), longest + 1), np.float32)
        self._where = np.zeros((len(parts), longest), np.int64)
        for row, part in enumerate(parts):
            self._weights[row, : len(part.lags) + 1] = [part.bias, *part.weights]
            self._where[row, : len(part.lags)] = self.reach - np.array(part.lags, np.int64)
        self._shares = np.array([part.share for part in parts], np.float32)
        self._anchors, self._paces = anchors(widths.shape[1]), paces(levels, widths.shape[1])
        self._scales = np.ones(self._paces.shape[1:], np.float32)
        self._waiting = np.zeros((widths.shape[1], len(self._anchors), 1 + len(levels)), np.float32)
        self._rows, self._batch = 0, max(1, _BATCH // (len(parts) * (self.reach + widths.shape[1])))
        self._new: list[tuple[np.float32, np.float32, bool]] = []
        self._path = self._paths(self._known[None], np.array([self._level]), widths.shape[1])[0]
        self._wait(self._path)
        self.stale = 0

    def push(self, value: float) -> None:
        """Take the next row."""
        model = self.model
        usable = math.isfinite(value) and (model.scale == "level" or value > 0.0)
        wide = scaled_value(model, value) if usable else math.nan
        usable = abs(wide) <= FAR
        u = np.float32(wide) if usable else self._next()
        self.stale = 0 if usable else self.stale + 1
        self._new.append((u - self._level if model.difference else u, u, usable))
        self._level = u
        if len(self._new) == self._batch:
            self._catch_up()

    def forecast(self, horizon: int) -> Forecast:
        """Return the next rows.

        Raises:
            InputError: more rows than the intervals were made for.
        """
        maximum = self._widths.shape[1]
        if not 1 <= horizon <= maximum:
            raise ForecasterError(
                f"a horizon from 1 to {maximum}", str(horizon), "forecaster", "Fit one with --horizon"
            )
        self._catch_up()
        path, halves = self._path[:horizon], self._halves()[:, :horizon]
        ends = (path[None, :] - halves, path[None, :] + halves)
        return Forecast(self._values(path), self._values(ends[0]), self._values(ends[1]), self.stale)

    def state(self) -> Singles:
        """Return the state as the constructor takes it."""
        self._catch_up()
        return np.concatenate([self._known, [self._level]]).astype(np.float32)

    def _next(self) -> np.float32:
        """Return the forecast of the next row alone: a gap of many rows needs no more."""
        if not self._new:
            return np.float32(self._path[0])
        # Of the new rows no more than the lags reach: a long gap costs each of its rows the same.
        new = [row[0] for row in self._new[-max(self.reach, 1) :]]
        z = np.concatenate([self._known, np.array(new, np.float32)])
        return np.float32(self._paths(z[len(z) - self.reach :][None], np.array([self._level]), 1)[0, 0])

    def _catch_up(self) -> None:
        """Forecast from each new row, and adapt the intervals."""
        if not self._new:
            return
        z = np.concatenate([self._known, np.array([row[0] for row in self._new], np.float32)])
        count = len(self._new)
        known = np.lib.stride_tricks.sliding_window_view(z, self.reach)[1:] if self.reach else z[:, None][:, :0]
        paths = self._paths(known, np.array([row[1] for row in self._new], np.float32), self._widths.shape[1])
        for (_, u, usable), path in zip(self._new, paths, strict=True):
            self._rows += 1
            if usable:
                self._adapt(u)
            self._wait(path)
        self._known, self._path = z[count:], paths[-1]
        self._new.clear()

    def _adapt(self, u: np.float32) -> None:
        """Change the scales by the forecasts that this row ends."""
        issued = self._waiting[self._rows % self._anchors, np.arange(len(self._anchors))]
        beyond = np.abs(u - issued[:, :1]) > issued[:, 1:]
        scales = self._scales * np.where(beyond, self._paces[1], self._paces[0])
        scales = np.clip(scales, np.float32(LOWEST), np.float32(HIGHEST))
        self._scales = np.where((self._rows >= self._anchors)[:, None], scales, self._scales)

    def _wait(self, path: Singles) -> None:
        """Keep the forecast and the intervals of each anchor until the row comes."""
        last = self._anchors - 1
        slots = self._waiting[self._rows % self._anchors, np.arange(len(last))]
        slots[:, 0], slots[:, 1:] = path[last], self._wider(self._scales.T * self._widths[:, last]).T
        self._waiting[self._rows % self._anchors, np.arange(len(last))] = slots

    def _halves(self) -> Singles:
        """Return half of each interval, shape (levels, horizon)."""
        ahead = np.arange(1, self._widths.shape[1] + 1)
        after = np.searchsorted(self._anchors, ahead)
        before = np.maximum(after - 1, 0)
        low, high = self._anchors[before], self._anchors[after]
        share = ((ahead - low).astype(np.float32) / np.maximum(high - low, 1).astype(np.float32))[:, None]
        between = self._scales[before] + (self._scales[after] - self._scales[before]) * share
        return self._wider(np.where((ahead == high)[:, None], self._scales[after], between).T * self._widths)

    def _wider(self, halves: Singles) -> Singles:
        """Return halves, shape (levels, any), none of which is below that of a lower level."""
        return np.maximum.accumulate(halves, axis=0) if len(halves) else halves

    def _paths(self, known: Singles, level: Singles, horizon: int) -> Singles:
        """Return the next u's after each row, shape (rows, horizon): those of each recursion, mixed as C does.

        Args:
            known: shape (rows, reach).
            level: shape (rows,): the last u.
            horizon: rows ahead.
        """
        model = self.model
        path = np.empty((len(known), len(self._shares), self.reach + horizon), np.float32)
        path[:, :, : self.reach] = known[:, None]
        terms = np.empty((len(known), *self._weights.shape), np.float32)
        terms[:, :, 0] = self._weights[:, 0]
        levels, level = np.empty((len(known), len(self._shares), horizon), np.float32), level[:, None]
        part = np.arange(len(self._shares))[:, None]
        low, high = np.float32(model.low), np.float32(model.high)
        for h in range(horizon):
            np.multiply(self._weights[:, 1:], path[:, part, self._where + h], out=terms[:, :, 1:])
            # accumulate adds from left to right, as C does; a sum of NumPy goes in pairs.
            z = np.add.accumulate(terms, axis=2)[:, :, -1]
            u = np.minimum(np.maximum(level + z if model.difference else z, low), high)
            path[:, :, self.reach + h] = u - level if model.difference else u
            levels[:, :, h] = level = u
        return np.add.accumulate(self._shares[:, None] * levels, axis=1)[:, -1]

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
        raise TooFewRowsError(f"at least {reach + difference} rows", str(len(values)), "forecaster")
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
        return Forecaster(self.spec.model, self.state, self.widths, self.spec.levels)


def with_test(spec: ForecasterSpec, state: Singles, widths: Singles, rows: Floats) -> ForecasterFile:
    """Return a forecaster with its test vectors: these rows pushed, one of them missing, then the whole horizon."""
    given = np.array(rows, np.float64)
    given[len(given) // 2 : len(given) // 2 + 1] = np.nan
    forecaster = Forecaster(spec.model, state, widths, spec.levels)
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
        raise ForecasterError("a forecaster's file", "JSON, as a pool is", where,
                         "A pool makes one for a series: edgewright forecast DATA --pooled POOL")  # fmt: skip
    spec, files = unpack_parts(data, where, SPEC, ForecasterSpec, FORECASTER_VERSION, "forecaster", _DAMAGED)
    _check_model(spec.model, where)
    levels = list(spec.levels)
    if not 1 <= spec.horizon <= _MOST_HORIZON or levels != sorted(set(levels)) or len(levels) > 16:
        raise ForecasterError("a horizon, and levels in order", f"{spec.horizon}, {levels}", where)
    arrays = unpack_arrays(files, _ARRAYS, where, _DAMAGED)
    shapes = {
        "state": (spec.model.reach + 1,), "widths": (len(spec.levels), spec.horizon),
        "test_forecast": (spec.horizon,),
    }  # fmt: skip
    for name, array in arrays.items():
        if array.dtype.kind != "f" or array.shape != shapes.get(name, array.shape):
            raise ForecasterError(
                f"floats of shape {shapes.get(name)}", f"{array.dtype} {array.shape}", f"{where}, {name}"
            )
    if arrays["test_rows"].ndim != 1 or not all(np.isfinite(arrays[n]).all() for n in shapes):
        raise SeriesError("finite numbers", "others", where, _DAMAGED)
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
        raise ForecasterError("the forecasts of its own test", "others", where, _DAMAGED)


def _check_model(model: LinearModel, where: str) -> None:
    numbers = [model.centre, model.spread, model.low, model.high]
    for part in model.parts:
        lags = list(part.lags)
        numbers += [part.share, part.bias, *part.weights]
        counted = len(lags) == len(part.weights) <= _MOST_LAGS and all(0 < lag <= _MOST_LAG for lag in lags)
        if not counted or lags != sorted(set(lags)):
            raise ForecasterError("lags in order, one weight each", "others", f"{where}, {SPEC}", _DAMAGED)
    mixed = len(model.others) > _MOST_PARTS or (model.others and model.difference)
    if mixed or not all(map(math.isfinite, numbers)) or model.spread <= 0:
        raise ForecasterError("a recursion of finite weights", "another", f"{where}, {SPEC}", _DAMAGED)

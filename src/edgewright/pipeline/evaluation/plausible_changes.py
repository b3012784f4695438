"""Plausible changes of test samples: the errors that sensors of each kind have in use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.data import sensor_kinds as kinds
from edgewright.data.samples import cut
from edgewright.schema.config import WindowConfig
from edgewright.schema.data import Column, DataSet, Floats, Recording, Samples
from edgewright.schema.errors import InputError

_GAIN, _RATE = 0.05, 0.02
# Sensors whose amplifiers or scales drift.
_SCALED = (kinds.ACCELERATION, kinds.ROTATION, kinds.SIGNAL)
# A degree, and 2 hPa, in the units of a column.
_DEGREE = {"°F": 1.8, "F": 1.8}
_PRESSURE = {"Pa": 200.0, "kPa": 0.2}
# Without a unit, values of air pressure at usual heights say it.
_USUAL_HPA = (800.0, 1100.0)
# One missing sensor in so many at most is measured: each costs a pass over the test samples.
_MOST_SENSORS = 24


def plausible_changes(
    dataset: DataSet, samples: Samples, window: WindowConfig | None, groups: frozenset[str], rows: NDArray[np.int64]
) -> Iterator[tuple[str, Floats, object]]:
    """Give copies of the test samples as sensors with a plausible error would have given them.

    Args:
        dataset: the recordings.
        samples: cut from them.
        window: how they were cut, None for rows.
        groups: names of the test groups; empty when the split was not by group.
        rows: indices of the test samples.

    Yields:
        (what was done, changed samples, their targets): gains 5 % up and down and swapped axes of motion, gains of
        signals, offsets of a degree or 2 hPa, each sensor of several missing, and for windows split by group the
        sampling rate 2 % up and down, where windows still fit. Times, counts and one-hot columns never change.
    """
    X, y = samples.X[rows], samples.y[rows]
    if X.ndim == 4:
        for sign in (1, -1):
            yield f"brightness {100 * sign * _GAIN:+.0f} %", np.asarray(X * (1 + sign * _GAIN), np.float32), y
        return
    for name, numbers, factor, offset in _errors(samples.columns, X):
        changed = np.array(X, np.float32)
        changed[:, numbers] = changed[:, numbers] * np.float32(1 + factor) + _across(offset, X.ndim)
        yield name, changed, y
    pairs = kinds.axis_pairs(samples.columns)
    if pairs:
        order = np.arange(X.shape[1])
        for first, second in pairs:
            order[[first, second]] = second, first
        yield "axes x and y swapped", np.ascontiguousarray(X[:, order]), y
    sensors = kinds.sensors_of(samples.columns)
    for name, numbers in sensors.items() if 1 < len(sensors) <= _MOST_SENSORS else ():
        changed = np.array(X, np.float32)
        changed[:, numbers] = np.nan
        yield f"{name} missing", changed, y
    if window is not None and groups and samples.groups is not None:
        yield from _rates(dataset, window, groups)


def _errors(columns: tuple[Column, ...], X: Floats) -> Iterator[tuple[str, list[int], float, NDArray[np.float32]]]:
    """Give the columns that change together, by which factor more and which offset of each."""
    of = kinds.kinds_of(columns)
    for kind in _SCALED:
        numbers = [number for number, of_kind in enumerate(of) if of_kind == kind]
        for sign in (1, -1) if numbers else ():
            yield f"{kind} gain {100 * sign * _GAIN:+.0f} %", numbers, sign * _GAIN, np.zeros(len(numbers), np.float32)
    for kind, text in ((kinds.TEMPERATURE, "1 °C"), (kinds.PRESSURE, "2 hPa")):
        sizes = {
            number: _offset(kind, columns[number], X[:, number]) for number, of_kind in enumerate(of) if of_kind == kind
        }
        numbers = [number for number, size in sizes.items() if size]
        for sign in (1, -1) if numbers else ():
            shift = np.array([sign * sizes[number] for number in numbers], np.float32)
            yield f"{kind} {'+' if sign > 0 else '-'}{text}", numbers, 0.0, shift


def _across(offset: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    return offset.reshape(1, -1, *([1] * (dimensions - 2)))


def _offset(kind: str, column: Column, values: Floats) -> float:
    """Return the plausible offset in the unit of a column; 0 where nothing tells the unit of a pressure."""
    if kind == kinds.TEMPERATURE:
        return _DEGREE.get(column.unit, 1.0)
    if column.unit in ("hPa", "mbar", *_PRESSURE):
        return _PRESSURE.get(column.unit, 2.0)
    known = values[np.isfinite(values)]
    usual = float(np.median(known)) if len(known) and not column.unit else 0.0
    for size, unit in ((2.0, 1.0), (200.0, 100.0), (0.2, 0.1)):
        if _USUAL_HPA[0] * unit <= usual <= _USUAL_HPA[1] * unit:
            return size
    return 0.0


def _rates(dataset: DataSet, window: WindowConfig, groups: frozenset[str]) -> Iterator[tuple[str, Floats, object]]:
    for sign in (1, -1):
        try:
            # No name holds the recordings: those of the first rate are gone before the second.
            changed = cut(_stretched(dataset, groups, 1 + sign * _RATE), window)
        except InputError:
            # A recording as long as one window holds none at a lower rate: there is nothing to measure.
            continue
        kept = np.isin(changed.groups, sorted(groups)) if changed.groups is not None else np.zeros(0, np.bool_)
        if kept.any():
            yield f"sampling rate {100 * sign * _RATE:+.0f} %", changed.X[kept], changed.y[kept]


def _stretched(dataset: DataSet, groups: frozenset[str], factor: float) -> DataSet:
    recordings = tuple(_stretch(part, factor) for part in dataset.recordings if _in(part, groups))
    return msgspec.structs.replace(dataset, recordings=recordings)


def _in(recording: Recording, groups: frozenset[str]) -> bool:
    names = recording.groups
    if names is None:
        return False
    return bool(np.isin(names if any(names.strides) else names[:1], sorted(groups)).any())


def _rows(column: NDArray[Any] | None, rows: NDArray[np.int64]) -> NDArray[Any] | None:
    """Return some rows of a column; a text that stands for all rows is not written for each."""
    if column is None or any(column.strides):
        return None if column is None else column[rows]
    return np.broadcast_to(column[:1], len(rows))


def _stretch(recording: Recording, factor: float) -> Recording:
    """Resample a recording as if the sensor were `factor` times as fast (linear interpolation)."""
    rows = len(recording.values)
    places = np.arange(int(rows * factor)) / factor
    places = places[places <= rows - 1]
    low = np.floor(places).astype(np.int64)
    high = np.minimum(low + 1, rows - 1)
    share = (places - low)[:, None]
    values = recording.values[low] * (1 - share) + recording.values[high] * share
    nearest = np.where(places - low < 0.5, low, high)
    return msgspec.structs.replace(
        recording,
        values=np.asarray(values, np.float32),
        target=_rows(recording.target, nearest),
        groups=_rows(recording.groups, nearest),
        sessions=_rows(recording.sessions, nearest),
        time=None,
    )

"""Sentinels: numbers such as -9999 that loggers write where there is no measurement."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from edgewright.core.formatting import plural
from edgewright.core.input.sentinels import without_sentinels
from edgewright.data.checks_columns import target_of
from edgewright.data.file_rows import in_files
from edgewright.data.findings import Finding
from edgewright.data.row_spool import piece_rows
from edgewright.data.sensor_kinds import TEMPERATURE_NAME
from edgewright.data.targets import task_of
from edgewright.schema.data import DataSet, Recording

KEY = "missing_values"
"""Key of [data]: numbers that mean missing, by column."""
# Nines of loggers; limits of integers of 8, 16 and 32 bits; -127 of a DS18B20 without contact; -200 of UCI's air
# quality; -999.25 of LAS well logs; fill values of NetCDF, GRIB and CF, and the limits of float32.
_NINES = [float("9" * digits + tail) for digits in range(2, 11) for tail in ("", ".0", ".9", ".99", ".999")]
_EIGHTS_AND_SEVENS = [float(digit * digits) for digit in "78" for digits in range(4, 7)]
_FILLS = [1e10, 1e15, 1e20, 1e30, 1e31, 1e34, 1e35, 1e36, 1e37, 9.969209968386869e36, float(np.finfo(np.float32).max)]
_UNSIGNED = [2.0**bits - 1 for bits in (8, 16, 24, 32)]
_SIGNED = [limit for bits in (7, 15, 23, 31) for limit in (2.0**bits - 1, -(2.0**bits))]
_SYMMETRIC = [*_NINES, *_EIGHTS_AND_SEVENS, *_FILLS, 999.25]
CODES = frozenset(
    [*_SYMMETRIC, *(-code for code in _SYMMETRIC), *_UNSIGNED, *_SIGNED, -127.0, -200.0, -32767.0, -9990.0]
)
"""Numbers that loggers and file formats write for a missing value."""
# A DS18B20 gives 85 °C when it was read before its first measurement.
_POWER_ON_C = 85.0
_BY_FLOAT32 = {float(np.float32(code)): code for code in sorted(CODES)}
# Columns of fewer different values are states or classes, whose codes may be far apart.
_FEWEST_VALUES = 20
# A sentinel is farther from all other values than these are from each other, and stands in several cells; one alone
# is reported where it is this many times farther.
_SPREADS, _FEWEST_CELLS, _SPREADS_OF_ONE = 1.0, 3, 100.0


class Sentinel(msgspec.Struct, frozen=True, kw_only=True):
    """A number that looks like a sign of a missing value.

    Attributes:
        column: name of the column, which may be the target.
        value: the number.
        cells: number of cells that hold it.
        spreads: its distance to the nearest other value, in ranges of all other values.
    """

    column: str
    value: float
    cells: int
    spreads: float

    def __str__(self) -> str:
        away = f"{self.spreads:,.0f}" if self.spreads >= 2 else f"{self.spreads:.1f}"
        return f"{self.value:.12g} in {plural(self.cells, 'cell')}, {away} times the range of the other values away"


def find_sentinels(dataset: DataSet) -> tuple[Sentinel, ...]:
    """Find numbers that look like signs of missing values, in the order of the columns, the target last.

    A sentinel is one of `CODES`, occurs repeatedly, and is farther from all other values than their range. Columns
    whose sentinels are configured (`[data] missing_values`) are passed over.
    """
    parts = [recording.values for recording in dataset.recordings]
    if any(in_files(values) is not None or values.ndim != 2 for values in parts):
        return ()
    sentinels: list[Sentinel] = []
    low, high = _extremes(parts, len(dataset.columns))
    for index, column in enumerate(dataset.columns):
        codes = _codes(column.name)
        if column.missing_values is UNSET and (float(low[index]) in codes or float(high[index]) in codes):
            cells = np.concatenate([piece[:, index] for values in parts for piece in _pieces(values)])
            sentinels += _sentinels(column.name, cells, codes)
    y = target_of(dataset)
    if y is not None and y.dtype.kind == "f" and task_of(y) == "regression" and dataset.target_name:
        sentinels += _sentinels(dataset.target_name, y.astype(np.float32), _codes(dataset.target_name))
    return tuple(sentinels)


def _codes(name: str) -> Mapping[float, float]:
    """Return the sentinels that a column may have, by their value in float32."""
    return {**_BY_FLOAT32, _POWER_ON_C: _POWER_ON_C} if TEMPERATURE_NAME.search(name) else _BY_FLOAT32


def _pieces(values: Any) -> Iterator[NDArray[np.float32]]:  # noqa: ANN401 - an array or spooled rows
    step = piece_rows(4 * values.shape[1])
    for start in range(0, len(values), step):
        yield values[start : start + step]


def _extremes(parts: Sequence[Any], columns: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the smallest and the largest value of each column."""
    low, high = np.full(columns, np.inf, np.float32), np.full(columns, -np.inf, np.float32)
    for values in parts:
        for piece in _pieces(values):
            low = np.fmin(low, np.fmin.reduce(piece, axis=0))
            high = np.fmax(high, np.fmax.reduce(piece, axis=0))
    return low, high


def _sentinels(name: str, cells: NDArray[np.float32], codes: Mapping[float, float]) -> Iterator[Sentinel]:
    """Yield the sentinels of a column."""
    rest = cells[np.isfinite(cells)]
    counts: dict[float, int] = {}
    while len(rest):
        ends = [end for end in {float(rest.min()), float(rest.max())} if end in codes]
        if not ends:
            break
        for end in ends:
            counts[end] = int((rest == np.float32(end)).sum())
        rest = rest[~np.isin(rest, np.array(ends, np.float32))]
    if not counts or len(np.unique(rest)) < _FEWEST_VALUES:
        return
    low, high = float(rest.min()), float(rest.max())
    sentinels = []
    # A code that is no sentinel belongs to the other values: those nearest to them come first.
    for end in sorted(counts, key=lambda end: max(low - end, end - high)):
        spreads = max(low - end, end - high) / (high - low)
        if spreads > _SPREADS and (counts[end] >= _FEWEST_CELLS or spreads > _SPREADS_OF_ONE):
            sentinels.append(Sentinel(column=name, value=codes[end], cells=counts[end], spreads=spreads))
        else:
            low, high = min(low, end), max(high, end)
    yield from sentinels


def sentinel_findings(dataset: DataSet) -> Iterator[Finding]:
    """Find sentinels, for `edgewright check`."""
    for sentinel in find_sentinels(dataset):
        numbers = {"value": sentinel.value, "cells": float(sentinel.cells), "spreads": sentinel.spreads}
        sentence = f"{sentinel.column}: {sentinel}: does it mean missing? {KEY} in [data] reads it so"
        yield Finding("sentinel", "warning", sentence, sentinel.column, numbers)


def missing_table(sentinels: Iterable[Sentinel]) -> dict[str, list[float | int]]:
    """Return the key `missing_values` of [data]; whole numbers are written as such."""
    table: dict[str, list[float | int]] = {}
    for one in sentinels:
        whole = one.value.is_integer() and math.fabs(one.value) < 2**53
        table.setdefault(one.column, []).append(int(one.value) if whole else one.value)
    return table


def with_missing(dataset: DataSet, sentinels: Sequence[Sentinel]) -> DataSet:
    """Return a data set in which sentinels are missing values, as a source reads it with `missing_table`."""
    values_of = {name: tuple(map(float, values)) for name, values in missing_table(sentinels).items()}
    columns = tuple(
        msgspec.structs.replace(column, missing_values=values_of[column.name]) if column.name in values_of else column
        for column in dataset.columns
    )

    def marked(recording: Recording) -> Recording:
        target = recording.target
        if target is not None and dataset.target_name in values_of and np.asarray(target).dtype.kind == "f":
            target = np.where(np.isin(target, values_of[dataset.target_name]), np.nan, target)
        return msgspec.structs.replace(recording, values=without_sentinels(recording.values, columns), target=target)

    return msgspec.structs.replace(dataset, columns=columns, recordings=tuple(map(marked, dataset.recordings)))

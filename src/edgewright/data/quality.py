"""What the data are like, before anything is fitted: the facts behind `edgewright check`."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from edgewright.core.clocks.units import GAP, gap_length, pace
from edgewright.core.formatting import duration_text, plural
from edgewright.core.input.samples import without_sentinels
from edgewright.core.records.data import DataSet, Floats, Recording
from edgewright.data.checks_columns import (
    balance,
    column_of,
    constant,
    identifiers,
    missing,
    out_of_range,
    predictors,
    repeated,
    row_name,
    stuck,
    target_of,
)
from edgewright.data.clock import TEMPERATURE_NAME, measured_rate
from edgewright.data.contract import Finding, Quality, Severity, percent, worst_first
from edgewright.data.labels import sparse_label_findings
from edgewright.data.resampling import sessions_of
from edgewright.data.targets import as_text, class_names, counted, labelled, piece_rows, task_of

# Standard gravity: 9.80665 m/s² (3rd CGPM, 1901).
GRAVITY = {"g": 1.0, "m/s²": 9.80665, "mg": 1000.0}
_SPELLINGS = {"m/s2": "m/s²", "m/s^2": "m/s²", "ms-2": "m/s²", "m/s/s": "m/s²", "G": "g"}
_AXIS = re.compile(r"^(?P<stem>.*?acc.*?)[_\-. ]?(?P<axis>[xyz])\b", re.IGNORECASE)
_TEMPERATURE = re.compile(r"temp|thermo", re.IGNORECASE)
_HUMIDITY = re.compile(r"humid|(^|_)rh($|_)", re.IGNORECASE)
# No air, skin or machine has -73 °C and below as its usual temperature: above this the number is Kelvin.
_KELVIN_FROM = 200.0


def units(dataset: DataSet) -> Iterator[Finding]:
    """Find units that the values contradict, and units that differ between rows or recordings."""
    yield from _acceleration(dataset)
    yield from _temperature(dataset)
    yield from _humidity(dataset)


def axes(dataset: DataSet) -> list[tuple[str, tuple[int, int, int]]]:
    """Triples of columns that are the axes of one accelerometer: their common name and x, y, z.

    Columns named x, y and z alone are one where their usual magnitude is that of gravity.
    """
    by_stem: dict[str, dict[str, int]] = {}
    for index, column in enumerate(dataset.columns):
        if match := _AXIS.match(column.name):
            by_stem.setdefault(match["stem"].lower(), {})[match["axis"].lower()] = index
    named = [(stem, (a["x"], a["y"], a["z"])) for stem, a in by_stem.items() if len(a) == 3]
    plain = {column.name.lower(): index for index, column in enumerate(dataset.columns)}
    if named or not {"x", "y", "z"} <= plain.keys():
        return named
    triple = (plain["x"], plain["y"], plain["z"])
    known = any(_unit_by_gravity(recording, triple) for recording in dataset.recordings)
    return [("x, y, z", triple)] if known or _raw_counts(dataset, triple) else []


def _acceleration(dataset: DataSet) -> Iterator[Finding]:
    """Return the unit in which the usual magnitude is the earth's gravity."""
    for stem, triple in axes(dataset):
        units = [(r, unit) for r in dataset.recordings if (unit := _unit_by_gravity(r, triple))]
        kinds = sorted({unit for _, unit in units})
        name = dataset.columns[triple[0]].name
        declared = _SPELLINGS.get(dataset.columns[triple[0]].unit, dataset.columns[triple[0]].unit)
        if len(kinds) > 1:
            places = "; ".join(f"{kind} in {next(r.name for r, unit in units if unit == kind)}" for kind in kinds)
            sentence = f"{stem}: recordings have different units by the magnitude of gravity: {places}"
            yield Finding("mixed-units", "error", sentence, name, {"units": float(len(kinds))})
        elif kinds and declared in GRAVITY and declared != kinds[0]:
            sentence = f"{stem} is declared in {declared}, but its usual magnitude is that of gravity in {kinds[0]}"
            yield Finding("unit", "warning", sentence, name)
        elif kinds and not declared:
            sentence = f"{stem} is in {kinds[0]}, based on the magnitude of gravity; no unit is declared"
            yield Finding("unit", "note", sentence, name)
        elif not declared and (counts := _raw_counts(dataset, triple)):
            sentence = f"{stem} holds raw counts, about {counts:,} to 1 g; no unit is declared"
            yield Finding("unit", "note", sentence, name, {"counts": float(counts)})


def gravity_unit(dataset: DataSet, triple: tuple[int, int, int]) -> tuple[str, float]:
    """Return the unit in which the usual magnitude of three axes is gravity, or the raw counts to 1 g.

    Returns:
        The unit, empty where there is none or recordings differ, and the median magnitude.
    """
    kinds = {unit for recording in dataset.recordings if (unit := _unit_by_gravity(recording, triple))}
    magnitude = magnitudes(dataset, triple)
    usual = float(np.median(magnitude)) if len(magnitude) else 0.0
    if len(kinds) == 1:
        return kinds.pop(), usual
    counts = 0 if kinds else _raw_counts(dataset, triple)
    return (f"raw counts, about {counts:,} to 1 g" if counts else ""), usual


def magnitudes(dataset: DataSet, triple: tuple[int, int, int]) -> NDArray[np.float64]:
    """Return the magnitude of three axes in each row that has all of them; no copy of all rows is made."""

    def of_rows(rows: Floats) -> NDArray[np.float64]:
        values = rows[:, list(triple)].astype(np.float64)
        return np.asarray(np.sqrt((values[np.isfinite(values).all(axis=1)] ** 2).sum(axis=1)))

    return np.concatenate([of_rows(recording.values) for recording in dataset.recordings])


def _raw_counts(dataset: DataSet, triple: tuple[int, int, int]) -> int:
    """Return the counts that gravity is: a power of two from 64 on of whole numbers; 0 where they are no raw counts."""
    values = np.concatenate([recording.values[:, list(triple)] for recording in dataset.recordings]).astype(np.float64)
    values = values[np.isfinite(values).all(axis=1)]
    if not len(values) or not np.array_equal(values, np.round(values)):
        return 0
    usual = float(np.median(np.sqrt((values**2).sum(axis=1))))
    near = 2 ** round(np.log2(usual)) if usual >= 1.0 else 0
    return near if near >= 64 and abs(usual / near - 1.0) < 0.15 else 0


def _unit_by_gravity(recording: Recording, triple: tuple[int, int, int]) -> str:
    """Return the unit of an accelerometer; empty when the usual magnitude is not gravity's within a quarter."""
    magnitude = np.sqrt((recording.values[:, list(triple)].astype(np.float64) ** 2).sum(axis=1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all values missing: the median is NaN and fits nothing
        usual = float(np.nanmedian(magnitude)) if len(magnitude) else 0.0
    return next((unit for unit, gravity in GRAVITY.items() if abs(usual / gravity - 1.0) < 0.25), "")


def _temperature(dataset: DataSet) -> Iterator[Finding]:
    """Kelvin where Celsius is declared, and both in one column."""
    for index, column in enumerate(dataset.columns):
        values = column_of(dataset, index).astype(np.float64)
        values = values[~np.isnan(values)]
        if not _TEMPERATURE.search(column.name) or not len(values):
            continue
        kelvin = float((values > _KELVIN_FROM).mean())
        celsius = float((values < 0.75 * _KELVIN_FROM).mean())
        if kelvin >= 0.01 and celsius >= 0.01:
            shares = (
                f"{100 * kelvin:.0f} % of the values look like Kelvin and {100 * celsius:.0f} % like degrees Celsius"
            )
            numbers = {"kelvin": kelvin, "celsius": celsius}
            yield Finding("mixed-units", "error", f"{column.name}: {shares}", column.name, numbers)
        elif kelvin > 0.5 and column.unit.strip("° ").upper() in ("C", ""):
            declared = "declared in C" if column.unit else "without a unit"
            sentence = f"{column.name} is {declared}, but its usual value {np.median(values):.4g} looks like Kelvin"
            numbers = {"median": float(np.median(values))}
            yield Finding("unit", "warning" if column.unit else "note", sentence, column.name, numbers)


def _humidity(dataset: DataSet) -> Iterator[Finding]:
    """Fractions where per cent are declared."""
    for index, column in enumerate(dataset.columns):
        values = column_of(dataset, index)
        values = values[~np.isnan(values)]
        if _HUMIDITY.search(column.name) and column.unit == "%" and len(values) and 0 < values.max() <= 1:
            sentence = f"{column.name} is declared in %, but no value is above {values.max():g}: a fraction of 1?"
            yield Finding("unit", "warning", sentence, column.name)


# A rate that is off by more changes what a filter or spectrum means.
RATE_TOLERANCE = 0.01


def clocks(dataset: DataSet) -> Iterator[Finding]:
    """Return sampling rate, jitter, gaps, repeated and turned-round times; says when times or persons are unknown."""
    timed = [r for r in dataset.recordings if r.time is not None and len(r.time) > 2]
    if timed:
        yield from _rate(dataset, timed)
        yield from _gaps(dataset, timed)
        yield from _order(dataset, timed)
    elif dataset.rate is None:
        sentence = "rows have no time: gaps and the sampling rate cannot be checked"
        yield Finding("no-time", "note", f"{sentence}; name the time column if there is one")
    if any(r.groups is None for r in dataset.recordings):
        sentence = "no person or machine is known: a split cannot keep them apart"
        yield Finding("no-group", "note", f"{sentence}; name the group column if there is one")


class _Clock(NamedTuple):
    """Times of one session of one person or machine, which has a clock of its own.

    Attributes:
        recording: that holds the session.
        rows: shape (n,), its rows in the recording.
        steps: shape (n - 1,), seconds from each row to the next.
    """

    recording: Recording
    rows: NDArray[np.int64]
    steps: NDArray[np.float64]


def _session_clocks(recordings: list[Recording]) -> list[_Clock]:
    """Return the clock of each session."""
    sessions = ((r, rows) for r in recordings if r.time is not None for _, rows in sessions_of(r))
    return [_Clock(r, rows, np.diff(np.asarray(r.time)[rows])) for r, rows in sessions]


def _rate(dataset: DataSet, timed: list[Recording]) -> Iterator[Finding]:
    """Return the estimated rate against the declared one, and the jitter of the steps."""
    rate = measured_rate(r.time for r in timed)
    if rate is None:
        return
    steps = np.concatenate([clock.steps for clock in _session_clocks(timed)])
    steps = steps[(steps > 0) & (steps < GAP / rate)]
    jitter = float(np.quantile(np.abs(steps * rate - 1.0), 0.95)) if len(steps) else 0.0
    numbers = {"rate": rate, "jitter": jitter}
    sentence = f"{pace(rate)}; 95 of 100 steps are within {percent(jitter)} of that"
    yield Finding("rate", "warning" if jitter > 0.2 else "note", sentence, numbers=numbers)
    if dataset.rate is not None and abs(dataset.rate - rate) > RATE_TOLERANCE * rate:
        sentence = f"the declared rate is {pace(dataset.rate)}, the times give {pace(rate)}"
        yield Finding("rate-differs", "warning", sentence, numbers={**numbers, "declared": dataset.rate})


def _gaps(dataset: DataSet, timed: list[Recording]) -> Iterator[Finding]:
    """Jumps in time of more than GAP usual steps."""
    count, longest, where, lost = 0, 0.0, "", 0.0
    for clock in _session_clocks(timed):
        steps, limit = clock.steps, gap_length(clock.steps)
        jumps = np.flatnonzero(steps > limit)
        count += len(jumps)
        lost += float(steps[jumps].sum() - limit / GAP * len(jumps)) if len(jumps) else 0.0
        if len(jumps) and steps[jumps].max() > longest:
            longest = float(steps[jumps].max())
            where = row_name(dataset, clock.recording, int(clock.rows[jumps[steps[jumps].argmax()]]))
    if count:
        sentence = f"{count} gap{'s' if count > 1 else ''} in time"
        sentence += f", {duration_text(lost)} in all; the longest is {duration_text(longest)} after {where}"
        numbers = {"gaps": float(count), "longest_seconds": longest, "lost_seconds": lost}
        yield Finding("gap", "warning", sentence, numbers=numbers)


def _order(dataset: DataSet, timed: list[Recording]) -> Iterator[Finding]:
    """Return times that repeat or go back within a session."""
    clocks = _session_clocks(timed)
    kinds: tuple[tuple[str, Severity, str], ...] = (
        ("time-repeats", "note", "rows repeat the time of the previous row"),
        ("time-goes-back", "error", "rows are earlier than the previous row"),
    )
    for kind, severity, words in kinds:
        hits = [(c, np.flatnonzero(c.steps == 0 if kind == "time-repeats" else c.steps < 0)) for c in clocks]
        if count := sum(len(rows) for _, rows in hits):
            first, rows = next((clock, rows) for clock, rows in hits if len(rows))
            where = row_name(dataset, first.recording, int(first.rows[rows[0] + 1]))
            sentence = f"{count} {words}; the first is {where}"
            yield Finding(kind, severity, sentence, numbers={"rows": float(count)})


def _averaged(dataset: DataSet) -> DataSet:
    """Return pictures as one mean a channel, rows and windows as they are."""
    if all(recording.values.ndim == 2 for recording in dataset.recordings):
        return dataset
    means = [recording.values.mean(axis=tuple(range(2, recording.values.ndim))) for recording in dataset.recordings]
    recordings = tuple(
        msgspec.structs.replace(recording, values=values)
        for recording, values in zip(dataset.recordings, means, strict=True)
    )
    return msgspec.structs.replace(dataset, recordings=recordings)


def _classes(dataset: DataSet) -> tuple[dict[str, int], int]:
    """Return the rows of each class, none of amounts, and how many rows carry a label."""
    y = target_of(dataset)
    classes: dict[str, int] = {}
    if y is not None and task_of(y) == "classification":
        names, counts = counted(as_text(y))
        count_of = {str(n): int(c) for n, c in zip(names, counts, strict=True)}
        classes = {name: count_of[name] for name in class_names(names)}
    return classes, 0 if y is None else int(labelled(y).sum())


def examine(dataset: DataSet) -> Quality:
    """Examine a data set: missing and constant values, ranges, units, times, stuck sensors, copy, classes.

    Args:
        dataset: labelled or not.

    Returns:
        Counts and findings, the worst first.
    """
    dataset = _averaged(dataset)
    checks = (
        missing,
        sentinel_findings,
        constant,
        out_of_range,
        units,
        clocks,
        stuck,
        repeated,
        identifiers,
        balance,
        sparse_label_findings,
        predictors,
    )
    classes, count = _classes(dataset)
    return Quality(
        rows=sum(len(r.values) for r in dataset.recordings),
        labelled=count,
        recordings=len(dataset.recordings),
        columns=len(dataset.columns),
        groups=len(dataset.groups),
        rate=measured_rate(r.time for r in dataset.recordings) or dataset.rate,
        classes=classes,
        findings=worst_first([finding for check in checks for finding in check(dataset)]),
    )


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
    if any(values.ndim != 2 for values in parts):
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

"""Rows that are series or spectra: columns that are values one after the other, by their names and their values."""

from __future__ import annotations

import importlib
import math
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.csv.header import FEWEST_VALUES, MARK, are_even, families
from edgewright.core.errors import DataError, DataWarning
from edgewright.core.formatting import plural
from edgewright.core.records.data import Floats, Recording

SERIES, SPECTRUM = "series", "spectrum"
SHARE = 0.9
"""Share of the columns of a row that are a series, where the row is one."""
# Values in no order differ from the next by twice their variance in squares on average; those of a series by less than
# this share of it. Columns in no order, each by its own mean and spread, are as unlike the next as any other; those of
# a series by less than this share.
_ALIKE, _NEARER = 0.7, 0.9
# Of a series that is no spectrum, no more than this share of the columns are as unlike the next as any other. Groups of
# alike features have more: one where each group ends.
_MOST_CUTS = 0.02
# So many rows say whether columns are a series.
_LOOKED_AT = 1_000
# Names of columns that say so where their values do not speak against it: sensors are T1, T2, ...
_TIMES = {"t", "time"}
# Words around the number that say an axis of light; where there are none, smaller numbers are no wavelengths in nm.
_LIGHT = re.compile(
    r"(^|[\W_\d])(nm|[uµμ]m|cm-?1|cm\^-1|1/cm|cm⁻¹|wave(length|number)?|wl|wn|lambda|λ)($|[\W_])", re.IGNORECASE
)
_SHORTEST_NM, _UNNAMED = 100.0, ("", "x")
# Pixels of a picture are no series.
_PICTURE = re.compile(r"(^|[\W_])(pixel|pix|px)", re.IGNORECASE)


@dataclass(frozen=True)
class ColumnSeries:
    """Columns that are values one after the other.

    Attributes:
        kind: `SERIES` or `SPECTRUM`.
        channels: columns in the order of their numbers, by the name of what they share: `{"t#": ("t0", "t1", ...)}`.
    """

    kind: str
    channels: dict[str, tuple[str, ...]]

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them, channel after channel."""
        return tuple(name for names in self.channels.values() for name in names)

    @property
    def description(self) -> str:
        """What they are, in words: 'a series of 150 values, t0 to t149'."""
        ranges = [f"{names[0]} to {names[-1]}" for names in self.channels.values()]
        count = f"{len(next(iter(self.channels.values()))):,} values"
        channels = f"{len(ranges)} channels of " if len(ranges) > 1 else ""
        return f"a {self.kind} of {channels}{count}, {'; '.join(ranges)}"


def numbered(names: Sequence[str], share: float = SHARE) -> dict[str, dict[float, str]]:
    """Return the columns that would be a series by their names alone, by number; empty for no such columns.

    Channels have the same numbers, at steps that hardly differ, and are so large a share of the columns.
    """
    chosen: dict[str, dict[float, str]] = {}
    for family, columns in families(names).items():
        if not chosen or columns.keys() == next(iter(chosen.values())).keys():
            chosen[family] = columns
    numbers = list(next(iter(chosen.values()), {}))
    count = len(chosen) * len(numbers)
    covers_names = count >= share * len(names) and not any(map(_PICTURE.search, chosen))
    return chosen if covers_names and are_even(numbers) else {}


def find_series(names: Sequence[str], values: Floats) -> ColumnSeries | None:
    """Return the columns that are values one after the other; None where rows are separate readings.

    Numbers in names count where the values say the same: neighbours are alike. `t0`, `t1`, ... are times by their
    names, and of wavelengths one of two signs is enough.

    Args:
        names: of the columns.
        values: shape (rows, columns).
    """
    channels = numbered(names)
    if not channels:
        return None
    kind = SPECTRUM if _is_light(channels) else SERIES
    positions = {name: index for index, name in enumerate(names)}
    every = max(1, -(-len(values) // _LOOKED_AT))
    parts = [_known(values[::every, [positions[name] for name in columns.values()]]) for columns in channels.values()]
    smooth, steps = _are_smooth(parts), _steps(parts)
    unlike = float(np.mean([part.mean() for part in steps])) if steps else None
    if _are_times(channels):
        is_series = True
    else:
        near = unlike is not None and unlike < _NEARER
        uncut = all(float(np.mean(part >= _NEARER)) <= _MOST_CUTS for part in steps)
        is_series = smooth or near if kind == SPECTRUM else smooth and near and uncut
    if not is_series:
        return None
    return ColumnSeries(kind, {family: tuple(columns.values()) for family, columns in channels.items()})


def _known(values: Floats) -> NDArray[np.float64]:
    known: NDArray[np.float64] = np.ma.masked_invalid(np.asarray(values, np.float64))
    return known


def _stem(family: str) -> str:
    return family.replace(MARK, "").strip("_-. ")


def _are_times(channels: Mapping[str, Mapping[float, str]]) -> bool:
    """Return whether the names are `t0`, `t1`, ... without a gap."""
    return all(_stem(family) in _TIMES and [*columns] == [*range(len(columns))] for family, columns in channels.items())


def _is_light(channels: Mapping[str, Mapping[float, str]]) -> bool:
    """Return whether the numbers are wavelengths or wavenumbers."""
    family, columns = next(iter(channels.items()))
    if _LIGHT.search(family.replace(MARK, " ")):
        return True
    return _stem(family).lower() in _UNNAMED and min(columns) >= _SHORTEST_NM


def _are_smooth(parts: Sequence[NDArray[np.float64]]) -> bool:
    """Return whether the values of most rows, shape (rows, values) each part, are like their neighbours."""
    shares = []
    for values in parts:
        spread = np.ma.filled(values.var(axis=1), 0.0)
        steps = np.ma.filled(np.mean(np.diff(values, axis=1) ** 2, axis=1), np.nan)
        shares.append(steps / np.where(spread > 0, spread, np.nan))
    known = np.concatenate(shares)
    known = known[np.isfinite(known)]
    return len(known) > 0 and bool(np.median(known) < _ALIKE)


def _steps(parts: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Return how unlike the next one each column is, both by their own mean and spread, as a share of any two columns.

    Returns:
        Shape (columns - 1,) a part; without constant columns, and none of parts of few others.
    """
    shares: list[NDArray[np.float64]] = []
    for values in parts:
        spread = np.ma.filled(values.std(axis=0), 0.0)
        alone = ((values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0))[:, spread > 0]
        if alone.shape[1] >= FEWEST_VALUES:
            any_other = 2 * float(np.mean(alone.var(axis=1, ddof=1)))
            steps = np.ma.filled(np.mean(np.diff(alone, axis=1) ** 2, axis=0), any_other)
            shares.append(steps / any_other if any_other > 0 else np.ones_like(steps))
    return shares


def in_one_form(recordings: Sequence[Recording], rates: Sequence[float], where: str) -> tuple[list[Recording], float]:
    """Return sounds with one number of channels and one rate; one warning says what was changed.

    Sounds of several numbers of channels are mixed down to one channel, and those above the lowest rate are resampled
    to it.

    Args:
        recordings: values of shape (samples, channels).
        rates: samples a second of each.
        where: folder or file, for the warning.

    Raises:
        InputError: rates that are no whole numbers.
    """
    channels = [int(recording.values.shape[1]) for recording in recordings]
    lowest, mixed = min(rates), len(set(channels)) > 1
    if not mixed and len(set(rates)) == 1:
        return list(recordings), lowest
    changes = [f"{plural(count, 'file')} of {number} channels mixed down to mono"
               for number, count in sorted(Counter(channels).items()) if mixed and number > 1]  # fmt: skip
    changes += [f"{plural(count, 'file')} resampled from {rate:g} to {lowest:g} Hz"
                for rate, count in sorted(Counter(rates).items()) if rate > lowest]  # fmt: skip
    warnings.warn(f"{where}: of {plural(len(recordings), 'file')}, {', '.join(changes)}", DataWarning, 2)
    return [_in_form(own, rate, lowest, mixed) for own, rate in zip(recordings, rates, strict=True)], lowest


def _in_form(recording: Recording, rate: float, lowest: float, mono: bool) -> Recording:
    values: Floats = np.asarray(recording.values)
    if mono and values.shape[1] > 1:
        values = values.mean(axis=1, keepdims=True, dtype=np.float32)
    if rate == lowest:
        return msgspec.structs.replace(recording, values=values)
    if not (rate.is_integer() and lowest.is_integer()):
        raise DataError("rates in whole hertz, to resample sounds", f"{rate:g} and {lowest:g} Hz", recording.name)
    signal = importlib.import_module("scipy.signal")
    common = math.gcd(int(rate), int(lowest))
    up, down = int(lowest) // common, int(rate) // common
    # The filter overshoots at steps: samples stay within those of the file.
    loudest = float(np.abs(values).max())
    values = np.asarray(signal.resample_poly(values, up, down, axis=0).clip(-loudest, loudest), np.float32)
    rows = np.minimum(np.arange(len(values)) * down // up, len(recording.values) - 1)
    return msgspec.structs.replace(
        recording, values=values, target=_rows_of(recording.target, rows), groups=_rows_of(recording.groups, rows),
        sessions=_rows_of(recording.sessions, rows),
    )  # fmt: skip


def _rows_of(cells: Any, rows: NDArray[np.int64]) -> Any:  # noqa: ANN401 - an array, or None
    """Return some rows of a column; one text for all rows takes no memory for each."""
    if cells is None:
        return None
    return np.broadcast_to(cells[:1], len(rows)) if not cells.strides[0] else cells[rows]

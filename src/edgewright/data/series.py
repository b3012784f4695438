"""Rows that are series or spectra: columns that are values one after the other, by their names and their values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.core.csv.numbered_columns import FEWEST_VALUES, MARK, are_even, families
from edgewright.schema.data import Floats

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


def find_series(names: Sequence[str], values: Floats, share: float = SHARE) -> ColumnSeries | None:
    """Return the columns that are values one after the other; None where rows are separate readings.

    Numbers in names count where the values say the same: neighbours are alike. `t0`, `t1`, ... are times by their
    names, and of wavelengths one of two signs is enough.

    Args:
        names: of the columns.
        values: shape (rows, columns).
        share: of the columns that are a series at least.
    """
    channels = numbered(names, share)
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

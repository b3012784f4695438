"""Rows of a stream for a proof: stretches of samples with gaps between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.data import Floats
from edgewright.workflows.proof.rows import Chosen

# Since 1970, as devices count; parts of a day matter to some detectors.
_BEGIN = 1.7e9
_STRETCHES = 8
# Of the last stretch, again: this share of cells is missing, and of so many rows each kind of one without any value.
_MISSING, _EMPTY = 0.01, 150
# Rows that are missing before a stretch, in turn: some follow without a gap.
_LOST = (50, 0, 7, 100_000)


@dataclass(frozen=True)
class StreamRows:
    """Rows in the order in which they are pushed.

    Attributes:
        values: shape (n, channels), float32.
        lost: rows that are missing before each, shape (n,).
        origins: of each, in words.
        rate: rows a second.
    """

    values: Floats
    lost: NDArray[np.int64]
    origins: tuple[str, ...]
    rate: float

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Number of each row, lost ones counted."""
        return np.asarray(np.arange(len(self.values)) + np.cumsum(self.lost), np.int64)

    @property
    def times(self) -> NDArray[np.float64]:
        """Seconds since 1970 of each row."""
        return np.asarray(_BEGIN + self.numbers / self.rate, np.float64)

    def followed_by(self, other: StreamRows) -> StreamRows:
        """These rows, then the others."""
        return StreamRows(
            np.concatenate([self.values, other.values]),
            np.concatenate([self.lost, other.lost]),
            self.origins + other.origins,
            self.rate,
        )


def natural_rows(chosen: Chosen, rate: float, most: int, least: int = 1, holes: bool = False) -> StreamRows:
    """Stretches of the samples in their order, with gaps between most of them; few samples come again and again.

    Args:
        chosen: samples, shape (n, channels, samples) or (n, columns).
        rate: rows a second.
        most: rows at most, about.
        least: rows of a stretch, so that what follows them is decided.
        holes: whether the last stretch comes again with missing values.
    """
    samples = chosen.samples if chosen.samples.ndim == 3 else chosen.samples[:, :, None]
    count, length = len(samples), samples.shape[2]
    each = max(-(-least // length), min(count, most // length) // _STRETCHES, 1)
    begins = np.unique(np.linspace(0, max(0, count - each), _STRETCHES).astype(np.int64)).tolist()
    begins = begins if len(begins) > 1 else [0, 0]
    parts = [joined(samples, [place % count for place in range(b, b + each)], chosen.origins, rate) for b in begins]
    parts += [_holed(parts[-1])] if holes else []
    made = parts[0]
    for place, part in enumerate(parts[1:]):
        made = made.followed_by(behind(part, _LOST[place % len(_LOST)]))
    return made


def _holed(rows: StreamRows) -> StreamRows:
    """The same rows with cells, rows and numbers missing."""
    values = rows.values.copy()
    values[np.random.default_rng(0).random(values.shape) < _MISSING] = np.nan
    for begin, wrong in enumerate((np.nan, np.inf, -np.inf)):
        values[(begin + 1) * _EMPTY // 3 :: _EMPTY] = wrong
    return StreamRows(values, rows.lost, tuple(f"{origin}, cells missing" for origin in rows.origins), rows.rate)


def inserted(rows: StreamRows, place: int, row: Floats, origin: str) -> StreamRows:
    """The same rows with another one before the row of this place."""
    lost = np.insert(rows.lost, place, rows.lost[place])
    lost[place + 1] = 0
    origins = (*rows.origins[:place], origin, *rows.origins[place:])
    return StreamRows(np.insert(rows.values, place, row, axis=0), lost, origins, rows.rate)


def stretches(rows: StreamRows) -> list[tuple[int, int]]:
    """Begin and end of each run of rows without a gap."""
    begins = [0, *(int(at) for at in np.flatnonzero(rows.lost) if at)]
    return list(zip(begins, [*begins[1:], len(rows.values)], strict=True))


def joined(samples: Floats, places: Sequence[int], origins: Sequence[str], rate: float) -> StreamRows:
    """Samples one after the other as rows; samples of shape (n, channels, length)."""
    length = samples.shape[2]
    values = np.concatenate([samples[place].T for place in places])
    told = [origins[place] if length == 1 else f"{origins[place]}, row {i}" for place in places for i in range(length)]
    return StreamRows(np.ascontiguousarray(values, np.float32), np.zeros(len(values), np.int64), tuple(told), rate)


def behind(rows: StreamRows, lost: int) -> StreamRows:
    """The same rows, with so many missing before the first."""
    gaps = rows.lost.copy()
    gaps[0] = lost
    return StreamRows(rows.values, gaps, rows.origins, rows.rate)

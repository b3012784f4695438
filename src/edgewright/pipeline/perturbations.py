"""Test samples as a careless mounting or another sensor would give them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.data.samples import cut
from edgewright.schema.config import WindowConfig
from edgewright.schema.data import Column, DataSet, Floats, Recording, Samples
from edgewright.schema.errors import InputError

_SHARE = 0.05


def disturbances(
    dataset: DataSet, samples: Samples, window: WindowConfig | None, groups: frozenset[str], rows: NDArray[np.int64]
) -> Iterator[tuple[str, Floats, object]]:
    """Disturbed copies of the test samples.

    Args:
        dataset: the recordings.
        samples: cut from them.
        window: how they were cut, None for rows.
        groups: names of the test groups; empty when the split was not by group.
        rows: indices of the test samples.

    Yields:
        (what was done, disturbed samples, their targets): the gain 5 % up and down, two axes of each sensor swapped,
        and for windows split by group the sampling rate 5 % up and down, where windows still fit.
    """
    X, y = samples.X[rows], samples.y[rows]
    for sign in (1, -1):
        yield f"gain {sign * 5:+d} %", np.asarray(X * (1 + sign * _SHARE), np.float32), y
    pairs = axis_pairs(samples.columns)
    if pairs:
        order = np.arange(X.shape[1])
        for first, second in pairs:
            order[[first, second]] = second, first
        yield "axes x and y swapped", np.ascontiguousarray(X[:, order]), y
    if window is None or not groups or samples.groups is None:
        return
    for sign in (1, -1):
        stretched = [
            _stretch(recording, 1 + sign * _SHARE) for recording in dataset.recordings if _in(recording, groups)
        ]
        try:
            changed = cut(msgspec.structs.replace(dataset, recordings=tuple(stretched)), window)
        except InputError:
            # A recording as long as one window holds none at a lower rate: there is nothing to measure.
            continue
        kept = np.isin(changed.groups, sorted(groups)) if changed.groups is not None else np.zeros(0, np.bool_)
        if kept.any():
            yield f"sampling rate {sign * 5:+d} %", changed.X[kept], changed.y[kept]


def axis_pairs(columns: Sequence[Column]) -> list[tuple[int, int]]:
    """Indices of the x and y axes of each sensor, judged by names that end in x and y."""
    places = {column.name: number for number, column in enumerate(columns)}
    pairs = []
    for name, first in places.items():
        if name.lower().endswith("x"):
            other = places.get(name[:-1] + ("y" if name[-1] == "x" else "Y"))
            if other is not None:
                pairs.append((first, other))
    return pairs


def _in(recording: Recording, groups: frozenset[str]) -> bool:
    return recording.groups is not None and bool(np.isin(recording.groups, sorted(groups)).any())


def _stretch(recording: Recording, factor: float) -> Recording:
    """The recording as a sensor that samples `factor` times as fast would have given it (linear interpolation)."""
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
        target=None if recording.target is None else recording.target[nearest],
        groups=None if recording.groups is None else recording.groups[nearest],
        sessions=None if recording.sessions is None else recording.sessions[nearest],
        time=None,
    )

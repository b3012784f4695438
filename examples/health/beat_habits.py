"""Columns of heartbeats that tell how far a beat is from what is usual in its record, from the beats before it.

The heart rate, its irregularity and the shape of a beat differ from person to person; the distance of a beat from its
own record's mean, in multiples of that record's spread, differs less.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import beat_columns as columns
from edgewright.core.records.data import Floats

Array = NDArray[np.float64]
# Shapes are compared at 90 Hz: means of four samples of a beat of 200, R peak in the 23rd.
AVERAGE = 4
_WHOLE, P, _QRS, _T = slice(0, 50), slice(2, 18), slice(17, 30), slice(28, 50)
WIDE = slice(10, 36)
# Beats over which a rhythm is irregular, and the largest change of a logarithm that counts.
_IRREGULAR, _LARGEST = (10, 40), 0.7
# Of running means: weight of a beat, spread that is always added, clip of a change in multiples of the spread.
_RATE, _FLOOR, _CLIP, _FARTHEST = 0.01, 0.02, 3.0, 12.0
RHYTHM = (
    "interval_log", "interval_share_log", "next_interval_share_log", "interval_long_share_log",
    "next_interval_long_share_log", "interval_step", "next_interval_step",
)  # fmt: skip
FORM = (
    "likeness", "likeness_p", "likeness_qrs", "likeness_t", "size_p", "change_p", "size_qrs", "change_qrs", "size_t",
    "change_t", "width", "width_share", "area", "area_share", "range_share",
)  # fmt: skip
NAMES = (*RHYTHM, *(f"irregular_{count}" for count in _IRREGULAR), *(f"unusual_{name}" for name in (*RHYTHM, *FORM)))


def habits(beats: Floats, seconds: Array) -> Floats:
    """Return the columns of `NAMES` for the beats of a record.

    Args:
        beats: means of `AVERAGE` samples each, shape (n, 50).
        seconds: times of their R peaks, shape (n,).

    Returns:
        Shape (n, columns). A row takes the interval to the next R peak, and nothing after that.
    """
    level = columns.level(beats).astype(np.float64)
    before, after = columns.intervals(seconds)
    beat = rhythm(before, after)
    compared = np.concatenate([beat, _form(level, columns.usual(level))], axis=1)
    table: Floats = np.concatenate([beat, _irregular(before), _unusual(compared)], axis=1).astype(np.float32)
    return table


def rhythm(before: Array, after: Array) -> Array:
    """Return the columns of `RHYTHM`: logarithms, so that twice and half are equally far from the same."""
    lately, long = (columns.shares(before, after, count) for count in (columns.LATELY, columns.LONG))
    earlier = np.concatenate([before[:1], before[:-1]])
    ratios = np.stack([before, *lately.T, *long.T, before / earlier, after / before], axis=1)
    logs: Array = np.log(np.maximum(ratios, 1e-3))
    return logs


def _irregular(before: Array) -> Array:
    """Return logarithms of the mean change of the intervals' logarithm over the last beats, shape (n, 2)."""
    logs = np.log(before)
    changes = np.minimum(np.abs(np.diff(logs, prepend=logs[0])), _LARGEST)
    total, ends = np.concatenate([[0.0], np.cumsum(changes)]), np.arange(1, len(before) + 1)
    starts = [np.maximum(0, ends - count) for count in _IRREGULAR]
    means: Array = np.stack([(total[ends] - total[start]) / (ends - start) for start in starts], axis=1)
    return np.log(means + 0.01)


def _form(beats: Array, usual: Array) -> Array:
    """Return the columns of `FORM`, each beat compared with the running mean before it."""
    parts = [likeness(beats, usual, part) for part in (_WHOLE, P, _QRS, _T)]
    main = size(usual, _QRS)
    for part in (P, _QRS, _T):
        parts += [np.log(size(beats, part) / size(usual, part)), np.log(size(beats - usual, part) / main)]
    for measure, floor in ((width, 0.1), (area, 0.1)):
        mine, other = measure(beats) + floor, measure(usual) + floor
        parts += [np.log(mine), np.log(mine / other)]
    parts.append(np.log((np.ptp(beats, axis=1) + 0.05) / (np.ptp(usual, axis=1) + 0.05)))
    return np.stack(parts, axis=1)


def likeness(beats: Array, usual: Array, part: slice) -> Array:
    """Return the correlation of a part of each beat with the usual one."""
    mine, other = (signals[:, part] - signals[:, part].mean(axis=1, keepdims=True) for signals in (beats, usual))
    correlation: Array = (mine * other).sum(axis=1) / np.sqrt((mine**2).sum(axis=1) * (other**2).sum(axis=1) + 1e-6)
    return correlation


def size(beats: Array, part: slice) -> Array:
    """Return the standard deviation of a part of each beat, in mV."""
    deviation: Array = np.sqrt(beats[:, part].var(axis=1) + 1e-4)
    return deviation


def width(beats: Array) -> Array:
    """Return the standard deviation of the places of steep slopes around the R peak."""
    steep = np.abs(np.diff(beats[:, 12:36], axis=1))
    places, total = np.arange(steep.shape[1]), steep.sum(axis=1) + 1e-6
    middle = (steep * places).sum(axis=1) / total
    deviation: Array = np.sqrt((steep * (places - middle[:, None]) ** 2).sum(axis=1) / total)
    return deviation


def area(beats: Array) -> Array:
    """Return the area around the R peak as a multiple of the largest height."""
    heights = np.abs(beats[:, WIDE] - np.median(beats, axis=1)[:, None])
    ratio: Array = heights.sum(axis=1) / (heights.max(axis=1) + 1e-3)
    return ratio


def _unusual(values: Array) -> Array:
    """Return values less their running mean, as multiples of their running mean deviation; the first row is 0."""
    mean, spread = values[0].copy(), np.full(values.shape[1], 3 * _FLOOR)
    deviations = np.empty_like(values)
    for number, row in enumerate(values):
        deviations[number] = (row - mean) / (spread + _FLOOR)
        changed = np.clip(row - mean, -_CLIP * (spread + _FLOOR), _CLIP * (spread + _FLOOR))
        mean = mean + max(_RATE, 1 / (number + 2)) * changed
        spread = spread + max(_RATE, 1 / (number + 10)) * (np.abs(changed) - spread)
    return np.clip(deviations, -_FARTHEST, _FARTHEST)

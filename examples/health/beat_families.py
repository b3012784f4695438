"""Columns of heartbeats that compare a beat with families of alike beats, formed online from the beats before it.

Beats of one origin look alike. The mean of a family is less noisy than one beat, and the largest family is the wearer's
usual beat also where premature ones are many, which a mean over all beats mixes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

import beat_columns as columns
import beat_habits as habits
from edgewright.core.records.data import Floats

Array = NDArray[np.float64]
# Families of a record at most, and the likeness to its mean from which on a beat belongs to one.
_MAX_FAMILIES, _ALIKE = 6, 0.9
# Weight of a beat in its family's mean at least, and the share of a family's size that each beat of the record takes.
_RATE, _FORGOTTEN = 0.02, 1 / 500
# Beats over which an interval is compared with the median, its deviation at least, and the largest value.
_SPANS, _FLOOR, _FARTHEST, _LAGS = (20, 80), 0.02, 12.0, (1, 2, 3)
FAMILIES = (
    "family_share", "usual_family_share", "in_usual_family", "family_likeness", "usual_family_likeness",
    "usual_family_change", "usual_family_likeness_p", "usual_family_change_p", "family_width", "family_area",
    "family_interval", "family_next_interval", "family_interval_long", "family_next_interval_long",
)  # fmt: skip
_SIDES = ("interval", "next_interval")
MEDIANS = (
    *(
        name
        for span in _SPANS
        for name in (
            *(f"{side}_median_{span}" for side in _SIDES), *(f"{side}_deviations_{span}" for side in _SIDES),
            f"deviation_{span}", *(f"{side}_rank_{span}" for side in _SIDES),
        )
    ),
    *(f"interval_median_before_{lag}" for lag in _LAGS), "both_intervals_median",
)  # fmt: skip


class Members(NamedTuple):
    """What the families of a record were at each beat, before that beat counted.

    Attributes:
        own, usual: means of the beat's family and of the largest one, shape (n, samples).
        shares: of the beats before, in the own family and in the largest, shape (n, 2).
        same: whether both are one, shape (n,).
        likeness: to the own family, 0 for the first beat, shape (n,).
        rhythm: mean of the family's rows of the rhythm, the beat's own included, shape (n, columns).
    """

    own: Array
    usual: Array
    shares: Array
    same: Array
    likeness: Array
    rhythm: Array


def families(beats: Floats, seconds: Array) -> Floats:
    """Return the columns of `FAMILIES` for the beats of a record.

    Args:
        beats: means of `_beat_habits.AVERAGE` samples each, shape (n, 50).
        seconds: times of their R peaks, shape (n,).

    Returns:
        Shape (n, columns). A row takes the interval to the next R peak, and nothing after that.
    """
    level = columns.level(beats).astype(np.float64)
    of = members(level, habits.rhythm(*columns.intervals(seconds))[:, 1:5])
    main = habits.size(of.usual, habits.WIDE)
    parts = [*np.log(of.shares).T, of.same, of.likeness, habits.likeness(level, of.usual, habits.WIDE)]
    parts.append(np.log(habits.size(level - of.usual, habits.WIDE) / main))
    parts.append(habits.likeness(level, of.usual, habits.P))
    parts.append(np.log(habits.size(level - of.usual, habits.P) / main))
    parts += [np.log((measure(of.own) + 0.1) / (measure(of.usual) + 0.1)) for measure in (habits.width, habits.area)]
    table: Floats = np.stack([*parts, *of.rhythm.T], axis=1).astype(np.float32)
    return table


def members(level: Array, rhythm: Array) -> Members:
    """Assign each beat to the family it is most alike, or to a new one, which takes the place of the smallest.

    Args:
        level: beats without their own mean, shape (n, samples).
        rhythm: values of each beat whose mean over its family is kept, shape (n, columns).
    """
    count = len(level)
    own, usual = np.empty_like(level), np.empty_like(level)
    shares, likeness, rhythms = np.empty((count, 2)), np.zeros(count), np.empty_like(rhythm)
    same = np.empty(count)
    means, middles = (
        np.zeros((_MAX_FAMILIES, level.shape[1])),
        np.zeros((_MAX_FAMILIES, level[:, habits.WIDE].shape[1])),
    )
    sizes, sums, used = np.zeros(_MAX_FAMILIES), np.zeros((_MAX_FAMILIES, rhythm.shape[1])), 0
    peaks = level[:, habits.WIDE] - level[:, habits.WIDE].mean(axis=1, keepdims=True)
    for number, beat in enumerate(level):
        family, best = 0, 0.0
        if used:
            alike = _alike(peaks[number], middles[:used])
            family = int(alike.argmax())
            best = float(alike[family])
        if best < _ALIKE:
            family = used if used < _MAX_FAMILIES else int(sizes.argmin())
            used = max(used, family + 1)
            means[family], sizes[family], sums[family] = beat, 0.0, 0.0
        largest, total = int(sizes[:used].argmax()), sizes.sum() + 1
        own[number], usual[number], likeness[number] = means[family], means[largest], best
        shares[number] = (sizes[family] + 0.5) / total, (sizes[largest] + 0.5) / total
        same[number] = family == largest
        rhythms[number] = (sums[family] + rhythm[number]) / (sizes[family] + 1)
        means[family] += max(_RATE, 1 / (sizes[family] + 1)) * (beat - means[family])
        middles[family] = means[family, habits.WIDE] - means[family, habits.WIDE].mean()
        sizes, sums = sizes * (1 - _FORGOTTEN), sums * (1 - _FORGOTTEN)
        sizes[family] += 1
        sums[family] += rhythm[number]
    return Members(own, usual, shares, same, likeness, rhythms)


def _alike(peak: Array, middles: Array) -> Array:
    """Return how alike a beat is to each mean, shape (families,): 1 is equal in shape and in size.

    The smaller of the correlation and of one less half the squared distance, as a share of the larger one's square.
    """
    product, mine, other = middles @ peak, peak @ peak, (middles**2).sum(axis=1)
    correlation = product / np.sqrt(mine * other + 1e-6)
    distance = (mine + other - 2 * product) / (np.maximum(mine, other) + 1e-6)
    smaller: Array = np.minimum(correlation, 1 - distance / 2)
    return smaller


def medians(seconds: Array) -> Floats:
    """Return the columns of `MEDIANS`: intervals against the median of those before, which a few do not move.

    Args:
        seconds: times of R peaks, shape (n,).

    Returns:
        Shape (n, columns): logarithms of the interval before and of the next one less the median of logarithms, the
        same in median deviations, the deviation's logarithm, and shares of shorter intervals, over each of `_SPANS`;
        then what the beats before had, and both intervals together.
    """
    before, after = columns.intervals(seconds)
    sides, parts = (np.log(before), np.log(after)), []
    for span in _SPANS:
        last = sliding_window_view(np.concatenate([np.full(span - 1, sides[0][0]), sides[0]]), span)
        median = np.median(last, axis=1)
        deviation = np.median(np.abs(last - median[:, None]), axis=1) + _FLOOR
        parts += [side - median for side in sides]
        parts += [(side - median) / deviation for side in sides]
        parts += [np.log(deviation), *((last < side[:, None]).mean(axis=1) for side in sides)]
    share = sides[0] - median
    parts += [np.concatenate([np.zeros(lag), share])[: len(share)] for lag in _LAGS]
    parts.append(np.log((before + after) / 2) - median)
    table: Floats = np.clip(np.stack(parts, axis=1), -_FARTHEST, _FARTHEST).astype(np.float32)
    return table

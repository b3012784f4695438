"""`own_past` on NAB: one setting for all streams, and settings chosen on other families of streams than those scored.

The choice looks at the streams of its families as they are, backwards, and at every second row of each (both halves):
what is good on one of these alone is chance. What is scored is the family that was left out, as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from alarm_scores import Series, Weights, Worth, normalised, worth
from edgewright.core.errors import InputError
from edgewright.monitor.detector_stream import pause
from edgewright.monitor.detectors.own_past import Channel, OwnPast, OwnPastConfig, fit
from edgewright.workflows.detection.threshold import episodes

# Rows without another alarm, as a share of those seen: the one setting that belongs to the file of a detector.
REST = 0.05
# What the choice may choose from: weights of the means, and of the short mean of the distances.
PACES = ((1 / 8, 1 / 16, 1 / 1000), (1 / 64, 1 / 50, 1 / 2000))
SHORTS = (0.1, 0.2)
DAYS = (False, True)
COUNTED = ("mean square", "largest")
# How far outside the range is odd, and what leaks from it.
RANGES = ((0.1, 0.5), (0.2, 0.5), (0.4, 0.5), (0.2, 1.0))
RESTS = (0.03, 0.05, 0.08)
LIMITS = tuple(np.geomspace(1.0, 10.0, 24).tolist())
# How much each form of the streams counts in the choice.
FORMS = {"as they are": 1.0, "backwards": 1.0, "every second row": 0.5, "every other second row": 0.5}
Array = NDArray[np.float64]


@dataclass(frozen=True)
class LeftOut:
    """Scores of families by settings that were chosen on the others.

    Attributes:
        score: of all streams, each scored by the setting chosen without its family.
        each: score of each family, by name.
        windows: labelled in each family.
        same: how many of the choices are the setting that is chosen on all families.
        settings: how many were tried.
    """

    score: float
    each: dict[str, float]
    windows: dict[str, int]
    same: int
    settings: int


def scores(series: Series, config: OwnPastConfig) -> Array:
    """Return scores of a stream by the detector from a fresh start, as a device computes them; 0 while it learns."""
    learnt = fit(config, np.zeros((1, 1), np.float32), np.zeros(1))
    own = OwnPast(learnt).update(series.values.astype(np.float32)[:, None], series.time)
    return np.nan_to_num(own)


def alarms(scores: Array, rest: float = REST) -> NDArray[np.bool_]:
    """Return rows that raise an alarm at the threshold 1."""
    rows = np.zeros(len(scores), np.bool_)
    rows[[row for row, _ in episodes(scores >= 1, rest)]] = True
    return rows


def family(name: str) -> str:
    """Of a stream: its folder, where both folders of artificial streams are one."""
    folder = name.split("/", maxsplit=1)[0]
    return "artificial" if folder.startswith("artificial") else folder


def left_out(given: Sequence[Series], weights: Weights, advance: Callable[[int], None] = lambda _: None) -> LeftOut:
    """Judge each family by the setting that is best on the others, in the mean with the next limits below and above.

    Args:
        given: streams of several families.
        weights: of alarms.
        advance: hears of each stream in each of the `FORMS`.

    Raises:
        InputError: one family, or one without a labelled window.
    """
    names = [family(series.name) for series in given]
    if len(set(names)) < 2:
        raise InputError("streams of two families", "one", "the data", "Put the files of a family into one folder")
    forms = {form: _columns([_as(series, form) for series in given], weights, advance) for form in FORMS}
    whole, windows = forms["as they are"]
    best = _chosen(forms, names, "")
    total, same, each, counts = 0.0, 0, {}, {}
    for excluded in dict.fromkeys(names):
        own = [index for index, name in enumerate(names) if name == excluded]
        if not windows[own].any():
            raise InputError("a labelled window in each family", "none", excluded, "Leave its streams out")
        setting = _chosen(forms, names, excluded)
        result = float(whole[setting, own].sum())
        counts[excluded] = int(windows[own].sum())
        each[excluded] = normalised(result, counts[excluded], weights)
        total += result
        same += setting == best
    return LeftOut(normalised(total, int(windows.sum()), weights), each, counts, same, len(whole))


def _chosen(forms: dict[str, tuple[Array, Array]], names: Sequence[str], family: str) -> int:
    """Return the setting with the largest score of all families but one, in the weighted mean of the forms."""
    others = [index for index, name in enumerate(names) if name != family]
    mean = np.zeros(len(next(iter(forms.values()))[0]))
    for form, (table, windows) in forms.items():
        count = float(windows[others].sum())
        mean += FORMS[form] * (table[:, others].sum(1) + count) / count
    by_limit = mean.reshape(-1, len(LIMITS))
    smooth = (by_limit[:, :-2] + by_limit[:, 1:-1] + by_limit[:, 2:]) / 3
    row, location = np.unravel_index(int(smooth.argmax()), smooth.shape)
    return int(row) * len(LIMITS) + int(location) + 1


def _as(series: Series, form: str) -> Series:
    """Return the stream in another form, with what is left of its windows."""
    rows = len(series.time)
    if form == "as they are":
        return series
    if form == "backwards":
        windows = tuple((rows - 1 - last, rows - 1 - first) for first, last in reversed(series.windows))
        return Series(series.name, series.time, np.ascontiguousarray(series.values[::-1]), windows)
    begin = 0 if form == "every second row" else 1
    kept = np.arange(begin, rows, 2)
    inside = [np.flatnonzero((kept >= first) & (kept <= last)) for first, last in series.windows]
    windows = tuple((int(w[0]), int(w[-1])) for w in inside if len(w) > 4)
    return Series(series.name, series.time[kept], series.values[kept], windows)


def _columns(given: Sequence[Series], weights: Weights, advance: Callable[[int], None]) -> tuple[Array, Array]:
    """Raw score of every setting on every stream, shape (settings, streams), and the windows of each stream."""
    values = [worth(len(s.time), s.windows, weights) for s in given]
    columns = []
    for series, value in zip(given, values, strict=True):
        columns.append(_column(series, value, weights))
        advance(1)
    return np.stack(columns, 1), np.array([value.windows for value in values], np.float64)


def _column(series: Series, value: Worth, weights: Weights) -> Array:
    """Raw score of every setting on one stream, in the order of the products below."""
    measured = {pace: [_measured(series, pace, short) for short in SHORTS] for pace in PACES}
    outside = {0.5: measured[PACES[0]][0][0], 1.0: measured[PACES[0]][1][0]}
    out = []
    for pace, short, day, counted in product(PACES, range(len(SHORTS)), DAYS, COUNTED):
        far = measured[pace][short][1][:, : 3 if day else 2]
        unusual = np.nanmax(far, 1) if counted == "largest" else np.sqrt(np.nanmean(far * far, 1))
        for beyond, leak in RANGES:
            ranged = np.where(outside[leak] >= beyond, np.inf, unusual)
            ranged[: OwnPastConfig().warm_up] = 0
            # What is below the lowest limit is never an alarm.
            odd = np.flatnonzero(ranged >= LIMITS[0])
            for rest in RESTS:
                out += [_score(odd[ranged[odd] >= limit], rest, value, weights) for limit in LIMITS]
    return np.array(out)


def _measured(series: Series, pace: tuple[float, float, float], short: float) -> tuple[Array, Array]:
    """Widths outside the range, (rows,), and deviations of the distances, (rows, 3), NaN where one is not known."""
    near, fast, slow = pace
    leak = 0.5 if short == SHORTS[0] else 1.0
    config = OwnPastConfig(near=near, fast=fast, slow=slow, short=short, leak=leak)
    running = OwnPast(fit(config, np.zeros((1, 1), np.float32), np.zeros(1)))
    outside, far, channel = np.empty(len(series.time)), np.full((len(series.time), 3), np.nan), Channel(config.bins)
    for row, (x, time) in enumerate(zip(series.values.astype(np.float32).tolist(), series.time.tolist(), strict=True)):
        outside[row], known = running.measured(channel, x, time)
        far[row, : len(known)] = known
    return outside, far


def _score(odd: NDArray[np.int64], rest: float, value: Worth, weights: Weights) -> float:
    """As `early_alarms.score`, from the rows that are odd."""
    best: dict[int, float] = {}
    false, at = 0.0, 0
    while at < len(odd):
        row = int(odd[at])
        window, gain = int(value.window[row]), float(value.gain[row])
        if window >= 0:
            best[window] = max(best.get(window, -weights.missed), gain)
        elif window == -1:
            false += gain
        at = int(np.searchsorted(odd, row + 1 + pause(rest, row + 1)))
    return false + sum(best.values()) - weights.missed * (value.windows - len(best))

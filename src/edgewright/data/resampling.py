"""Sampling rates of recordings: one that they share, or several, which are averaged to the lowest."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.units import (
    STANDING,
    TOLERANCE,
    differs,
    gap_length,
    is_other_rate,
    other_rate,
    pace,
    rate_of,
)
from edgewright.core.csv.header import column_name, fields
from edgewright.core.errors import DataWarning, RateDiffersError
from edgewright.core.formatting import plural, some_of
from edgewright.core.records.data import DataSet, Floats, Recording
from edgewright.data.clock import tidy_rate
from edgewright.data.targets import as_text, labelled, task_of

KEY = "resample"
"""Key of [data]: rows a second that recordings of more are averaged to."""
MOST_APART = 4.0
"""Recordings that are so many times as fast as others are not averaged to their rate unless [data] says so."""
# Share of steps within a tenth of the median, below which times are those of events: exponential steps have .07, a
# recorder that loses seven rows of ten .21.
_EVEN, _NEAR, _FEWEST = 0.15, 0.1, 20


def at_one_rate(dataset: DataSet) -> DataSet:
    """Return recordings of one rate; where theirs differ, all have the lowest, and a warning says so.

    A rate that is given counts for all of them, and a public set knows its own.

    Raises:
        InputError: as `averaged`.
    """
    rate = lowest_rate(dataset)
    if rate is None:
        return dataset
    dataset = averaged(dataset, rate)
    warnings.warn(f"{dataset.name}: {resampled_text(rate)} ({KEY} = {rate:g} in [data])", DataWarning, 2)
    return dataset


def averaged(dataset: DataSet, rate: float) -> DataSet:
    """Return recordings at the lowest of their rates, which nobody set.

    Raises:
        InputError: recordings of uneven times, which have no rate, or of a rate that is far above the lowest.
    """
    do = f"Set {KEY} in [data] to average rows to so many a second, or judge each row alone (init --decision row)"
    for names, times in _sessions(dataset.recordings):
        if (share := _even_share(times)) < _EVEN:
            raise RateDiffersError("times at even steps, to average recordings of several rates to one",
                             f"uneven times: {share:.0%} of the steps are within {_NEAR:.0%} of the median",
                             f"{dataset.name}, {names[-1]}", do)  # fmt: skip
    rates = _rates(dataset, rate)
    slow, fast = min(rates, default=(rate, "")), max(rates, default=(rate, ""))
    if fast[0] > MOST_APART * (1 + OTHER_RATE) * rate:
        raise RateDiffersError(f"rates that differ by a factor of at most {MOST_APART:g}, to average recordings to one",
                         f"{pace(slow[0])} in {slow[1]}, {pace(fast[0])} in {fast[1]}", dataset.name,
                         f"Leave recordings of one of these rates out. {do}")  # fmt: skip
    return resampled(dataset, rate)


def framing_rate(dataset: DataSet, rate: float) -> float:
    """Return the rate that frames a decision: `rate`, or the median of rates too far apart to be averaged to it."""
    rates = sorted(own for own, _ in _rates(dataset, rate))
    return rates[len(rates) // 2] if rates and rates[-1] > MOST_APART * (1 + OTHER_RATE) * rate else rate


def _rates(dataset: DataSet, rate: float) -> list[tuple[float, str]]:
    """Return rate and name of the sessions that have `rate` or, by enough steps, another one."""
    return [(own, names[-1]) for names, times in _sessions(dataset.recordings) if (own := rate_of(times)) is not None
            and (abs(own / rate - 1) <= OTHER_RATE or is_other_rate(times, rate, OTHER_RATE))]  # fmt: skip


def _even_share(times: NDArray[np.float64]) -> float:
    """Return the share of steps that are near the median; 1 for a few steps, and for a coarse clock."""
    steps = np.diff(times)
    moved = steps[steps > 0]
    if len(moved) < _FEWEST or len(steps) - len(moved) > STANDING * len(steps):
        return 1.0
    return float(np.mean(np.abs(moved / np.median(moved) - 1) <= _NEAR))


def resampled_text(rate: float) -> str:
    """Return what happened to recordings, in a sentence without its end."""
    return f"faster recordings are averaged to {pace(rate)}"


def resampled(dataset: DataSet, rate: float) -> DataSet:
    """Return recordings at a rate: rows that come faster are averaged over each step, others stay as they are.

    Values and amounts are means of what is there. A label, be it text or number, is that of most labelled rows; so is
    the text that columns are made of. Averages cross no recording, person or gap.

    Args:
        dataset: whose rows carry times.
        rate: rows a second.

    Raises:
        InputError: recordings without times, or with fewer rows a second.
    """
    classes = _are_classes(dataset.recordings)
    recordings = tuple(_recording(recording, rate, classes, dataset) for recording in dataset.recordings)
    if classes:
        _warn_of_lost(_label_counts(dataset.recordings), _label_counts(recordings), dataset.name, rate)
    return msgspec.structs.replace(dataset, recordings=recordings, rate=rate)


def _are_classes(recordings: Sequence[Recording]) -> bool:
    """Return whether the targets of all recordings together are classes, which have no mean."""
    known = [np.asarray(recording.target) for recording in recordings if recording.target is not None]
    if any(target.dtype.kind not in "fiu" for target in known):
        return True
    return bool(known) and task_of(np.concatenate([np.unique(target) for target in known])) == "classification"


def _label_counts(recordings: Sequence[Recording]) -> Counter[str]:
    """Return the number of rows of each label."""
    counts: Counter[str] = Counter()
    for recording in recordings:
        if recording.target is not None:
            names, rows = np.unique(recording.target, return_counts=True)
            counts.update(dict(zip(as_text(names).tolist(), rows.tolist(), strict=True)))
    return counts


def _warn_of_lost(before: Counter[str], after: Counter[str], where: str, rate: float) -> None:
    """Warn of labels that no row has any more."""
    lost = [f"{name!r} ({plural(rows, 'row')})" for name, rows in before.items() if name and name not in after]
    if lost:
        sentence = f"no row has the label {some_of(lost)} any more, because rows are averaged to {pace(rate)}"
        warnings.warn(f"{where}: {sentence}; mark longer stretches, or leave slower recordings out", DataWarning, 3)


def _recording(recording: Recording, rate: float, classes: bool, dataset: DataSet) -> Recording:
    """Return one recording of a set at a rate; `classes` says that its target has no mean."""
    where = dataset.name
    if recording.time is None:
        do = f"Name the column of times: time in [data]. Or leave {KEY} out"
        raise RateDiffersError("times of rows, to average them", "none", f"{where}, {recording.name}", do)
    times = np.asarray(recording.time, np.float64)
    # The step of its recording that each row lies in, counted through; below 0 for a row that stays as it is.
    steps, begins = np.full(len(times), -1, np.int64), np.zeros(len(times))
    order: list[_Rows] = []
    for names, rows in sessions_of(recording):
        order.append(rows)
        own = rate_of(times[rows])
        if own is None or not is_other_rate(times[rows], rate, OTHER_RATE):
            continue
        if own < rate:
            raise RateDiffersError(f"recordings of at least {pace(rate)}, as {KEY} in [data] says", pace(own),
                             f"{where}, {names[-1]}", f"Lower {KEY}, or leave the recording out")  # fmt: skip
        for stretch in _stretches(times, rows):
            begins[stretch] = times[stretch[0]]
            seconds = times[stretch] - times[stretch[0]]
            # A coarse clock gives many rows one time; its rate tells where they lie.
            if np.count_nonzero(np.diff(seconds) == 0) > STANDING * (len(seconds) - 1):
                seconds = np.arange(len(seconds)) / own
            # Half a step of the recording off, so that no row lies where two steps meet.
            steps[stretch] = np.floor(seconds * rate + 0.5 * rate / own)
    if (steps < 0).all():
        return recording
    target = None if recording.target is None else np.asarray(recording.target)
    chosen = np.concatenate(order)
    steps, begins = steps[chosen], begins[chosen]
    new = np.append(True, (steps[1:] != steps[:-1]) | (begins[1:] != begins[:-1]) | (steps[1:] < 0))
    new[np.cumsum([0, *map(len, order[:-1])])] = True
    first = np.flatnonzero(new)
    first_rows = chosen[first]
    return msgspec.structs.replace(
        recording,
        values=_values(np.asarray(recording.values[:])[chosen], [c.name for c in dataset.columns], new, first),
        target=None
        if target is None
        else _labels(target[chosen], new, first)
        if classes
        else _means(target[chosen], first),
        groups=None if recording.groups is None else recording.groups[first_rows],
        sessions=None if recording.sessions is None else recording.sessions[first_rows],
        time=np.where(steps[first] < 0, times[first_rows], begins[first] + steps[first] / rate),
    )


def _stretches(times: NDArray[np.float64], rows: _Rows) -> list[_Rows]:
    """Return the rows of a session in stretches whose times neither jump nor fall back."""
    steps = np.diff(times[rows])
    return np.split(rows, np.flatnonzero((steps < 0) | (steps > gap_length(steps))) + 1)


def _values(rows: NDArray[Any], names: Sequence[str], new: NDArray[np.bool_], first: _Rows) -> Floats:
    """Return means of readings; of the columns that are made of a text, that of most rows is 1."""
    means = _means(rows, first)
    for text, texts in fields(names).items():
        columns = np.array([names.index(column_name(text, value)) for value in texts], np.int64)
        marks = np.nan_to_num(rows[:, columns])
        if len(columns) and np.isin(marks, (0, 1)).all():
            codes = _labels(np.where(marks.any(axis=1), marks.argmax(axis=1), np.nan), new, first)
            known = np.flatnonzero(labelled(codes))
            means[np.ix_(known, columns)] = codes[known, None] == np.arange(len(columns))
    return means.astype(np.float32)


def _means(values: NDArray[Any], first: _Rows) -> NDArray[np.float64]:
    """Return means of the values that are there, of the rows from each first one on; NaN where there is none."""
    there = np.isfinite(values)
    count = np.add.reduceat(there, first, axis=0, dtype=np.int64)
    total = np.add.reduceat(np.where(there, values, 0.0), first, axis=0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _labels(target: NDArray[Any], new: NDArray[np.bool_], first: _Rows) -> NDArray[Any]:
    """Return the label that most labelled rows of each step have, that of its first row among equals."""
    step_index = np.cumsum(new) - 1
    names, codes = np.unique(target, return_inverse=True)
    pairs, counts = np.unique(step_index * len(names) + codes, return_counts=True)
    of, code = np.divmod(pairs, len(names))
    weight = (2 * counts + (code == codes[first][of])) * labelled(names)[code]
    best = np.lexsort((weight, of))[np.append(np.flatnonzero(np.diff(of)), len(of) - 1)]
    return np.asarray(names[code[best]])


OTHER_RATE = 0.07
"""Recordings whose rates differ by more have other sensors or settings. Less than what `predict` takes: a file that
trains is one that is answered."""
# Sessions of a file that are looked at, from its first to its last.
_LOOKED_AT = 1000
# Steps of a block, in which a rate that changes shows; and the share of them that are alike where a block has a rate.
_STEPS, _ALIKE = 1000, 0.5
_Times = NDArray[np.float64]
_Rows = NDArray[np.int64]


def one_rate(recordings: Sequence[Recording]) -> float | None:
    """Return the rate that sessions share by their times; None where they have several, or carry no times."""
    times = [time for _, time in _sessions(recordings, _LOOKED_AT)]
    if all(len(time) < 2 for time in times):
        # Sessions of one row each: the whole recording tells.
        times = [recording.time for recording in recordings if recording.time is not None]
    rates = [rate for time in times if (rate := rate_of(time)) is not None]
    if not rates:
        return None
    middle = float(np.median(rates))
    if any(is_other_rate(time, middle, OTHER_RATE) or _other_block(time, middle) is not None for time in times):
        return None
    return tidy_rate(middle)


def lowest_rate(dataset: DataSet) -> float | None:
    """Return the lowest of several rates of recordings; None where they share one, where it is given, or is unknown.

    Rows that were lost one by one are no lower rate.

    Raises:
        InputError: a session whose rate changes, which has no rate that its rows could be averaged to.
    """
    if dataset.rate is not None or dataset.citation or one_rate(dataset.recordings) is not None:
        return None
    rates = []
    for names, time in _sessions(dataset.recordings, _LOOKED_AT):
        if (rate := rate_of(time)) is not None:
            _refuse_change(time, rate, f"{dataset.name}, {', '.join(names)}")
            rates.append((rate, time))
    if not rates:
        return None
    fastest = max(rate for rate, _ in rates)
    slower = [rate for rate, time in rates if is_other_rate(time, fastest, OTHER_RATE)]
    lowest = min(slower, default=fastest)
    return tidy_rate(float(np.median([rate for rate in slower if rate <= lowest * (1 + OTHER_RATE)] or [fastest])))


def is_at_rate(dataset: DataSet, rate: float) -> bool:
    """Return whether no session has another rate by its times, as `predict` judges it: lost rows are none."""
    return not any(is_other_rate(time, rate, TOLERANCE) for _, time in _sessions(dataset.recordings, _LOOKED_AT))


def refuse_other_rates(dataset: DataSet, rate: float | None) -> None:
    """Refuse recordings at another rate than in training; rows that were lost one by one are none, as for `predict`.

    Args:
        dataset: recordings.
        rate: rows a second in training; None refuses nothing.

    Raises:
        InputError: naming both rates.
    """
    if not rate or not dataset.rate or not differs(rate, dataset.rate):
        return
    by_times = one_rate(dataset.recordings)
    is_stated = by_times is None or differs(by_times, dataset.rate)
    if is_stated or not is_at_rate(dataset, rate):
        raise other_rate(rate, dataset.rate, dataset.name)


def sessions_of(recording: Recording, maximum: int | None = None) -> Iterator[tuple[tuple[str, ...], _Rows]]:
    """Yield names and rows of each session of each person, in the order in which they begin.

    Args:
        recording: whose groups and sessions tell; one without them is a session of its own name.
        maximum: so many between the first and the last one; all when None.
    """
    keys = [names for names in (recording.groups, recording.sessions) if names is not None]
    if not keys:
        yield (recording.name,), np.arange(len(recording.values))
        return
    codes = np.stack([np.unique(names, return_inverse=True)[1] for names in keys], axis=1)
    _, begins, inverse = np.unique(codes, axis=0, return_index=True, return_inverse=True)
    rows = np.split(np.argsort(inverse.ravel(), kind="stable"), np.cumsum(np.bincount(inverse.ravel()))[:-1])
    order = np.argsort(begins)
    if maximum is not None:
        order = order[np.linspace(0, len(order) - 1, min(len(order), maximum)).astype(np.int64)]
    for session in order:
        yield tuple(str(names[begins[session]]) for names in keys), rows[session]


def _sessions(recordings: Sequence[Recording], maximum: int | None = None) -> Iterator[tuple[tuple[str, ...], _Times]]:
    """Yield names and times of each session of each person, or of so many between the first and the last one."""
    for recording in recordings:
        if recording.time is not None:
            for names, rows in sessions_of(recording, maximum):
                yield names, np.asarray(recording.time[rows], np.float64)


def _other_block(time: _Times, rate: float) -> float | None:
    """Return the rate of the first block of steps that has another one, as `predict` would refuse it; None for none."""
    for end in range(_STEPS, len(time) + _STEPS - 1, _STEPS) if len(time) > _STEPS + 1 else ():
        last = min(end, len(time) - 1)
        block = time[last - _STEPS : last + 1]
        own = rate_of(block)
        if own is None or not is_other_rate(block, rate, TOLERANCE):
            continue
        # Events at random times have no rate that could change.
        if np.mean(np.abs(np.diff(block) * own - 1) <= TOLERANCE) >= _ALIKE:
            return own
    return None


def _refuse_change(time: _Times, rate: float, where: str) -> None:
    """Refuse a session whose rate changes.

    Raises:
        InputError: naming both rates.
    """
    if (other := _other_block(time, rate)) is not None:
        do = "Set session in [data] to a column that has another value where the rate changes, or remove those rows"
        raise RateDiffersError("one sampling rate in each recording", f"{pace(rate)} and {pace(other)}", where, do)

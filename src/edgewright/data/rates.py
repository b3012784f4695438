"""Sampling rates of recordings: one that they share, or several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.rates import TOLERANCE, differs, is_other_rate, other_rate, pace, rate_of
from edgewright.data.clock import tidy_rate
from edgewright.schema.data import DataSet, Recording
from edgewright.schema.errors import InputError

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
    times = [time for _, time in _sessions(recordings)]
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
    for name, time in _sessions(dataset.recordings):
        if (rate := rate_of(time)) is not None:
            _refuse_change(time, rate, f"{dataset.name}, {name}")
            rates.append((rate, time))
    if not rates:
        return None
    fastest = max(rate for rate, _ in rates)
    slower = [rate for rate, time in rates if is_other_rate(time, fastest, OTHER_RATE)]
    lowest = min(slower, default=fastest)
    return tidy_rate(float(np.median([rate for rate in slower if rate <= lowest * (1 + OTHER_RATE)] or [fastest])))


def is_at_rate(dataset: DataSet, rate: float) -> bool:
    """Return whether no session has another rate by its times, as `predict` judges it: lost rows are none."""
    return not any(is_other_rate(time, rate, TOLERANCE) for _, time in _sessions(dataset.recordings))


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


def sessions_of(recording: Recording, most: int | None = None) -> Iterator[tuple[tuple[str, ...], _Rows]]:
    """Yield names and rows of each session of each person, in the order in which they begin.

    Args:
        recording: whose groups and sessions tell; one without them is a session of its own name.
        most: so many between the first and the last one; all when None.
    """
    keys = [names for names in (recording.groups, recording.sessions) if names is not None]
    if not keys:
        yield (recording.name,), np.arange(len(recording.values))
        return
    codes = np.stack([np.unique(names, return_inverse=True)[1] for names in keys], axis=1)
    _, begins, inverse = np.unique(codes, axis=0, return_index=True, return_inverse=True)
    rows = np.split(np.argsort(inverse.ravel(), kind="stable"), np.cumsum(np.bincount(inverse.ravel()))[:-1])
    order = np.argsort(begins)
    if most is not None:
        order = order[np.linspace(0, len(order) - 1, min(len(order), most)).astype(np.int64)]
    for place in order:
        yield tuple(str(names[begins[place]]) for names in keys), rows[place]


def _sessions(recordings: Sequence[Recording]) -> Iterator[tuple[str, _Times]]:
    """Yield name and times of each session of each person, or of so many between the first and the last one."""
    for recording in recordings:
        if recording.time is not None:
            for names, rows in sessions_of(recording, _LOOKED_AT):
                yield ", ".join(names), recording.time[rows]


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
        raise InputError("one sampling rate in each recording", f"{pace(rate)} and {pace(other)}", where, do)

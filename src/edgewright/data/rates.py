"""Sampling rates of recordings: one that they share, or several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.rates import is_other_rate, rate_of
from edgewright.data.clock import tidy_rate
from edgewright.schema.data import DataSet, Recording

OTHER_RATE = 0.07
"""Recordings whose rates differ by more have other sensors or settings. Less than what `predict` takes: a file that
trains is one that is answered."""
# Sessions of a file that are looked at.
_LOOKED_AT = 200


def one_rate(recordings: Sequence[Recording]) -> float | None:
    """Return the rate that recordings share by their times; None where they have several, or carry no times."""
    rates = [rate for r in recordings if r.time is not None and (rate := rate_of(r.time)) is not None]
    if not rates:
        return None
    middle = float(np.median(rates))
    if any(is_other_rate(time, middle, OTHER_RATE) for time in _times(recordings)):
        return None
    return tidy_rate(middle)


def lowest_rate(dataset: DataSet) -> float | None:
    """Return the lowest of several rates of recordings; None where they share one, where it is given, or is unknown.

    Rows that were lost one by one are no lower rate.
    """
    if dataset.rate is not None or dataset.citation or one_rate(dataset.recordings) is not None:
        return None
    rates = [(rate, time) for time in _times(dataset.recordings) if (rate := rate_of(time)) is not None]
    if not rates:
        return None
    fastest = max(rate for rate, _ in rates)
    slower = [rate for rate, time in rates if is_other_rate(time, fastest, OTHER_RATE)]
    lowest = min(slower, default=fastest)
    return tidy_rate(float(np.median([rate for rate in slower if rate <= lowest * (1 + OTHER_RATE)] or [fastest])))


def _times(recordings: Sequence[Recording]) -> Iterator[NDArray[np.float64]]:
    """Yield the times of recordings, or of the sessions of one that has several."""
    for recording in recordings:
        names, times = recording.sessions, recording.time
        if times is None:
            continue
        if names is None:
            yield times
        else:
            yield from (times[names == name] for name in np.unique(names)[:_LOOKED_AT])

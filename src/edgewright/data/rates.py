"""Sampling rates of recordings: one that they share, or several, which windows refuse and rows may have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.rates import is_other_rate, rate_of
from edgewright.data.clock import common_rate, tidy_rate
from edgewright.schema.data import DataSet, Recording
from edgewright.schema.errors import InputError

# Sessions of one file whose rates differ by more have other sensors or settings; so many are looked at. With the two
# percent by which files may differ, a session that trains is within what `predict` takes.
_OTHER_RATE, _LOOKED_AT = 0.07, 200


def one_rate(recordings: Sequence[Recording]) -> float | None:
    """Return the rate that recordings share by their times; None where none carries times.

    Raises:
        InputError: naming two recordings, or sessions of one, whose rates differ.
    """
    for recording in recordings:
        rate, sessions = None if recording.time is None else rate_of(recording.time), list(_session_times(recording))
        if rate is not None and any(is_other_rate(time, rate, _OTHER_RATE) for _, time in sessions):
            common_rate([(name, rate_of(time)) for name, time in sessions], 0.0)
    return tidy_rate(common_rate([(r.name, rate_of(r.time) if r.time is not None else None) for r in recordings]))


def refuse_mixed_rates(dataset: DataSet) -> None:
    """Refuse recordings whose rates differ, where no rate is given; a public set knows its own rates.

    Raises:
        InputError: naming two of them.
    """
    if dataset.rate is None and not dataset.citation:
        one_rate(dataset.recordings)


def lowest_rate(dataset: DataSet) -> float | None:
    """Return the lowest rate of recordings whose rates differ; None where they share one, or none is known."""
    try:
        refuse_mixed_rates(dataset)
    except InputError:
        whole = [(r.name, rate_of(r.time) if r.time is not None else None) for r in dataset.recordings]
        apart = [(name, rate_of(time)) for recording in dataset.recordings for name, time in _session_times(recording)]
        return min(rate for _, rate in [*whole, *apart] if rate is not None)
    return None


def _session_times(recording: Recording) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield the times of each session of a recording that has several."""
    names, times = recording.sessions, recording.time
    if names is not None and times is not None:
        yield from ((str(name), times[names == name]) for name in np.unique(names)[:_LOOKED_AT])

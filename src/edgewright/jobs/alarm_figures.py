"""Alarms of recordings that judge: events missed, false alarms, and delays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgewright.core.formatting import plural
from edgewright.data.targets import as_text, labelled
from edgewright.jobs.group_figures import over_groups, ratio, with_and_without
from edgewright.schema.data import DataSet, Recording
from edgewright.schema.job import JobFigure
from edgewright.schema.trace import Interval
from edgewright.training.metrics import SHARE
from edgewright.workflows.detection.threshold import rate, runs
from edgewright.workflows.tuning.grid import Tally
from edgewright.workflows.tuning.recordings import Labelled, Tape, parts_of

_HOUR = 3600.0
# Groups that are named one by one.
_NAMED = 40
# Of delays, the share that is no longer than the second figure.
_LONG = 0.95


Spans = NDArray[np.float64]
"""Seconds from which to which, shape (n, 2)."""


@dataclass(frozen=True)
class Truth:
    """What is known of a recording: its events, and stretches without any label, which judge nothing."""

    events: tuple[Labelled, ...]
    unknown: Spans


def truth_of(dataset: DataSet, alarms: Sequence[str], rows: int) -> dict[tuple[str, str], Truth]:
    """Return what is known of each recording and group; events have so many rows at least with a label that alarms.

    Args:
        dataset: with a target, and times or a rate.
        alarms: labels.
        rows: fewer of them in a row are no event.
    """
    known: dict[tuple[str, str], Truth] = {}
    for recording in dataset.recordings:
        time = seconds_of(recording, dataset.rate)
        for group, start, end in parts_of(recording):
            target = np.full(end - start, "") if recording.target is None else recording.target[start:end]
            names = np.where(labelled(target), as_text(target), "")
            stretches = [
                Labelled(label, float(time[start + first]), float(time[start + after - 1]))
                for label in ("", *alarms)
                for first, after in runs(names == label)
                if not label or after - first >= rows
            ]
            events = sorted((stretch for stretch in stretches if stretch.label), key=lambda event: event.start)
            unknown = [(stretch.start, stretch.end) for stretch in stretches if not stretch.label]
            known[recording.name, group] = Truth(tuple(events), np.array(unknown, np.float64).reshape(-1, 2))
    return known


def within(times: NDArray[np.float64], spans: Spans) -> NDArray[np.bool_]:
    """Return which times lie in one of some spans, which are in order and may overlap."""
    if not len(spans):
        return np.zeros(len(times), np.bool_)
    last = np.searchsorted(spans[:, 0], times, side="right")
    ends = np.concatenate([[-np.inf], np.maximum.accumulate(spans[:, 1])])
    inside: NDArray[np.bool_] = times <= ends[last]
    return inside


def seconds_of(recording: Recording, rows_a_second: float | None) -> NDArray[np.float64]:
    """Return the time of each row; numbers of rows where neither times nor a rate are known."""
    if recording.time is not None:
        return np.asarray(recording.time, np.float64)
    return np.arange(len(recording.values)) / (rows_a_second or 1.0)


def timed(tapes: Sequence[Tape], dataset: DataSet) -> list[Tape]:
    """Return tapes in seconds where rows have times and no constant rate: theirs are numbers of rows."""
    if dataset.rate is not None:
        return list(tapes)
    parts = {
        (recording.name, group): seconds_of(recording, None)[start:end]
        for recording in dataset.recordings
        for group, start, end in parts_of(recording)
    }
    return [_in_seconds(tape, parts[tape.name, tape.group]) for tape in tapes]


def _in_seconds(tape: Tape, time: NDArray[np.float64]) -> Tape:
    pieces = tuple((answers, time[np.rint(rows).astype(np.int64)]) for answers, rows in tape.pieces)
    return replace(tape, pieces=pieces, step=float(time[-1] - time[0]) / max(1, len(time) - 1))


def alarm_figures(
    tallies: Mapping[str, Sequence[Tally]], alarms: Sequence[str], prefix: str = "", title: str = ""
) -> tuple[list[JobFigure], str]:
    """Return figures of alarms, and a sentence about each group.

    Args:
        tallies: of the recordings of each group.
        alarms: labels that call for somebody.
        prefix: of the figures' names.
        title: what stands before their titles.
    """
    groups = sorted(tallies)
    events, missed, false, seconds = (
        np.array([sum(getattr(tally, key) for tally in tallies[group]) for group in groups], np.float64)
        for key in ("events", "missed", "false", "exposure")
    )
    hours = float(seconds.sum()) / _HOUR
    called = np.flatnonzero(events)
    value, low, high = rate(int(false.sum()), hours)
    independent = Interval(value=value, low=low, high=high, method="Byar")
    hourly = JobFigure.of_interval(f"{prefix}false_alarms", f"{title}false alarms an hour", independent, "1")
    if len(groups) > 1:
        # False alarms of one group come together: the wider of both intervals counts.
        statistic = ratio(false, seconds / _HOUR)
        grouped = over_groups(hourly.name, hourly.title, np.arange(len(groups)), statistic, (0.0, np.inf), "1")
        if grouped.interval and grouped.interval.high - grouped.interval.low > high - low:
            hourly = grouped
    of = " or ".join(alarms)
    figures = [JobFigure.of(f"{prefix}events", f"{title}events of {of}", int(events.sum()), "1")]
    if len(called):
        misses, calls, names = missed[called], events[called], [groups[row] for row in called]
        worst = int((misses / calls).argmax())
        statistic = ratio(misses, calls)
        figures += with_and_without(f"{prefix}missed", f"{title}missed", names, worst, statistic, SHARE, joint=", ")
    figures += [
        hourly,
        JobFigure.of(f"{prefix}hours", f"{title}hours outside of events", hours, "1"),
    ]
    if delays := [delay for group in groups for tally in tallies[group] for delay in tally.delays]:
        long = float(np.quantile(delays, _LONG))
        figures += [
            JobFigure.of(f"{prefix}delay", f"{title}from the beginning of an alarmed event to its alarm, median",
                         float(np.median(delays)), "s"),
            JobFigure.of(f"{prefix}delay_long", f"{title}the same of all but one alarmed event in twenty", long, "s"),
        ]  # fmt: skip
    each = _sentences(groups, np.stack([events, missed, false, seconds / _HOUR], axis=1))
    return figures, "; ".join(each) if len(groups) <= _NAMED else f"{len(groups)} judged"


def _sentences(groups: Sequence[str], counts: NDArray[np.float64]) -> Iterator[str]:
    """Yield what became of each group; those without an event and a false alarm together."""
    quiet: NDArray[np.bool_] = counts[:, :3].sum(axis=1) == 0
    for group, (events, missed, false, hours) in zip(groups, counts.tolist(), strict=True):
        if events or false:
            yield (
                f"{group} {missed:g} of {plural(int(events), 'event')} missed, {plural(int(false), 'false alarm')} "
                f"in {60 * hours:.3g} min"
            )
    if quiet.any():
        names = [group for group, calm in zip(groups, quiet, strict=True) if calm]
        yield f"no event and no false alarm: {', '.join(names)}, {counts[quiet, 3].sum():.3g} hours"

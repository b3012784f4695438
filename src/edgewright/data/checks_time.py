"""Checks of times, persons and the sampling rate."""

from __future__ import annotations

import numpy as np

from edgewright.core.durations import duration_text
from edgewright.data.checks_columns import place
from edgewright.data.clock import measured_rate, pace
from edgewright.data.findings import Finding, percent
from edgewright.data.samples import GAP
from edgewright.schema.data import DataSet, Recording

# A rate that is off by more changes what a filter or spectrum means.
RATE_TOLERANCE = 0.01


def clocks(dataset: DataSet) -> list[Finding]:
    """Sampling rate, jitter, gaps, repeated and turned-round times; says when times or persons are unknown."""
    findings: list[Finding] = []
    timed = [r for r in dataset.recordings if r.time is not None and len(r.time) > 2]
    if timed:
        findings += _rate(dataset, timed)
        findings += _gaps(dataset, timed)
        findings += _order(dataset, timed)
    elif dataset.rate is None:
        sentence = "rows carry no time: gaps and the sampling rate cannot be checked; name the time column if there is"
        findings.append(Finding(kind="no-time", severity="note", sentence=sentence + " one"))
    if any(r.groups is None for r in dataset.recordings):
        sentence = (
            "no person or machine is known: a split cannot keep them apart; name the group column if there is one"
        )
        findings.append(Finding(kind="no-group", severity="note", sentence=sentence))
    return findings


def _rate(dataset: DataSet, timed: list[Recording]) -> list[Finding]:
    """The estimated rate against the declared one, and the jitter of the steps."""
    rate = measured_rate(r.time for r in timed)
    if rate is None:
        return []
    steps = np.concatenate([np.diff(r.time) for r in timed if r.time is not None])
    steps = steps[(steps > 0) & (steps < GAP / rate)]
    jitter = float(np.quantile(np.abs(steps * rate - 1.0), 0.95)) if len(steps) else 0.0
    numbers = {"rate": rate, "jitter": jitter}
    findings = [
        Finding(
            kind="rate", severity="warning" if jitter > 0.2 else "note", numbers=numbers,
            sentence=f"{pace(rate)}; 95 of 100 steps are within {percent(jitter)} of that",
        )
    ]  # fmt: skip
    if dataset.rate is not None and abs(dataset.rate - rate) > RATE_TOLERANCE * rate:
        sentence = f"declared is {pace(dataset.rate)}, the times say {pace(rate)}"
        findings.append(
            Finding(
                kind="rate-differs",
                severity="warning",
                sentence=sentence,
                numbers={**numbers, "declared": dataset.rate},
            )
        )
    return findings


def _gaps(dataset: DataSet, timed: list[Recording]) -> list[Finding]:
    """Jumps in time of more than GAP usual steps."""
    count, longest, where, lost = 0, 0.0, "", 0.0
    for recording in timed:
        if recording.time is None:
            continue
        steps = np.diff(recording.time)
        usual = float(np.median(steps))
        if usual <= 0:
            continue
        jumps = np.flatnonzero(steps > GAP * usual)
        count += len(jumps)
        lost += float(steps[jumps].sum() - usual * len(jumps))
        if len(jumps) and steps[jumps].max() > longest:
            longest = float(steps[jumps].max())
            where = place(dataset, recording, int(jumps[steps[jumps].argmax()]))
    if not count:
        return []
    sentence = f"{count} gap{'s' if count > 1 else ''} in time"
    sentence += f", {duration_text(lost)} in all; the longest is {duration_text(longest)} after {where}"
    numbers = {"gaps": float(count), "longest_seconds": longest, "lost_seconds": lost}
    return [Finding(kind="gap", severity="warning", sentence=sentence, numbers=numbers)]


def _order(dataset: DataSet, timed: list[Recording]) -> list[Finding]:
    """Times that repeat or go back."""
    findings = []
    steps = [(r, np.diff(r.time)) for r in timed if r.time is not None]
    for kind, severity, words in (
        ("time-repeats", "note", "rows have the time of the row before"),
        ("time-goes-back", "error", "rows are earlier than the row before"),
    ):
        hits = [(r, np.flatnonzero(d == 0 if kind == "time-repeats" else d < 0)) for r, d in steps]
        count = sum(len(rows) for _, rows in hits)
        if count:
            first, rows = next((r, rows) for r, rows in hits if len(rows))
            findings.append(
                Finding(
                    kind=kind, severity="error" if severity == "error" else "note",
                    sentence=f"{count} {words}; the first is {place(dataset, first, int(rows[0]) + 1)}",
                    numbers={"rows": float(count)},
                )
            )  # fmt: skip
    return findings

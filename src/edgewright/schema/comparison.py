"""Runs side by side: what differs in configuration, in data and in result."""

from __future__ import annotations

import msgspec

from edgewright.schema.trace_flow import How, Interval, Part

COMPARISON_VERSION = 1


class ComparedRun(Part, frozen=True, kw_only=True):
    """One of the runs; `label` tells it from the others, `folder` is where it lies."""

    label: str
    folder: str
    name: str
    state: str
    started: str
    verdict: str
    insight: str


class Setting(Part, frozen=True, kw_only=True):
    """A key of the configuration that is not the same in all runs; '-' where a run does not have it."""

    key: str
    values: tuple[str, ...]


class SampleGain(Part, frozen=True, kw_only=True):
    """What one model answers better than another to the same samples.

    Attributes:
        better: samples that the second alone answers right.
        worse: samples that the first alone answers right.
        p: of the exact test of McNemar, two-sided.
        changes: of amounts: change of 'mae' and 'rmse' from the first to the second, with intervals.
    """

    better: int = 0
    worse: int = 0
    p: float = 1.0
    changes: dict[str, Interval] = msgspec.field(default_factory=dict)


class ResultRow(Part, frozen=True, kw_only=True):
    """A figure of the results.

    Attributes:
        name: 'accuracy', 'weights, int8', ...
        texts: as a reader is told, a run each; '-' where a run lacks it.
        values: the figures, None where a run lacks one or it is no number.
        differences: against the first run, in words; the first is empty.
        how: None where runs differ in that, or it is no figure.
    """

    name: str
    texts: tuple[str, ...]
    values: tuple[float | None, ...] = ()
    differences: tuple[str, ...] = ()
    how: How | None = None


class Comparison(Part, frozen=True, kw_only=True):
    """Two runs or more; the first is what the others are compared with."""

    version: int = COMPARISON_VERSION
    runs: tuple[ComparedRun, ...]
    settings: tuple[Setting, ...]
    data: tuple[ResultRow, ...]
    results: tuple[ResultRow, ...]
    notes: tuple[str, ...] = msgspec.field(default_factory=tuple)

"""The union on NAB: one setting for all streams, and settings chosen on other streams only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from benchmarks.anomalies.nab import Series, Weights, Worth, score, worth
from edgewright.pipeline.detect_events import episodes
from edgewright.runtime.detectors import kind
from edgewright.runtime.detectors.union import UnionConfig

# Rows after an alarm without another: the one setting that belongs to the file of a detector, not to its kind.
REFRACTORY = 150
_NEVER = 1e30
# What the nested choice may choose from. The ranges lie around what a random search on all streams found, so that even
# the nested figure has seen the streams that far (docs/adr/0023-detectors.md). What is measured apart is crossed.
LEAKS = (1e-5, 3e-5, 1e-4)
MEANS = ((1 / 5, 1 / 2000), (1 / 16, 1 / 1000), (1 / 16, 1 / 4000), (1 / 50, 1 / 2000))
DAYS = ((24, 1.0), (24, 4.0), (48, 3.0), (96, 1.0))
BEYOND, SHIFT, RESIDUAL = (0.02, 0.03, 0.06, 0.12), (6.0, 8.0, 11.0, 15.0), (6.0, 10.0, 15.0)
REFRACTORIES = (100, 150, 200, 300)
Flags = list[NDArray[np.bool_]]


@dataclass(frozen=True)
class Nested:
    """Scores of streams by settings that were chosen on other streams.

    Attributes:
        mean, deviation, least: over the random partitions into five.
        halves: mean over as many partitions into two.
        one_out: each stream by settings chosen on all others.
        best: the best setting on all streams, which is what a search without this care would report.
        settings: how many were tried.
    """

    mean: float
    deviation: float
    least: float
    halves: float
    one_out: float
    best: float
    settings: int


def scores(series: Series, config: UnionConfig) -> NDArray[np.float64]:
    """Scores of a stream by the union from a fresh start, as a device computes them; 0 while it learns."""
    part = kind("union")
    learnt = part.fit(config, np.zeros((1, 1), np.float32), np.zeros(1))
    found = part.start(learnt).update(series.values.astype(np.float32)[:, None], series.time)
    return np.nan_to_num(found)


def alarms(found: NDArray[np.float64], refractory: int = REFRACTORY) -> NDArray[np.bool_]:
    """Rows that raise an alarm at the threshold 1."""
    rows = np.zeros(len(found), np.bool_)
    rows[[row for row, _ in episodes(found >= 1, refractory)]] = True
    return rows


def nested(given: Sequence[Series], weights: Weights, partitions: int = 20) -> Nested:
    """Nested cross-validation over streams: five parts, each scored by the setting that is best on the other four."""
    table = _table(given, weights)
    windows = np.array([worth(len(s.time), s.windows, weights).windows for s in given])
    span = float(windows.sum()) * (weights.found + weights.missed)

    def told(total: float) -> float:
        return 100 * (total + float(windows.sum()) * weights.missed) / span

    orders = [np.random.default_rng(seed).permutation(len(given)) for seed in range(partitions)]
    means, halves = ([told(_held(table, [o[k::parts] for k in range(parts)])) for o in orders] for parts in (5, 2))
    one_out = told(_held(table, [np.array([k]) for k in range(len(given))]))
    best = told(float(table.sum(1).max()))
    return Nested(
        float(np.mean(means)), float(np.std(means)), min(means), float(np.mean(halves)), one_out, best, len(table)
    )


def _held(table: NDArray[np.float64], parts: Sequence[NDArray[np.int64]]) -> float:
    total = 0.0
    for part in parts:
        others = np.setdiff1d(np.arange(table.shape[1]), part)
        total += float(table[int(table[:, others].sum(1).argmax()), part].sum())
    return total


def _table(given: Sequence[Series], weights: Weights) -> NDArray[np.float64]:
    """Raw score of every setting on every stream, shape (settings, streams)."""
    columns = []
    for series in given:
        value = worth(len(series.time), series.windows, weights)
        columns.append(_column(series, value, weights))
    return np.stack(columns, 1)


def _column(series: Series, value: Worth, weights: Weights) -> NDArray[np.float64]:
    """Raw score of every setting on one stream, in the order of the products below."""
    off = UnionConfig(beyond=_NEVER, shift=_NEVER, residual=_NEVER, bins=0)
    ranges = [scores(series, replace(off, leak=leak, beyond=1.0)) for leak in LEAKS]
    means = [scores(series, replace(off, fast=fast, slow=slow, shift=1.0)) for fast, slow in MEANS]
    days = [scores(series, replace(off, bins=bins, calm=calm, residual=1.0)) for bins, calm in DAYS]
    parts: list[Flags] = [
        [found >= limit for found in all_found for limit in limits]
        for all_found, limits in ((ranges, BEYOND), (means, SHIFT), (days, RESIDUAL))
    ]
    out = []
    for a, b, c in product(*parts):
        odd = np.flatnonzero(a | b | c)
        out += [_score(odd, refractory, value, weights) for refractory in REFRACTORIES]
    return np.array(out)


def _score(odd: NDArray[np.int64], refractory: int, value: Worth, weights: Weights) -> float:
    """As `score`, from the rows that are odd."""
    rows, at = [], 0
    while at < len(odd):
        rows.append(odd[at])
        at = int(np.searchsorted(odd, odd[at] + refractory + 1))
    chosen = np.array(rows, np.int64)
    few = Worth(value.gain[chosen], value.window[chosen], value.windows)
    return score(np.ones(len(chosen), np.bool_), few, weights)

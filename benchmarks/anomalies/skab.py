"""SKAB: the vector autoregression with fixed settings, on the protocol of the benchmark's own notebooks.

Every file is an experiment of its own: the first 400 rows, where all is well, are fitted on and not judged; the rest is
judged row by row. F1, false alarms (share of normal rows called odd) and missed (share of odd rows not called so) are
counted over all files together.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import ROOT
from edgewright.pipeline.detect_events import f1, interval
from edgewright.runtime.detectors import kind

FOLDER = ROOT.parent / "shared" / "data" / "skab"
FITTED = 400


@dataclass(frozen=True)
class Experiment:
    """One file: rows (n, 8) and whether each is odd, (n,)."""

    name: str
    values: NDArray[np.float32]
    odd: NDArray[np.bool_]


@dataclass(frozen=True)
class Result:
    """F1 with its interval (files drawn again), false alarms and missed rows as shares."""

    f1: float
    low: float
    high: float
    false: float
    missed: float


def experiments(folder: Path = FOLDER) -> list[Experiment]:
    """The labelled files."""
    found = []
    for path in sorted(folder.glob("[vo]*/*.csv.gz")):
        with gzip.open(path, "rt", newline="") as file:
            rows = list(csv.reader(file, delimiter=";"))[1:]
        values = np.array([[float(cell) for cell in row[1:9]] for row in rows], np.float32)
        found.append(Experiment(f"{path.parent.name}/{path.name}", values, np.array([float(r[9]) > 0 for r in rows])))
    return found


def flags(one: Experiment, name: str, settings: dict[str, Any], quantile: float, margin: float) -> NDArray[np.bool_]:
    """Which rows are odd: above `margin` times the `quantile` of the scores of the fitted rows."""
    part = kind(name)
    time = np.arange(len(one.values), dtype=np.float64)
    learnt = part.fit(part.config(**settings), one.values[:FITTED], time[:FITTED])
    found = part.start(learnt).update(one.values, time)
    limit = margin * float(np.nanquantile(found[:FITTED], quantile))
    return np.asarray(np.nan_to_num(found) >= limit)


def judge(called: list[NDArray[np.bool_]], given: list[Experiment]) -> Result:
    """Counts over all files, rows that were fitted on left out."""
    counts = []
    for flag, one in zip(called, given, strict=True):
        odd, flag = one.odd[FITTED:], flag[FITTED:]
        counts.append([(odd & flag).sum(), (~odd & flag).sum(), (odd & ~flag).sum(), (~odd & ~flag).sum()])
    table = np.array(counts, np.float64)
    found, false, missed, calm = table.sum(0)
    drawn = table[np.random.default_rng(0).integers(len(table), size=(2000, len(table)))].sum(1)
    low, high = interval(2 * drawn[:, 0] / (2 * drawn[:, 0] + drawn[:, 1] + drawn[:, 2]))
    return Result(f1(found, false, missed), low, high, float(false / (false + calm)), float(missed / (found + missed)))

"""SKAB: detectors of rows that belong together, on the protocol of the benchmark's own notebooks.

Every file is an experiment of its own: the first 400 rows, where all is well, are fitted on and not judged; the rest is
judged row by row. F1, false alarms (share of normal rows called odd) and missed (share of odd rows not called so) are
counted over all files together.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import ROOT
from edgewright.monitor.detectors import kind
from edgewright.workflows.detection.threshold import f1, interval

FOLDER = ROOT.parent / "shared" / "data" / "skab"
FITTED = 400
# What the choice may choose from: the detectors of channels that belong together, the rows of a mean, and how many
# times the largest score of the fitted rows is odd; and how many calm rows it may call odd in the files it looks at.
KINDS: tuple[tuple[str, dict[str, Any]], ...] = (
    *(("var", {"order": order}) for order in (1, 2, 3, 5)),
    *(("pca", {"variance": share}) for share in (0.9, 1.0)),
)
MEANS, MARGINS = (1, 5, 10, 15, 20, 30, 45), (0.8, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 6.0)
MOST_FALSE = 0.2


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
    """Return the labelled files."""
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


def left_out(given: list[Experiment]) -> tuple[Result, dict[str, tuple[Result, str]]]:
    """Each group of files (valve1, valve2, other) by the setting that is best on the other two groups.

    Returns:
        Counts over all files, and of each group its own and the setting it was judged by.
    """
    names, tables = [], []
    for (name, settings), mean in product(KINDS, MEANS):
        part = kind(name)
        found, limits = [], []
        for one in given:
            time = np.arange(len(one.values), dtype=np.float64)
            learnt = part.fit(part.config(**settings, mean=mean), one.values[:FITTED], time[:FITTED])
            scores = np.nan_to_num(part.start(learnt).update(one.values, time))
            found.append(scores)
            limits.append(float(scores[:FITTED].max()))
        for margin in MARGINS:
            called = [scores >= margin * limit for scores, limit in zip(found, limits, strict=True)]
            tables.append(_counts(called, given))
            text = ", ".join(f"{key} {value:g}" for key, value in {**settings, "mean": mean}.items())
            names.append(f"{name} ({text}), {margin:g} x largest score")
    table = np.stack(tables)
    groups = np.array([one.name.split("/")[0] for one in given])
    parts, each = [], {}
    for group in dict.fromkeys(groups.tolist()):
        own, others = groups == group, table[:, groups != group].sum(1)
        skill = 2 * others[:, 0] / others[:, [0, 0, 1, 2]].sum(1)
        skill[others[:, 1] > MOST_FALSE * others[:, [1, 3]].sum(1)] = -1
        best = int(np.argmax(skill))
        parts.append(table[best, own])
        each[group] = (_result(table[best, own]), names[best])
    return _result(np.concatenate(parts)), each


def _counts(called: list[NDArray[np.bool_]], given: list[Experiment]) -> NDArray[np.float64]:
    """Found, false, missed and calm rows of every file, shape (files, 4)."""
    counts = []
    for flag, one in zip(called, given, strict=True):
        odd, flag = one.odd[FITTED:], flag[FITTED:]
        counts.append([(odd & flag).sum(), (~odd & flag).sum(), (odd & ~flag).sum(), (~odd & ~flag).sum()])
    return np.array(counts, np.float64)


def judge(called: list[NDArray[np.bool_]], given: list[Experiment]) -> Result:
    """Count over all files, rows that were fitted on left out."""
    return _result(_counts(called, given))


def _result(table: NDArray[np.float64]) -> Result:
    """F1 and shares of all files together, with the interval of F1."""
    found, false, missed, calm = table.sum(0)
    drawn = table[np.random.default_rng(0).integers(len(table), size=(2000, len(table)))].sum(1)
    low, high = interval(2 * drawn[:, 0] / (2 * drawn[:, 0] + drawn[:, 1] + drawn[:, 2]))
    return Result(
        float(f1(found, false, missed)), low, high, float(false / (false + calm)), float(missed / (found + missed))
    )

"""SKAB: detectors of rows that belong together, on the protocol of the benchmark's own notebooks.

Every file is an experiment of its own: the first 400 rows, where all is well, are fitted on and not judged; the rest is
judged row by row. F1, false alarms (share of normal rows called odd) and missed (share of odd rows not called so) are
counted over all files together. `examples/factory/own_start.py` chooses on other groups of files.
"""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import ROOT
from edgewright.monitor.detectors import kind
from edgewright.workflows.detection.rows import Stretch

FOLDER = ROOT.parent / "shared" / "data" / "skab"
FITTED = 400


def experiments(folder: Path = FOLDER) -> list[Stretch]:
    """Return the labelled files."""
    stretches = []
    for path in sorted(folder.glob("[vo]*/*.csv.gz")):
        with gzip.open(path, "rt", newline="") as file:
            rows = list(csv.reader(file, delimiter=";"))[1:]
        values = np.array([[float(cell) for cell in row[1:9]] for row in rows], np.float32)
        odd = np.array([float(row[9]) > 0 for row in rows])
        stretches.append(
            Stretch(f"{path.parent.name}/{path.name}", values, np.arange(len(values), dtype=np.float64), odd)
        )
    return stretches


def flags(one: Stretch, name: str, settings: dict[str, Any], quantile: float, margin: float) -> NDArray[np.bool_]:
    """Which rows are odd: above `margin` times the `quantile` of the scores of the fitted rows."""
    part = kind(name)
    learnt = part.fit(part.config(**settings), one.values[:FITTED], one.time[:FITTED])
    scores_of = part.start(learnt).update(one.values, one.time)
    limit = margin * float(np.nanquantile(scores_of[:FITTED], quantile))
    return np.asarray(np.nan_to_num(scores_of) >= limit)

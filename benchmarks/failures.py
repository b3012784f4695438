"""AI4I 2020: how far rules get, and how far the formulas get that drew the failures.

Average precision over three times five folds of rows. The formulas are those of the publication (Matzka, 2020); their
wear failures are drawn at random from 200 minutes on, so that the share in each five minutes is counted on the other
folds.

    python -m benchmarks.failures [--data FOLDER]
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score
from sklearn.model_selection import StratifiedKFold

from benchmarks.table import ROOT, markdown
from edgewright.models.rules import Rules

DATA = ROOT.parent / "shared" / "data" / "ai4i2020"
COLUMNS = (
    "Air temperature [K]", "Process temperature [K]", "Rotational speed [rpm]", "Torque [Nm]", "Tool wear [min]",
)  # fmt: skip
Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Scored = Callable[[Rows, Rows], NDArray[np.float64]]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=DATA, help="Folder of the set.")
    with (parser.parse_args().data / "ai4i2020.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    X = np.array([[float(row[name]) for name in COLUMNS] + ["LMH".index(row["Type"])] for row in rows], np.float32)
    y = np.array([row["Machine failure"] == "1" for row in rows])
    air, process, speed, torque, wear, quality = X.T
    power, strain = torque * speed * 2 * np.pi / 60, torque * wear - np.array([11e3, 12e3, 13e3])[quality.astype(int)]
    sure = (process - air < 8.6) & (speed < 1380) | (power < 3500) | (power > 9000) | (strain > 0)
    wide = np.column_stack([X, power, process - air, strain])

    def formulas(train: Rows, test: Rows) -> NDArray[np.float64]:
        part = np.digitize(wear, np.arange(200, 240, 5))
        rest, prior = train[~sure[train]], y[train].mean()
        shares = [(y[rest][part[rest] == n].sum() + prior) / ((part[rest] == n).sum() + 1) for n in range(9)]
        return np.asarray(10.0 * sure[test] + np.array(shares)[part[test]], np.float64)

    def fitted(train: Rows, test: Rows) -> NDArray[np.float64]:
        model = Rules(task="classification").fit(X[train], np.where(y[train], "yes", "no"))
        return np.asarray(model.predict_proba(X[test])[:, 1], np.float64)

    def boosted(train: Rows, test: Rows) -> NDArray[np.float64]:
        model = HistGradientBoostingClassifier(random_state=0, learning_rate=0.05, max_leaf_nodes=8)
        return np.asarray(model.fit(wide[train], y[train]).predict_proba(wide[test])[:, 1], np.float64)

    ways: dict[str, Scored] = {
        "rule list of `examples/factory`": fitted,
        "published formulas, and wear from 200 minutes on": lambda train, test: 10.0 * sure[test] + (wear[test] >= 200),
        "published formulas, and the share of failures in each five minutes of wear": formulas,
        "boosting on readings and the terms of the formulas": boosted,
    }
    table = []
    for name, way in ways.items():
        precisions = [_precision(way, X, y, seed) for seed in range(3)]
        table.append([name, f"{np.mean(precisions):.3f}", f"{min(precisions):.3f} to {max(precisions):.3f}"])
    print(markdown(["from", "average precision", "three draws of folds"], table))
    return 0


def _precision(way: Scored, X: Floats, y: NDArray[np.bool_], seed: int) -> float:
    answers = np.zeros(len(y))
    for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(X, y):
        answers[test] = way(train, test)
    return float(average_precision_score(y, answers))


if __name__ == "__main__":
    raise SystemExit(main())

"""What the last fit on all samples is worth: rules of AI4I 2020 on rows that no fit saw.

    python -m benchmarks.refit --data FOLDER

Twenty times 30 % of the rows are put aside. The pipeline splits the others by itself, judges, and fits again.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from benchmarks.table import markdown
from edgewright.export.answering import load
from edgewright.pipeline.config import parse
from edgewright.pipeline.run import run_pipeline
from edgewright.pipeline.run_folder.folder import judged_of

DRAWS, ASIDE = 20, 0.3
TARGET = "Machine failure"
COLUMNS = (
    "Air temperature [K]", "Process temperature [K]", "Rotational speed [rpm]", "Torque [Nm]", "Tool wear [min]",
)  # fmt: skip
PIPELINE = f"""
name = "rules"
[data]
kind = "csv"
target = "{TARGET}"
[split]
by = "row"
[model]
kind = "rules"
[compression]
int8 = false
[device]
profile = "cortex-m4"
"""


def main() -> int:
    """Print both figures for each draw, and the mean of their differences with its standard error."""
    argument_parser = argparse.ArgumentParser(description=__doc__)
    argument_parser.add_argument("--data", required=True, help="ai4i2020.csv, or its folder")
    path = Path(argument_parser.parse_args().data)
    with (path / "ai4i2020.csv" if path.is_dir() else path).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    figures = np.array([_draw(rows, seed) for seed in range(DRAWS)])
    gains = figures[:, 1] - figures[:, 0]
    table = [[f"{seed}", *(f"{figure:.3f}" for figure in pair)] for seed, pair in enumerate(figures)]
    table.append(["mean", *(f"{mean:.3f}" for mean in figures.mean(axis=0))])
    print(markdown(["draw", "judged fit", "packaged fit"], table))
    error = gains.std(ddof=1) / np.sqrt(DRAWS)
    print(f"\naverage precision gains {gains.mean():+.3f}, standard error {error:.3f}")
    return 0


def _draw(rows: list[dict[str, str]], seed: int) -> tuple[float, float]:
    """Average precision of the judged and of the packaged fit on rows that were put aside."""
    order = np.random.default_rng(seed).permutation(len(rows))
    aside, kept = order[: int(ASIDE * len(rows))], order[int(ASIDE * len(rows)) :]
    X = np.array([[float(rows[i][column]) for column in COLUMNS] for i in aside], np.float32)
    failed = np.array([rows[i][TARGET] == "1" for i in aside])
    with tempfile.TemporaryDirectory() as room:
        path = Path(room) / "kept.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*COLUMNS, TARGET])
            writer.writerows([rows[i][column] for column in (*COLUMNS, TARGET)] for i in kept)
        folder = run_pipeline(parse(PIPELINE, "rules.toml"), data=str(path), out=room).folder
        return _precision(judged_of(folder), X, failed), _precision(folder, X, failed)


def _precision(folder: Path, X: NDArray[np.float32], failed: NDArray[np.bool_]) -> float:
    answers = load(folder).predict(X)
    return float(average_precision_score(failed, answers.probabilities[:, 1]))


if __name__ == "__main__":
    raise SystemExit(main())

"""Heartbeats of patients left out, who label their first five minutes: `examples/health/pipeline.toml`.

Of 22 records of MIT-BIH DS1 each is left out once, in four folds; every later beat is judged by what the package
answered before, by what it answers with what was learned where the guard allows that, and without the guard.

    python -m benchmarks.patients [--data FOLDER] [--seeds N] [--records 101,106,...] [--set KEY=VALUE ...]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import ROOT, markdown
from edgewright.data.samples import part_of
from edgewright.data.sets.heartbeats import DS1
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from edgewright.schema.trace import Interval
from edgewright.training.metrics import SHARE, class_scores, group_interval
from edgewright.workflows.adaptation.examples import Examples
from edgewright.workflows.adaptation.simulation import POINT, confusions, rehearsal_of, unseen_samples
from edgewright.workflows.scoring.rows import ScoreRequest

DATA = Path(os.environ.get("EDGEWRIGHT_SHARED", ROOT.parent / "shared")) / "data" / "mitdb"
FOLDS, SEEDS, FIRST = 4, 3, Examples(300, "first")
ANSWERS = ("before", "learned, with guard", "learned, without guard")
Matrices = NDArray[np.int64]


@dataclass(frozen=True)
class PatientResult:
    """One patient of one fit: confusion matrices of all answers, shape (3, classes + 1, classes + 1)."""

    record: str
    labels: tuple[str, ...]
    matrices: Matrices
    used: bool

    @property
    def right(self) -> NDArray[np.float64]:
        """Share of later beats that is answered right, shape (3,)."""
        shares: NDArray[np.float64] = np.trace(self.matrices, axis1=1, axis2=2) / self.matrices.sum(axis=(1, 2))
        return shares


def main() -> int:
    """Print accuracy and F1 of each answer with intervals over patients, and who gains and loses."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=DATA, help="Folder of the set.")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="Networks of each fold.")
    parser.add_argument("--records", default=",".join(DS1), help="Records that are judged.")
    parser.add_argument("--set", dest="changes", action="append", default=[], help="KEY=VALUE, as of `edgewright run`.")
    given = parser.parse_args()
    records = given.records.split(",")
    fits = [evaluate_patients(given.data, records, seed, given.changes) for seed in range(1, given.seeds + 1)]
    heads = [f"losers, network {number}" for number in range(1, given.seeds + 1)]
    print(markdown(("answers", "accuracy, mean of patients", "F1 of S", "F1 of V", *heads), table(fits)))
    print(f"\n{len(records)} patients; 95 % CI over patients; losers lose more than a point.\n")
    print(markdown(("record", *ANSWERS, "the guard lets it answer"), patients(fits)))
    return 0


def evaluate_patients(
    data: Path, records: Sequence[str], seed: int, changes: Sequence[str] = ()
) -> list[PatientResult]:
    """Return each patient, answered by a network that was fitted without it, in the order of the records."""
    results = []
    for fold in range(FOLDS):
        left_out = [name for name in DS1[fold::FOLDS] if name in records]
        if not left_out:
            continue
        test = f"split.test_groups={json.dumps(DS1[fold::FOLDS])}"
        settings = (f"seed={seed}", "refit=false", "compression.max_drop=1", test, *changes)
        with tempfile.TemporaryDirectory() as room:
            config = read_config(str(ROOT / "examples" / "health" / "pipeline.toml"), settings)
            run = run_pipeline(config, data=str(data), out=room).folder
            results += _people(run, left_out)
    return sorted(results, key=lambda one: one.record)


def _people(run: Path, records: Sequence[str]) -> list[PatientResult]:
    with unseen_samples(run, ScoreRequest()) as (package, samples, _):
        rehearsal, labels = rehearsal_of(package), np.asarray(package.manifest.labels)
        results = []
        for record in records:
            mine = part_of(samples, np.flatnonzero(samples.groups == record))
            truth = np.searchsorted(labels, np.asarray(mine.y).astype(str))
            order, later = FIRST.parts(mine, truth)
            rehearsed = rehearsal(np.ascontiguousarray(mine.X[:], np.float32), truth, order)
            matrices = confusions(rehearsed, truth, later, len(labels))
            results.append(PatientResult(record, tuple(labels.tolist()), matrices, rehearsed.used))
    return results


def table(fits: Sequence[Sequence[PatientResult]]) -> list[list[str]]:
    """Return a row for each answer: means over fits, and how many patients lose more than a point in each fit."""
    right = np.array([[one.right for one in fit] for fit in fits])
    matrices = np.array([[one.matrices for one in fit] for fit in fits])
    labels, rows = fits[0][0].labels, []
    for number, name in enumerate(ANSWERS):
        shares = right[:, :, number].mean(axis=0)
        lost = (right[:, :, 0] - right[:, :, number] > POINT).sum(axis=1)
        scores = [_f1(matrices[:, :, number], labels.index(label)) for label in ("S", "V")]
        accuracy = _over(len(shares), partial(_mean, shares))
        rows.append([name, accuracy, *scores, *([str(count) for count in lost] if number else ["" for _ in lost])])
    return rows


def _mean(shares: NDArray[np.float64], resampled: NDArray[np.int64]) -> float:
    return float(shares[resampled].mean())


def _f1(matrices: Matrices, label: int) -> str:
    def mean(resampled: NDArray[np.int64]) -> float:
        return float(np.mean([class_scores(fit[resampled].sum(axis=0))[2][label] for fit in matrices]))

    return _over(matrices.shape[1], mean)


def _over(patients: int, statistic: Callable[[NDArray[np.int64]], float]) -> str:
    interval: Interval = group_interval(np.arange(patients), statistic, by="patient", within=SHARE)
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def patients(fits: Sequence[Sequence[PatientResult]]) -> list[list[str]]:
    """Return a row for each patient: its accuracy, a mean over fits, and in how many the guard lets it answer."""
    rows = []
    for same in zip(*fits, strict=True):
        shares = np.mean([one.right for one in same], axis=0)
        rows.append([same[0].record, *(f"{share:.3f}" for share in shares), f"{sum(one.used for one in same)}"])
    return rows


if __name__ == "__main__":
    raise SystemExit(main())

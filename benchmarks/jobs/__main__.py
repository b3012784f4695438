"""Jobs beside peers on the same split: `python -m benchmarks.jobs [NAME ...]`; prints a table.

Peers run in an environment of their own, `.venv-bench-aeon`, which is made when it is absent. Choices are made on the
validation samples, of other people or recordings; the test samples judge once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.jobs.problems import PROBLEMS, Problem, Samples, named, samples_of
from benchmarks.table import ONE_THREAD, markdown
from benchmarks.training.environments import environment, versions
from edgewright.schema.trace import Interval
from edgewright.training import metrics

PEERS = ("aeon", ["aeon", "scikit-learn"])
# A fit of MiniRocket's ridge on thousands of windows takes minutes; more than this ends the benchmark.
LIMIT_S = 1_500.0
HEADS = (
    "job", "model", "accuracy or RMSE (95 % CI by group)", "macro F1 or MAE", "bytes", "training, CPU s",
    "one answer, CPU ms",
)  # fmt: skip


def main() -> int:
    """Print a row for Edgewright and each peer of every problem."""
    if unknown := [name for name in sys.argv[1:] if not named([name])]:
        raise SystemExit(f"no job {unknown[0]!r}. Known: {', '.join(problem.name for problem in PROBLEMS)}")
    python = environment(*PEERS)
    rows: list[list[str]] = []
    for problem in named(sys.argv[1:]):
        samples = samples_of(problem)
        rows += _rows(problem, samples, python)
        print(markdown(HEADS, rows[-3:]), flush=True)
    print(markdown(HEADS, rows))
    print("\n" + ", ".join(f"{name} {version}" for name, version in versions(python, PEERS[1]).items()))
    return 0


def _rows(problem: Problem, samples: Samples, python: str) -> list[list[str]]:
    own = samples.own
    of = "" if samples.groups is None else f" of {len(np.unique(samples.groups))} groups"
    job = f"{problem.name}: {len(samples.truth):,} samples{of}"
    rows = [table_row(job, "Edgewright", samples, own.answers, own.size_bytes, own.fit_s, own.predict_s)]
    for record, answers in _peers(samples, python):
        few = f", fitted on {record['rows']:,}" if record.get("rows") else ""
        rows.append(
            table_row("", record["name"] + few, samples, answers, record["bytes"], record["fit_s"], record["predict_s"])
        )
        if record.get("tried"):
            candidates = ", ".join(f"{name} {abs(share):.3f}" for name, share in record["tried"].items())
            print(f"validation of {problem.name}: {candidates}; all fits {record['all_fits_s']:.1f} CPU s", flush=True)
    return rows


def table_row(
    job: str, model: str, samples: Samples, answers: NDArray[Any], size: float, fit_s: float, predict_s: float
) -> list[str]:
    """Return a row of the table: accuracy and macro F1, or errors, with intervals over groups, and what it costs."""
    if samples.truth.dtype.kind == "f":
        errors = metrics.regression_intervals(answers - samples.truth, samples.groups)
        figures = [_text(errors["rmse"], 2), _text(errors["mae"], 2)]
        return [job, model, *figures, f"{size:,.0f}", f"{fit_s:.1f}", f"{1000 * predict_s:.3g}"]
    labels = np.unique(np.concatenate([samples.truth, answers]))
    truth, answer = (np.searchsorted(labels, one).astype(np.int64) for one in (samples.truth, answers))
    accuracy = _text(metrics.accuracy_interval(truth, answer, samples.groups))
    f1 = _text(metrics.macro_f1_interval(truth, answer, len(labels), samples.groups))
    return [job, model, accuracy, f1, f"{size:,.0f}", f"{fit_s:.1f}", f"{1000 * predict_s:.3g}"]


def _text(interval: Interval, digits: int = 3) -> str:
    return " ".join([
        f"{interval.value:.{digits}f}", f"({interval.low:.{digits}f} to {interval.high:.{digits}f})",
    ])  # fmt: skip


def _peers(samples: Samples, python: str) -> list[tuple[dict[str, Any], NDArray[Any]]]:
    """Return the record and the answers of each peer."""
    with tempfile.TemporaryDirectory() as room:
        given, answered = Path(room) / "samples.npz", Path(room) / "answers.npz"
        np.savez(given, **samples.arrays)  # type: ignore[arg-type]
        script = Path(__file__).with_name("fit_peers.py")
        settings = {**os.environ, **ONE_THREAD, "NUMBA_NUM_THREADS": "1"}
        subprocess.run([python, str(script), str(given), str(answered)], check=True, env=settings, timeout=LIMIT_S)
        with np.load(answered) as arrays:
            records = json.loads(str(arrays["told"]))
            return [(record, arrays[f"answers_{number}"]) for number, record in enumerate(records)]


if __name__ == "__main__":
    raise SystemExit(main())

"""Cycles left of turbofans that were left out: `examples/factory/turbofan.toml`, five times without ten engines.

Fifty engines chose window, features and training of the file; the fifty that are left out here chose nothing.

    python -m benchmarks.turbofan [--data FOLDER] [--set KEY=VALUE ...]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.table import ROOT, markdown
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline

DATA = Path(os.environ.get("EDGEWRIGHT_SHARED", ROOT.parent / "shared")) / "data" / "cmapss"
FOLDS, DRAWS = 5, 2000
# The other fifty chose.
JUDGING = np.random.default_rng(81).permutation(100)[50:] + 1


def main() -> int:
    """Print the error of each fold, float and int8, and that of all engines with an interval over engines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=DATA, help="Folder of the set.")
    parser.add_argument("--set", dest="changes", action="append", default=[], help="KEY=VALUE, as of `edgewright run`.")
    given = parser.parse_args()
    rows: list[list[str]] = []
    engines: list[tuple[int, float]] = []
    int8: list[tuple[int, float]] = []
    for number, fold in enumerate(np.array_split(JUDGING, FOLDS), 1):
        names = ", ".join(f'"engine-{engine}"' for engine in fold)
        changes = ("refit=false", f"split.test_groups=[{names}]", "compression.max_drop=1", *given.changes)
        with tempfile.TemporaryDirectory() as out:
            config = read_config(str(ROOT / "examples" / "factory" / "turbofan.toml"), changes)
            trace = run_pipeline(config, data=str(given.data), out=out).trace
        evaluation, forms = trace.evaluation, trace.compression
        if evaluation is None or forms is None:
            raise SystemExit(f"nothing to report of fold {number}")
        engines += [(row.samples, row.regression["rmse"]) for row in evaluation.groups]
        errors = {form.name: form.error for form in forms.variants if form.error is not None}
        int8.append((sum(row.samples for row in evaluation.groups), errors["int8"]))
        size = next(form.weight_bytes for form in forms.variants if form.name == "int8")
        rows.append([f"{number}", *(f"{errors[name]:.2f}" for name in ("float", "int8")), f"{size:,}"])
        print(*rows[-1], flush=True)
    low, high = _interval(engines)
    rows.append(["all", f"{_pooled(engines):.2f} ({low:.2f} to {high:.2f})", f"{_pooled(int8):.2f}", ""])
    print(markdown(("fold", "RMSE, float (95 % CI by engine)", "RMSE, int8", "int8 weights, bytes"), rows))
    return 0


def _pooled(parts: list[tuple[int, float]]) -> float:
    """Root mean square over all samples from the number of samples and the error of each part."""
    counts, errors = np.array(parts).T
    return float(np.sqrt((counts * errors**2).sum() / counts.sum()))


def _interval(engines: list[tuple[int, float]]) -> tuple[float, float]:
    """Percentiles of a bootstrap over whole engines."""
    rng = np.random.default_rng(0)
    resampled = [_pooled([engines[k] for k in rng.integers(0, len(engines), len(engines))]) for _ in range(DRAWS)]
    low, high = np.percentile(resampled, [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    raise SystemExit(main())

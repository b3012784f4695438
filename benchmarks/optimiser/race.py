"""Whether the race's small network validates better with the learned rule: `python -m benchmarks.optimiser.race`.

The tables of half A of `benchmarks.default`, without their test rows, in three folds of whole groups where there are
groups. Everything but the optimiser is that of the race's candidate. The rule
was trained on the training losses of the sets of scikit-learn (`small_tasks`), so these say nothing of others.
"""

from __future__ import annotations

import sys
import time

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.default.content import SEED, Table, halves
from benchmarks.default.sets import SETS
from benchmarks.table import ROOT, markdown
from edgewright.models.architecture import architecture, function
from edgewright.race.candidates.networks import LAYERS, TRAINING
from edgewright.training.loop import Sampled, Settings, train
from edgewright.training.rows import ArrayRows

FOLDS = 3


def folds(table: Table) -> NDArray[np.int64]:
    """Return the fold of each row that does not test: by group, stretch of time, or drawn."""
    rows = table.frame.filter(~pl.Series(table.test))
    rng = np.random.default_rng(SEED)
    if table.group:
        names, inverse = np.unique(rows[table.group].to_numpy(), return_inverse=True)
        return (rng.permutation(len(names)) % FOLDS)[inverse]
    numbers = np.arange(len(rows))
    return numbers * FOLDS // len(rows) if table.ordered else rng.permutation(numbers) % FOLDS


def validated(table: Table) -> list[tuple[float, ...]]:
    """Return, fold by fold, the score on its rows with the race's optimiser and with the learned rule, and CPU s."""
    rows = table.frame.filter(~pl.Series(table.test))
    left_out = {table.target, table.group, *table.ignore}
    names = [name for name in rows.columns if rows[name].dtype.is_numeric() and name not in left_out]
    x, y, fold = (
        rows.select(names).fill_null(0).to_numpy().astype(np.float64),
        rows[table.target].to_numpy(),
        folds(table),
    )
    amounts = len(np.unique(y)) > 20
    targets = y.astype(np.float64) if amounts else np.unique(y, return_inverse=True)[1].astype(np.float64)
    network = architecture(LAYERS, (x.shape[1],), 1 if amounts else int(targets.max()) + 1)
    apply, scores = function(network), []
    for number in range(FOLDS):
        inside = fold != number
        scaled = np.clip((x - x[inside].mean(axis=0)) / (x[inside].std(axis=0) + 1e-9), -8, 8).astype(np.float32)
        aim = (targets - targets[inside].mean()) / targets[inside].std() if amounts else targets
        parts = [
            Sampled(ArrayRows(scaled[chosen]), aim[chosen].astype(np.float32), np.ones(chosen.sum(), np.float32))
            for chosen in (inside, ~inside)
        ]
        start, pair, spent = network.initialise(np.random.default_rng(number)), [], []
        for name, schedule in ((TRAINING.optimiser, TRAINING.schedule), ("learned", "auto")):
            own = {key: value for key, value in msgspec.structs.asdict(TRAINING).items()
                   if key in Settings.__dataclass_fields__ and key not in ("mixup", "augment")}  # fmt: skip
            own |= {"optimiser": name, "schedule": schedule, "seed": number}
            loss = "mean_squared_error" if amounts else "softmax_cross_entropy"
            began = time.process_time()
            result = train(apply, start, parts[0], Settings(loss=loss, **own), validation=parts[1])
            spent.append(time.process_time() - began)
            last = result.history[-1]
            pair.append(
                -(float(last.validation_loss or 0.0) ** 0.5) if amounts else float(last.validation_accuracy or 0.0)
            )
        scores.append((*pair, *spent))
    return scores


def main(names: list[str]) -> int:
    """Print a row a set: accuracy, or minus the root of the mean squared error in deviations."""
    half, rows = halves(SETS), []
    for name, entry in SETS.items():
        if entry.kind != "rows" or half[name] != "A" or (names and name not in names):
            continue
        table = entry.read(ROOT.parent / "shared" / "data")
        if not isinstance(table, Table):
            continue
        scores = np.array(validated(table))
        gains = scores[:, 1] - scores[:, 0]
        error = gains.std(ddof=1) / np.sqrt(FOLDS)
        means = [f"{mean:.3f}" for mean in scores[:, :2].mean(axis=0)]
        seconds = [f"{mean:.1f}" for mean in scores[:, 2:].mean(axis=0)]
        rows.append([name, *means, f"{gains.mean():+.3f} ({error:.3f})", *seconds])
        print("; ".join(rows[-1]), file=sys.stderr, flush=True)
    print(
        markdown(
            ["set", TRAINING.optimiser, "learned", "gain (standard error)", f"CPU s, {TRAINING.optimiser}", "learned"],
            rows,
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What 10,000 trials cost beside their training: proposing, remembering, keeping on disk, reading again.

`python -m benchmarks.search bookkeeping`: errors come from a formula, estimates too; the way of keeping a trial is held
against Optuna's own storages on fewer trials.
"""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import optuna
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from benchmarks.table import markdown, verdict
from edgewright.pipeline.config import read_config
from edgewright.search.architecture.coordinator import propose
from edgewright.search.architecture.estimates import Estimate
from edgewright.search.architecture.space import Space, space_of
from edgewright.search.architecture.study import Identity, create, open_study
from edgewright.search.architecture.trial import CandidateTrial, FoldError

TRIALS, BATCH, MOST_SECONDS = 10_000, 16, 60
COMPARED = 300


def main(arguments: list[str]) -> int:
    """Print the table; 1 when the time is exceeded."""
    count = int(arguments[0]) if arguments else TRIALS
    space = space_of(read_config("hapt"))
    rows, spent = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        for sampler in ("nsga2", "tpe") if count <= 1000 else ("nsga2",):
            spent = _whole(space, Path(folder) / sampler, count, sampler)
            rows.append([f"{sampler}, this study", f"{count:,}", f"{spent:.1f}", f"{1e3 * spent / count:.2f}"])
        for name, storage in _storages(Path(folder)).items():
            took = _optuna(storage, space)
            rows.append([name, f"{COMPARED:,}", f"{took:.1f}", f"{1e3 * took / COMPARED:.2f}"])
    print(markdown(["way", "trials", "CPU-s", "ms a trial"], rows))
    print(f"\n{count:,} trials within {MOST_SECONDS} CPU-seconds: {verdict(spent <= MOST_SECONDS)}")
    return 0 if spent <= MOST_SECONDS else 1


def _whole(space: Space, folder: Path, count: int, sampler: str) -> float:
    own = Identity(
        pipeline="hapt", config="", data="", device="", budget="", seed=0, sampler=sampler, folds=3, batch=BATCH
    )
    began = time.process_time()
    study = create(folder, own)
    trials: list[CandidateTrial] = []
    while len(trials) < count:
        batch = len(trials) // BATCH
        points = propose(space, trials, seed=0, batch=batch, count=BATCH, sampler=sampler)  # type: ignore[arg-type]
        proposed = [_trial(point, len(trials) + n, batch) for n, point in enumerate(points)]
        study.add(proposed)
        trials += proposed
        if not (batch + 1) % 125:
            print(f"{len(trials):,} trials, {time.process_time() - began:.1f} CPU-s", file=sys.stderr, flush=True)
    study.close()
    again = open_study(folder)
    if len(again.trials()) != len(trials):
        raise SystemExit("the study lost trials")
    again.close()
    return time.process_time() - began


def _trial(point: dict[str, bool | int | float | str], number: int, batch: int) -> CandidateTrial:
    parts = sum(bool(value) for name, value in point.items() if name.startswith("part."))
    flash = 40_000.0 + 40.0 * parts * float(point["width.1"])
    error = 0.02 + 1.0 / (1.0 + parts * float(point["width.1"])) + 1e-4 * (number % 7)
    estimate = Estimate(flash=flash, ram=20_000.0 + 10 * parts, latency_us=flash / 10)
    beyond = max(0.0, flash / 50_000 - 1)
    folds = tuple(FoldError(mean=error, spread=0.01, samples=1800) for _ in range(3))
    state = "beyond" if beyond else "done"
    return CandidateTrial(
        number=number, batch=batch, point=point, estimate=estimate, state=state, beyond=beyond,
        folds=() if beyond else folds, error=None if beyond else error,
    )  # fmt: skip


def _storages(folder: Path) -> dict[str, Callable[[], optuna.storages.BaseStorage]]:
    return {
        "Optuna's SQLite storage": lambda: RDBStorage(f"sqlite:///{folder / 'optuna.sqlite'}"),
        "Optuna's journal storage": lambda: JournalStorage(JournalFileBackend(str(folder / "optuna.log"))),
    }


def _optuna(storage: Callable[[], optuna.storages.BaseStorage], space: Space) -> float:
    """Ask and tells as a program that leaves everything to Optuna would."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = optuna.samplers.NSGAIISampler(seed=0)
        study = optuna.create_study(storage=storage(), directions=["minimize"] * 4, sampler=sampler)
        for number in range(COMPARED):
            trial = study.ask()
            for axis in space.axes:
                if axis.choices:
                    trial.suggest_categorical(axis.name, axis.choices)
                else:
                    trial.suggest_float(axis.name, axis.low, axis.high)
            study.tell(trial, [0.1, 4e4 + number, 2e4, 1e3])
    return time.process_time() - began

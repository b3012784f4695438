"""The sets of the benchmark of curves, and the rule by which each gets its model.

The model is the one a person with half of the data would be told to take: the rung at which the ladder stops when
every fold trains on half of its samples, drawn as the pool of a curve is, and judges by those that the curve judges
by. The metric is the one that the ladder chooses by the target; patience and correction are its own. Utterances have
no ladder: theirs is the student that ships. A majority learns nothing, so its flat line is no curve and never counts.
Nothing here may be changed after a figure was seen.
"""

from __future__ import annotations

import contextlib
import csv
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.datasets import magic_wand
from benchmarks.language.picture_pair import coarse_names, grid, shelf
from benchmarks.language.row import DATA
from edgewright.data.public import register_sets
from edgewright.language.utterances import read
from edgewright.race.metrics import choose
from edgewright.race.problem import Fold, Indices, Problem
from edgewright.schema.config import PipelineConfig, WindowConfig
from edgewright.search.curves.language_learners import IntentLearner
from edgewright.search.curves.measure import Learner
from edgewright.search.curves.rung_learner import RungLearner, draw_subset, pieces_of
from edgewright.search.ladder.measurement import Ladder
from edgewright.search.ladder.setup import problem_and_config

HALF = 0.5
MAJORITY = "majority"
STUDENT = 64_000
_FAILURES = ("TWF", "HDF", "PWF", "OSF", "RNF")
TitledLearner = tuple[str, Callable[[], Learner]]


@dataclass(frozen=True)
class Case:
    """A set.

    Attributes:
        name: of the set.
        model: measures which model is its, and says it by its name on the ladder with a way to a learner of it.
        counted: whether it is one of the ten.
    """

    name: str
    model: Callable[[], TitledLearner]
    counted: bool = True


@contextlib.contextmanager
def quiet(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show nothing."""
    yield lambda count: None


def rung_from_half(problem: Problem, config: PipelineConfig) -> str:
    """Return the rung at which the ladder stops when every fold trains on half of its samples."""
    ladder = Ladder(problem, config, quiet)
    ladder.heats.folds = tuple(Fold(_half(problem, fold, config.seed), fold.test) for fold in ladder.heats.folds)
    return ladder.climb().chosen


def _half(problem: Problem, fold: Fold, seed: int) -> Indices:
    pieces = pieces_of(problem, fold.train)
    count = max(1, round(HALF * len(fold.train)))
    return draw_subset(problem, pieces, count, count, 0, seed)


def _of(problem: Problem, config: PipelineConfig, metric: str) -> TitledLearner:
    rung = rung_from_half(problem, config)
    return rung, partial(RungLearner, problem, config, rung, choose(problem, metric)[0])


def _samples(
    data: str, table: dict[str, object], window: WindowConfig | None, metric: str, path: str | None = None
) -> TitledLearner:
    problem, config, _ = problem_and_config(data, table, window=window, path=path)
    return _of(problem, config, metric)


def _set(folder: str, window: WindowConfig | None = None, metric: str = "accuracy", **table: object) -> Case:
    return Case(folder, partial(_samples, str(DATA / folder), dict(table), window, metric))


def _table(folder: str, file: str, **table: object) -> Case:
    return Case(folder, partial(_samples, str(DATA / folder / file), dict(table), None, "accuracy"))


def _text(folder: str, *files: str) -> Case:
    def learner() -> Learner:
        file_path = DATA / folder
        utterance_sets = [read(path) for file in files for path in sorted(file_path.glob(file))]
        judges = tuple(one for part in utterance_sets for one in part.validation)
        return IntentLearner(
            folder, tuple(one for part in utterance_sets for one in part.utterances), judges, size=STUDENT
        )

    return Case(folder, lambda: ("student", learner))


def _pictures() -> TitledLearner:
    """Return mean colours and contrasts of a grid as rows, the coarse class of a photograph as the target."""
    names = coarse_names()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "grocery.csv"
        with file.open("w", encoding="utf-8", newline="") as out:
            write = csv.writer(out)
            for part in ("train", "val"):
                photographs = shelf(part)
                cells = grid(photographs.pictures)
                if part == "train":
                    write.writerow([*(f"cell {n}" for n in range(cells.shape[1])), "class"])
                write.writerows(
                    [*(f"{value:.5f}" for value in row), names[truth]]
                    for row, truth in zip(cells, photographs.truth, strict=True)
                )
        problem, config, _ = problem_and_config(str(file), {"target": "class"}, by="row")
    return _of(problem, config, "accuracy")


register_sets(magic_wand.SETS)
CASES = (
    Case("har-hapt", partial(_samples, "hapt", {}, None, "accuracy", str(DATA / "har-hapt"))),
    _set("har-wisdm-watch", WindowConfig(samples=200, step=100), kind="wisdm_watch"),
    _set("mitdb", kind="mitdb"),
    _table("occupancy", "datatraining.txt", target="Occupancy", time="date"),
    _table("ai4i2020", "ai4i2020.csv", target="Machine failure", ignore=[*_FAILURES, "UDI", "Product ID", "Type"]),
    _set("fsdd", WindowConfig(samples=8000, step=8000, within="recording", pad=True), kind="fsdd"),
    _text("snips", "train_*_full.json"),
    _text("clinc150", "data_full.json"),
    _set("cmapss", metric="rmse", kind="cmapss"),
    _set("magic-wand-digits", WindowConfig(samples=160, step=160, within="recording", pad=True), kind="magic_wand"),
    # No ladder and no shipped pipeline takes pictures, so what is measured here is a table that nobody would be told to
    # make: the other of the two sets that may be the tenth, measured and not counted.
    Case("grocery", _pictures, counted=False),
)

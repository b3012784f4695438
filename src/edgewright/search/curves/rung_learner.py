"""Learning curves of a ladder rung: same stages, folds and metric, with subsets of the training samples."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import numpy as np

from edgewright.models.architecture import width_of, with_width
from edgewright.race.contract import Candidate, Fitted, candidates
from edgewright.race.metrics import METRICS, Metric, codes
from edgewright.race.pipeline_end import fit_candidate
from edgewright.race.problem import Indices, Problem, folds
from edgewright.race.stage_outputs import StageOutputs
from edgewright.race.stages import config_of
from edgewright.schema.config import PipelineConfig
from edgewright.search.curves.measure import stratified_order
from edgewright.training.metrics import FEW_GROUPS

# With fewer units a subset depends on which units it has; each unit is then split into about WANTED / units parts.
FEWEST = 8
WANTED = 96


def pieces_of(problem: Problem, train: Indices) -> list[Indices]:
    """Return the training samples in pieces; rows form a single piece from which any row can be drawn.

    A unit (person, day) stays whole where there are at least `FEWEST`. Otherwise each unit is split into consecutive
    parts in time, so less data means shorter recordings.
    """
    if problem.by == "row":
        return [train]
    units = problem.units[train]
    known = np.unique(units)
    parts = 1 if len(known) >= FEWEST else -(-WANTED // len(known))
    pieces: list[Indices] = []
    for unit in known:
        own = train[units == unit]
        session = np.unique(problem.samples.sessions[own], return_inverse=True)[1]
        order = own[np.lexsort((problem.samples.starts[own], session))]
        pieces += [np.sort(part) for part in np.array_split(order, min(parts, len(order))) if len(part)]
    return pieces


def draw_subset(problem: Problem, pieces: list[Indices], count: int, pool: int, repeat: int, seed: int) -> Indices:
    """Return `count` sample indices, ascending; within one repeat, smaller subsets are parts of larger ones.

    Whole pieces are taken in random order. Only the last piece is cut, so every draw of a size has the same number of
    samples.

    Args:
        problem: problem whose class proportions subsets of rows keep.
        pieces: training samples in pieces.
        count: number of samples to draw.
        pool: number of samples to draw from; the same for every repeat.
        repeat: index of the draw.
        seed: random seed.
    """
    available = pieces
    if pool < sum(len(piece) for piece in pieces):
        available = _chosen_rows(problem, pieces, pool, np.random.default_rng((seed, 2**20)))
    return np.sort(np.concatenate(_chosen_rows(problem, available, count, np.random.default_rng((seed, repeat)))))


def _chosen_rows(problem: Problem, pieces: list[Indices], count: int, rng: np.random.Generator) -> list[Indices]:
    """Return pieces in random order until they have `count` samples; the last piece is cut."""
    if problem.by == "row":
        rows = pieces[0]
        return [rows[_order(problem, rows, rng)[:count]]]
    chosen: list[Indices] = []
    lacking = count
    for location in rng.permutation(len(pieces)):
        piece = rng.permutation(pieces[location])[:lacking]
        chosen.append(piece)
        lacking -= len(piece)
        if not lacking:
            break
    return chosen


def _order(problem: Problem, rows: Indices, rng: np.random.Generator) -> Indices:
    """Return a random order of rows in which every prefix keeps the class proportions of all rows."""
    if problem.task != "classification":
        return rng.permutation(len(rows)).astype(np.int64)
    return np.argsort(stratified_order(problem.y[rows], rng), kind="stable").astype(np.int64)


# Every fold draws its own subset, so more folds reduce the variance of the mean.
FOLDS = 8
# A subset trains for more epochs, so that every size gets as many steps as the full data; otherwise the curve would
# show the effect of training time instead of data. This is the maximum factor on the epochs.
_MOST_PASSES = 16
# Maximum number of samples, counted over all epochs, that one training run processes.
_LOOKS = 120_000
# With fewer samples than _FEW the draws are doubled; with more than _MANY they are halved, as draws differ less.
_FEW, _MANY = 2_000, 10_000


class RungLearner:
    """Learner for a ladder rung; see `measure.Learner`.

    Args:
        problem: samples and their units.
        config: pipeline configuration.
        rung: name of the rung.
        metric: metric of the evaluation.
        count: number of folds; fewer folds need less CPU time.
    """

    def __init__(self, problem: Problem, config: PipelineConfig, rung: str, metric: Metric, count: int = FOLDS) -> None:
        self._rung: Candidate = candidates((rung,))[rung]
        # Curves use no augmentation, because augmented samples would be recomputed for every draw.
        plain = msgspec.structs.replace(config, training=msgspec.structs.replace(config.training, augment=()))
        whole = self._whole = self._rung.tail(config_of(plain, problem, self._rung.columns))
        self._problem, self._config, self._metric = problem, config, metric
        self._arguments = problem, config, rung, metric.name, count
        self._outputs = StageOutputs(problem)
        units = int(problem.units.max()) + 1
        self._folds = folds(problem, min(count, units), seed=config.seed, leave_one_out=units <= min(FEW_GROUPS, count))
        self._pieces = [pieces_of(problem, fold.train) for fold in self._folds]
        self._codes = codes(problem)
        self.name, self.model = problem.name, self._rung.title
        self.share = metric.higher
        self.error = f"1 - {metric.title}" if metric.higher and metric.name != "accuracy" else metric.title
        self.error = "error rate" if metric.name == "accuracy" else self.error
        self.unit = problem.by
        self._samples = min(len(fold.train) for fold in self._folds)
        self.samples = float(self._samples)
        self.draws = 2.0 if self._samples < _FEW else 0.5 if self._samples > _MANY else 1.0
        self.pieces = self._samples if problem.by == "row" else min(len(pieces) for pieces in self._pieces)
        self.scalable = whole.model.kind == "network"
        self.judges = sum(len(fold.test) for fold in self._folds) if metric.name == "accuracy" else 0
        reported = (
            problem.name, whole.window, whole.stages, whole.model, whole.training,
            metric.name, problem.by, problem.task,
        )  # fmt: skip
        self.fingerprint = hashlib.sha256(msgspec.json.encode(reported, order="deterministic")).hexdigest()[:16]

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to a worker as what it was made of."""
        problem, *others = self._arguments
        return _arrived, (problem.without_recordings(), *others)

    def judge(self, share: float, repeat: int, *, pool: float = 1.0, width: float = 1.0) -> float:
        """Return the cross-validated error of a model trained on a subset of the samples."""
        answers = np.zeros((len(self._problem.y), max(1, len(self._problem.classes))), np.float32)
        for number, fold in enumerate(self._folds):
            train = self._sample(number, share, pool, repeat)
            answers[fold.test] = self._fitted(train, repeat, width).answers(fold.test)
        score = self._metric.score(self._codes, answers)
        return 1.0 - score if self._metric.higher else score

    def parameters(self, width: float) -> int:
        """Return the number of parameters of the model, fitted on the first fold for one epoch."""
        train = self._sample(0, min(1.0, 2000 / self.samples), 1.0, 0)
        fitted: Any = self._fitted(train, 0, width, once=True)
        return sum(row.parameters for row in fitted.model.layer_records())

    def _sample(self, number: int, share: float, pool: float, repeat: int) -> Indices:
        count, maximum = (max(1, round(part * self._samples)) for part in (share, pool))
        return draw_subset(self._problem, self._pieces[number], min(count, maximum), maximum, repeat, self._config.seed)

    def _fitted(self, train: Indices, repeat: int, width: float, *, once: bool = False) -> Fitted:
        """Return the pipeline fitted on some samples, its network for about as many steps as on all of them."""
        training, layers = self._whole.training, self._whole.model.layers
        looks = min(_LOOKS, training.epochs * self._samples)
        epochs = 1 if once else int(np.clip(round(looks / len(train)), 1, training.epochs * _MOST_PASSES))
        if width != 1.0:
            layers = tuple(
                layer if (own := width_of(layer)) is None else with_width(layer, max(1, round(own * width)))
                for layer in layers
            )
        config = msgspec.structs.replace(
            self._whole,
            seed=self._config.seed + repeat,
            training=msgspec.structs.replace(training, epochs=epochs),
            model=msgspec.structs.replace(self._whole.model, layers=layers),
        )
        return fit_candidate(self._rung, self._outputs.part(config, train), config)


def _arrived(problem: Problem, config: PipelineConfig, rung: str, metric: str, count: int) -> RungLearner:
    return RungLearner(problem, config, rung, METRICS[metric], count)

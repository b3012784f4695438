"""A rung of the ladder as a learner: the same stages, folds and metric, with less of the training samples."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.schema.config import PipelineConfig
from edgewright.search.curves.pieces import drawn, pieces_of
from edgewright.search.curves.window_features import Behind
from edgewright.search.ladder.contract import Rung
from edgewright.search.ladder.features import config_of, part_of
from edgewright.search.ladder.metrics import Metric, codes
from edgewright.search.ladder.pipeline_ends import fit_end
from edgewright.search.ladder.rungs_found import ladder_rungs
from edgewright.search.problem import Fold, Indices, Problem, folds
from edgewright.training.metrics import FEW_GROUPS

# Every fold has its own part of the data, so more folds make the mean over them surer.
FOLDS = 8
# A part is gone through more often, so that every size gets as many steps of training as the whole: else a curve would
# show how long training took, not what data is worth. No more often than this.
_MOST_PASSES = 16
# A network looks at no more samples than that in a training, and of many samples fewer draws do:
# one differs less from another.
_LOOKS = 120_000
_FEW, _MANY = 2_000, 10_000


class OfSamples:
    """See `contract.Learner`.

    Args:
        problem: to be judged.
        config: of the pipeline around it.
        rung: name of a rung.
        metric: by which it is judged.
        count: of folds, of which fewer make less work.
    """

    def __init__(self, problem: Problem, config: PipelineConfig, rung: str, metric: Metric, count: int = FOLDS) -> None:
        self._rung: Rung = ladder_rungs((rung,))[rung]
        # Changed copies of training samples would be worked out anew for every draw; a curve goes without them.
        plain = msgspec.structs.replace(config, training=msgspec.structs.replace(config.training, augment=()))
        common = config_of(plain, problem, self._rung.columns)
        whole = self._rung.tail(common)
        self._problem, self._config, self._metric = problem, config, metric
        self._behind = Behind(problem, common) if self._rung.fit is fit_end else None
        self._common = self._behind.config if self._behind else common
        self._tail = self._rung.tail(self._common)
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
        self.scalable = self._tail.model.kind == "network"
        self.judges = sum(len(fold.test) for fold in self._folds) if metric.name == "accuracy" else 0
        told = (
            problem.name, whole.window, whole.stages, whole.model, whole.training,
            metric.name, problem.by, problem.task,
        )  # fmt: skip
        self.fingerprint = hashlib.sha256(msgspec.json.encode(told, order="deterministic")).hexdigest()[:16]

    def judge(self, share: float, repeat: int, *, pool: float = 1.0, width: float = 1.0) -> float:
        """As `contract.Learner.judge`."""
        answers = np.zeros((len(self._problem.y), max(1, len(self._problem.classes))), np.float32)
        for number, fold in enumerate(self._folds):
            train = self._drawn(number, share, pool, repeat)
            problem = self._given(number, pool)
            answers[fold.test] = self._answers(problem, train, fold, repeat, width)
        score = self._metric.score(self._codes, answers)
        return 1.0 - score if self._metric.higher else score

    def parameters(self, width: float) -> int:
        """As `contract.Learner.parameters`: of the model fitted on the first fold, in one pass."""
        train = self._drawn(0, min(1.0, 2000 / self.samples), 1.0, 0)
        made = self._fitted(self._given(0, 1.0), train, self._folds[0].test[:1], 0, width, once=True)[0]
        return sum(row.parameters for row in made.model.layer_records())

    def _drawn(self, number: int, share: float, pool: float, repeat: int) -> Indices:
        count, most = (max(1, round(part * self._samples)) for part in (share, pool))
        return drawn(self._problem, self._pieces[number], min(count, most), most, repeat, self._config.seed)

    def _given(self, number: int, pool: float) -> Problem:
        """The problem behind the stages of windows, these fitted on no more than the pool."""
        if self._behind is None:
            return self._problem
        return self._behind.problem((number, pool), lambda: self._drawn(number, pool, pool, 0))

    def _answers(self, problem: Problem, train: Indices, fold: Fold, repeat: int, width: float) -> NDArray[np.float32]:
        known = np.unique(problem.y[train])
        classes = problem.classes
        if classes and len(known) < 2:  # there is nothing to learn but that
            alone = np.zeros((len(fold.test), len(classes)), np.float32)
            alone[:, classes.index(str(known[0]))] = 1.0
            return alone
        fitted, places = self._fitted(problem, train, fold.test, repeat, width)
        return np.asarray(fitted.answers(places), np.float32)

    def _fitted(
        self, problem: Problem, train: Indices, test: Indices, repeat: int, width: float, *, once: bool = False
    ) -> tuple[Any, Indices]:
        """A model fitted on some samples, and the places of others in what it was given."""
        both = np.union1d(train, test)
        part = msgspec.structs.replace(self._common, seed=self._config.seed + repeat)
        made = part_of(problem.some(both), part, np.searchsorted(both, train))
        training = self._tail.training
        looks = min(_LOOKS, training.epochs * self._samples)
        epochs = 1 if once else int(np.clip(round(looks / len(train)), 1, training.epochs * _MOST_PASSES))
        training = msgspec.structs.replace(training, epochs=epochs)
        tail = msgspec.structs.replace(self._tail, seed=self._config.seed + repeat, training=training)
        if width != 1.0:
            layers = tuple(_wider(layer, width) for layer in tail.model.layers)
            tail = msgspec.structs.replace(tail, model=msgspec.structs.replace(tail.model, layers=layers))
        return self._rung.fit(made, tail), np.searchsorted(both, test)


def _wider(layer: dict[str, Any], width: float) -> dict[str, Any]:
    """A layer with so many times its units or filters."""
    return {
        key: max(1, round(value * width)) if key in ("units", "filters") and isinstance(value, int) else value
        for key, value in layer.items()
    }

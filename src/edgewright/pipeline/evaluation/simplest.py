"""The simplest model that looks at the data, one column with thresholds: what any other has to be better than."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.models.threshold import Threshold
from edgewright.pipeline.evaluation.class_metric import VerdictMetric
from edgewright.pipeline.evaluation.leakage_inflation import plain_features
from edgewright.pipeline.material import Material
from edgewright.pipeline.run_folder.job import Job
from edgewright.preprocessing.impute import medians
from edgewright.schema.data import Floats
from edgewright.schema.trace import SimplestRecord
from edgewright.training.metrics import interval_of

# Models that are no more than it.
_AS_SIMPLE = ("majority", "threshold")
# So many training and test samples at most, and so many of their values, drawn by the run's seed.
_ROWS, _VALUES = 20_000, 2_000_000

Rows = NDArray[np.int64]
# Of each class so many are taken at least, where there are as many.
_RARE = 20


def is_simplest(job: Job) -> bool:
    """Return whether the pipeline's own model is no more than one column with thresholds."""
    return job.config.model.kind in _AS_SIMPLE


def simplest_answers(material: Material, train: Rows, test: Rows, seed: int) -> NDArray[Any]:
    """Fit one column with thresholds on some samples and return its answers to others.

    Rows are taken as they are, windows and pictures as mean, spread, extremes and change of each channel; medians of
    the training samples fill what is missing.

    Args:
        material: of the run.
        train: indices of samples that are learned from.
        test: indices of samples that are answered.
        seed: draws from the training samples where they are many.

    Returns:
        Labels as text, or amounts; shape (len(test),).
    """
    subset, y = some(material, train, seed), material.samples.y
    if material.task == "classification" and len(subset) < len(train):
        # Of a class of a few samples among many thousands none may be among those drawn.
        rare = [name for name in np.unique(y[train]) if np.sum(y[subset] == name) < _RARE]
        subset = np.unique(np.concatenate([subset, *(train[y[train] == name][:_RARE] for name in rare)]))
    train = subset
    known, queries = _plain(material, train), _plain(material, test)
    fill = medians(known)
    known, queries = (np.where(np.isnan(X), fill, X) for X in (known, queries))
    model = Threshold(material.task, seed).fit(known, material.samples.y[train])
    predictions: NDArray[Any] = np.asarray(model.predict(queries))
    return predictions.astype(np.str_) if material.task == "classification" else predictions.ravel()


def _plain(material: Material, rows: Rows) -> Floats:
    X = np.asarray(material.samples.X[rows], np.float32)
    return plain_features(X) if X.ndim > 2 else np.where(np.isfinite(X), X, np.nan)


def some(material: Material, rows: Rows, seed: int) -> Rows:
    """Return some of the rows, in order: at most `_ROWS`, and at most `_VALUES` values in them."""
    maximum = max(1, min(_ROWS, _VALUES // math.prod(material.samples.X.shape[1:])))
    if len(rows) <= maximum:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, maximum, replace=False))


def score_of(
    truth: NDArray[Any],
    answers: NDArray[Any],
    metric: VerdictMetric | None = None,
    confidence: Floats | None = None,
) -> float:
    """Return the score of labels in a metric, or the root mean squared error of amounts if there is none."""
    if metric is not None:
        return metric.score(truth, answers, confidence)
    return math.sqrt(float(np.mean((truth.astype(np.float64) - answers.astype(np.float64)) ** 2)))


def against_simplest(
    job: Job,
    material: Material,
    answers: NDArray[Any],
    metric: VerdictMetric | None = None,
    confidence: Floats | None = None,
) -> SimplestRecord | None:
    """Compare the model with one column with thresholds on the test samples.

    Args:
        job: configuration.
        material: its test samples are answered.
        answers: of the model to the test samples: labels as text, or amounts, shape (n,).
        metric: of both; None for amounts.
        confidence: the model's probability of the rarest class, shape (n,); None if it has none.

    Returns:
        The gain with its interval by group, or by sample where no group is known; None where the model is no more
        than that.
    """
    if is_simplest(job):
        return None
    sides, samples, task, seed = material.sides, material.samples, material.task, job.config.seed
    rows = some(material, sides.test, seed)
    places, truth = np.searchsorted(sides.test, rows), samples.y[rows]
    mine, sure = answers[places], None if confidence is None else confidence[places]
    other = simplest_answers(material, sides.train, rows, seed)
    sign = 1.0 if task == "classification" else -1.0

    def gain(some: Rows) -> float:
        model = score_of(truth[some], mine[some], metric, None if sure is None else sure[some])
        return sign * (model - score_of(truth[some], other[some], metric))

    groups = None if samples.groups is None else samples.groups[rows]
    return SimplestRecord(score=score_of(truth, other, metric), gain=interval_of(groups, len(rows), gain))

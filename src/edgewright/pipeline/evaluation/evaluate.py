"""What the test samples, or folds before a run, say of a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import PipelineError
from edgewright.core.input.pictures import png
from edgewright.core.prediction.objects import GOOD, ODD, heat, odd_chances, oddest
from edgewright.core.records.data import Floats, Labels, Samples
from edgewright.core.records.package import ObjectMap
from edgewright.core.records.trace import ClassRow, EvaluationRecord, GroupRow, Mistake, SimplestRecord
from edgewright.core.records.trace_flow import AnomaliesRecord, OddScene
from edgewright.data.near_duplicates import is_odd
from edgewright.data.targets import class_names
from edgewright.models.threshold import Threshold
from edgewright.pipeline.evaluation.class_metric import VerdictMetric, metric_record, rare_confidence, verdict_metric
from edgewright.pipeline.evaluation.robustness import plain_features
from edgewright.pipeline.material import Material
from edgewright.pipeline.run_folder.store import Crossed, Job
from edgewright.preprocessing.impute import medians
from edgewright.training import metrics
from edgewright.training.losses import errors_of, right_answers
from edgewright.training.metrics import auroc_interval, interval_of, wilson


def crossed_evaluation(crossed: Crossed, samples: Samples, evaluation: EvaluationRecord) -> EvaluationRecord:
    """Return the evaluation of a run by its folds, where they have answers to all samples.

    Raises:
        InputError: the run has other samples than the folds had.
    """
    if not crossed.evaluates:
        return msgspec.structs.replace(evaluation, folds=crossed.folds, scores=crossed.scores)
    if len(samples.y) != len(crossed.answers):
        raise PipelineError(f"the {len(crossed.answers):,} samples of the folds", f"{len(samples.y):,}", "the run")
    groups = samples.groups
    if groups is None and crossed.kept != "row":
        groups = np.array([f"{crossed.kept} {unit + 1}" for unit in crossed.units.tolist()])
    if crossed.classes:
        majority = float(np.unique(samples.y, return_counts=True)[1].max() / len(samples.y))
        rows = np.arange(len(samples.y), dtype=np.int64)
        crossed_record = evaluate_classes(
            samples.y, crossed.answers, crossed.classes, groups, rows, split_by=crossed.kept, majority=majority
        )
        metric = verdict_metric(samples.y)
        labels = np.asarray(crossed.classes)[crossed.answers.argmax(axis=1)]
        confidence = rare_confidence(metric, crossed.answers, crossed.classes)
        record = metric_record(metric, samples.y, labels, confidence, groups)
        crossed_record = msgspec.structs.replace(crossed_record, metric=record)
    else:
        truth = np.asarray(samples.y, np.float64)
        crossed_record = evaluate_numbers(truth, crossed.answers, groups, split_by=crossed.kept)
    return msgspec.structs.replace(crossed_record, folds=crossed.folds, scores=crossed.scores, unit=evaluation.unit)


_MISTAKES = 8
_GROUPS = 50


def evaluate_classes(
    truth: Labels,
    probabilities: Floats,
    classes: Sequence[str],
    groups: Labels | None,
    rows: NDArray[np.int64],
    *,
    split_by: str,
    majority: float,
) -> EvaluationRecord:
    """Return the evaluation of a classifier; numbers as names of classes stand by size: 2 before 10.

    Args:
        truth: labels, shape (n,).
        probabilities: shape (n, classes).
        classes: names in the order of the probabilities.
        groups: person or machine of each sample, None when unknown.
        rows: number of each sample in the data.
        split_by: what the split kept whole.
        majority: accuracy of always answering the commonest class of the training samples.
    """
    names = list(class_names(np.asarray([str(name) for name in classes])))
    places = [[str(name) for name in classes].index(name) for name in names]
    probabilities = probabilities[:, places]
    numbers = {name: index for index, name in enumerate(names)}
    true = np.asarray([numbers[str(label)] for label in truth], np.int64)
    answer = np.argmax(probabilities, axis=1).astype(np.int64)
    confidence = probabilities[np.arange(len(answer)), answer]
    right = true == answer
    matrix = metrics.confusion(true, answer, len(names))
    precision, recall, f1 = metrics.class_scores(matrix)

    def scored(mine: NDArray[np.bool_]) -> dict[str, Any]:
        counts = metrics.confusion(true[mine], answer[mine], len(names))
        return {"accuracy": float(right[mine].mean()), "confusion": _rows(counts)}

    rows_of = _by_group(groups, scored)
    return EvaluationRecord(
        samples=len(true),
        split_by=split_by,
        accuracy=metrics.accuracy_interval(true, answer, groups),
        macro_f1=metrics.macro_f1_interval(true, answer, len(names), groups),
        majority=majority,
        calibration_error=metrics.calibration_error(confidence, right),
        calibration_chance=metrics.chance_calibration_error(confidence),
        confusion=_rows(matrix),
        labels=tuple(names),
        classes=tuple(
            ClassRow(
                label=n,
                precision=float(p),
                recall=float(r),
                f1=float(f),
                support=int(s),
                recall_interval=metrics.wilson(int(hit), int(s)),
            )
            for n, p, r, f, s, hit in zip(
                names, precision, recall, f1, matrix.sum(axis=1), np.diag(matrix), strict=True
            )
        ),
        groups=tuple(sorted(rows_of, key=lambda row: row.accuracy or 0.0)[:_GROUPS]),
        mistakes=_mistakes(true, answer, confidence, names, groups, rows),
        ties=metrics.ties(probabilities),
        answers=right_answers(true, tuple(names), rows, right),
    )


def evaluate_numbers(
    truth: NDArray[np.floating], answer: NDArray[np.floating], groups: Labels | None, *, split_by: str
) -> EvaluationRecord:
    """Return the evaluation of a regression: mean absolute and root mean squared error, R².

    Args:
        truth: amounts, shape (n,).
        answer: as many.
        groups: person or machine of each sample, None when unknown.
        split_by: what the split kept whole.
    """
    truth, answer = np.asarray(truth, np.float64), np.ravel(np.asarray(answer, np.float64))
    error = answer - truth
    rows = _by_group(groups, lambda mine: {"regression": metrics.errors(error[mine])})
    return EvaluationRecord(
        samples=len(truth),
        split_by=split_by,
        regression=metrics.regression(truth, answer),
        intervals=metrics.regression_intervals(error, groups),
        groups=tuple(sorted(rows, key=lambda row: -row.regression["rmse"])[:_GROUPS]),
        answers=errors_of(truth, error),
    )


def _rows(matrix: NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(n) for n in row) for row in matrix)


def _by_group(groups: Labels | None, figures: Callable[[NDArray[np.bool_]], dict[str, Any]]) -> list[GroupRow]:
    if groups is None:
        return []
    places = [(str(name), groups == name) for name in np.unique(groups)]
    return [GroupRow(group=name, samples=int(mine.sum()), **figures(mine)) for name, mine in places]


def _mistakes(
    true: NDArray[np.int64],
    answer: NDArray[np.int64],
    confidence: Floats,
    names: Sequence[str],
    groups: Labels | None,
    rows: NDArray[np.int64],
) -> tuple[Mistake, ...]:
    wrong = np.flatnonzero(true != answer)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:_MISTAKES]
    return tuple(
        Mistake(
            row=int(rows[i]),
            group="" if groups is None else str(groups[i]),
            truth=names[true[i]],
            answer=names[answer[i]],
            confidence=float(confidence[i]),
        )
        for i in worst
    )


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


LABELS = (GOOD, ODD)
_SCENES = 3


def named(labels: Labels) -> Labels:
    """Return 'good' or 'odd' for each label."""
    return np.where(is_odd(labels), ODD, GOOD)


def evaluate_anomalies(
    samples: Samples, rows: NDArray[np.int64], maps: Floats, spec: ObjectMap, *, split_by: str
) -> EvaluationRecord:
    """Return the evaluation of a model that finds odd pictures.

    Args:
        samples: all samples.
        rows: those that test.
        maps: answers to them.
        spec: how they are read, in pixels of a sample.
        split_by: what the split kept whole.
    """
    labels, groups = samples.y[rows], None if samples.groups is None else samples.groups[rows]
    evaluation = evaluate_scores(labels, oddest(maps, spec), spec, groups, rows, split_by=split_by)
    if evaluation.anomalies is None or isinstance(evaluation.anomalies, msgspec.UnsetType):
        return evaluation
    odd = is_odd(labels)
    some = np.concatenate([_spread(odd), _spread(~odd)])
    scenes = tuple(_scene(samples, int(rows[index]), maps[index], spec) for index in some)
    return msgspec.structs.replace(evaluation, anomalies=msgspec.structs.replace(evaluation.anomalies, scenes=scenes))


def evaluate_scores(
    labels: Labels,
    scores: NDArray[np.int64],
    spec: ObjectMap,
    groups: Labels | None,
    rows: NDArray[np.int64],
    *,
    split_by: str,
) -> EvaluationRecord:
    """Return the evaluation of scores, without pictures.

    Args:
        labels: of the pictures; any but 'good' is odd.
        scores: largest log-odds of the cells of each map, in 1/16.
        spec: how the maps are read.
        groups: of the pictures, None where unknown.
        rows: number of each picture in the data.
        split_by: what the split kept whole.
    """
    truth = named(labels)
    odd = truth == ODD
    scored = evaluate_classes(
        truth, odd_chances(scores, spec), LABELS, groups, rows, split_by=split_by,
        majority=float(np.mean(truth == GOOD)),
    )  # fmt: skip
    alarms = scores >= spec.threshold
    record = AnomaliesRecord(
        spec=spec,
        good=int((~odd).sum()),
        odd=int(odd.sum()),
        false_alarms=wilson(int(alarms[~odd].sum()), int((~odd).sum())),
        recall=wilson(int(alarms[odd].sum()), int(odd.sum())) if odd.any() else None,
        auroc=auroc_interval(scores[odd], scores[~odd]) if odd.any() and not odd.all() else None,
    )
    # Distances from a threshold are no chances: there is nothing to calibrate.
    return msgspec.structs.replace(scored, calibration_error=None, calibration_chance=msgspec.UNSET, anomalies=record)


def _spread(wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return up to three places that are wanted, as far apart as they can be: odd ones of several labels."""
    places = np.flatnonzero(wanted)
    return np.unique(places[np.linspace(0, len(places) - 1, _SCENES).astype(np.int64)]) if len(places) else places


def _scene(samples: Samples, row: int, values: Floats, spec: ObjectMap) -> OddScene:
    return OddScene(
        row=row,
        name=str(samples.sessions[row]),
        label=str(samples.y[row]),
        picture=png(samples.X[row]),
        odds=tuple(int(v) for v in heat(values[None], spec)[1].ravel()),
    )

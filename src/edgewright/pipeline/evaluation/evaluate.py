"""What the test samples, or folds before a run, say of a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.data.targets import class_names
from edgewright.pipeline.evaluation.class_metric import metric_record, rare_confidence, verdict_metric
from edgewright.pipeline.run_folder.job import Crossed
from edgewright.schema.data import Floats, Labels, Samples
from edgewright.schema.errors import InputError
from edgewright.schema.trace import ClassRow, EvaluationRecord, GroupRow, Mistake
from edgewright.training import metrics
from edgewright.training.sample_tests import errors_of, right_answers


def crossed_evaluation(crossed: Crossed, samples: Samples, evaluation: EvaluationRecord) -> EvaluationRecord:
    """Return the evaluation of a run by its folds, where they have answers to all samples.

    Raises:
        InputError: the run has other samples than the folds had.
    """
    if not crossed.evaluates:
        return msgspec.structs.replace(evaluation, folds=crossed.folds, scores=crossed.scores)
    if len(samples.y) != len(crossed.answers):
        raise InputError(f"the {len(crossed.answers):,} samples of the folds", f"{len(samples.y):,}", "the run")
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

"""Figures of a model that folds judged before its run: every sample by a fit that had not seen its unit."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.pipeline.evaluate import evaluate_classes, evaluate_numbers
from edgewright.schema.data import Floats, Samples
from edgewright.schema.errors import InputError
from edgewright.schema.trace import EvaluationRecord, Interval


@dataclass(frozen=True)
class Crossed:
    """What folds found.

    Attributes:
        answers: probabilities (n, classes) or amounts (n, 1) of all samples in their order.
        classes: in the order of the probabilities; empty for amounts.
        kept: what folds kept whole, `folds` their number.
        units: number of the unit of each sample, for intervals where samples have no groups.
        scores: what the folds were judged by, by its title.
        temperature: that makes the answers as sure as they are right; a network is packaged with it.
        evaluates: whether the answers are of all samples of the run; otherwise the run's own test samples evaluate, and
            `scores` stand beside.
    """

    answers: Floats
    classes: tuple[str, ...]
    kept: str
    folds: int
    units: NDArray[np.int64]
    scores: dict[str, Interval] = field(default_factory=dict)
    temperature: float = 1.0
    evaluates: bool = True


def crossed_evaluation(crossed: Crossed, samples: Samples, judged: EvaluationRecord) -> EvaluationRecord:
    """The evaluation of a run by its folds, where they have answers to all samples.

    Raises:
        InputError: the run has other samples than the folds had.
    """
    if not crossed.evaluates:
        return msgspec.structs.replace(judged, folds=crossed.folds, scores=crossed.scores)
    if len(samples.y) != len(crossed.answers):
        raise InputError(f"the {len(crossed.answers):,} samples of the folds", f"{len(samples.y):,}", "the run")
    groups = samples.groups
    if groups is None and crossed.kept != "row":
        groups = np.array([f"{crossed.kept} {unit + 1}" for unit in crossed.units.tolist()])
    if crossed.classes:
        majority = float(np.unique(samples.y, return_counts=True)[1].max() / len(samples.y))
        rows = np.arange(len(samples.y), dtype=np.int64)
        found = evaluate_classes(
            samples.y, crossed.answers, crossed.classes, groups, rows, split_by=crossed.kept, majority=majority
        )
    else:
        truth = np.asarray(samples.y, np.float64)
        found = evaluate_numbers(truth, crossed.answers, groups, split_by=crossed.kept)
    return msgspec.structs.replace(found, folds=crossed.folds, scores=crossed.scores, unit=judged.unit)

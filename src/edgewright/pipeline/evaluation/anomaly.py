"""What the test pictures say of a model that finds odd ones."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.input.pictures import png
from edgewright.core.prediction.objects import GOOD, ODD, heat, odd_chances, oddest
from edgewright.data.goods import is_odd
from edgewright.pipeline.evaluation.evaluate import evaluate_classes
from edgewright.schema.data import Floats, Labels, Samples
from edgewright.schema.objects import AnomaliesRecord, ObjectMap, OddScene
from edgewright.schema.trace import EvaluationRecord
from edgewright.training.metrics import auroc_interval, wilson

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

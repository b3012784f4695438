"""What labelled pictures say of a package whose answer is a map: objects, or odd places."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.compression.report import flips_by_class
from edgewright.core.objects import UNIT
from edgewright.core.predictor import Answers
from edgewright.data.goods import is_odd
from edgewright.pipeline.anomaly import LABELS, evaluate_scores
from edgewright.pipeline.detection import F1, evaluate_found
from edgewright.schema.data import Labels
from edgewright.schema.errors import InputError
from edgewright.schema.objects import ObjectMap
from edgewright.schema.package import Manifest
from edgewright.schema.score import FormScore
from edgewright.schema.trace import EvaluationRecord, Interval

# What a form answers, shape (n,): the objects of each picture, or the score of its oddest cell.
MapAnswers = NDArray[Any]


def map_answers(manifest: Manifest, answers: Answers) -> MapAnswers:
    """Return the objects of each picture, or log-odds of its oddest cell in 1/16, shape (n,)."""
    if manifest.task == "anomaly" and answers.predictions is not None:
        above = np.nan_to_num(answers.predictions)
        return np.asarray(np.round(above * UNIT) + _spec(manifest).threshold, np.int64)
    made = np.empty(len(answers), np.object_)
    for place, objects in enumerate(answers.objects or ()):
        made[place] = objects
    return made


def evaluated_maps(
    manifest: Manifest, truth: Labels, answers: MapAnswers, groups: Labels | None, numbers: NDArray[np.int64]
) -> tuple[EvaluationRecord, dict[str, Interval]]:
    """Return the evaluation that a run makes, and its figures by name."""
    spec = _spec(manifest)
    if manifest.task == "anomaly":
        made = evaluate_scores(truth, answers, spec, groups, numbers, split_by="")
        odd = made.anomalies
        if odd is None or isinstance(odd, msgspec.UnsetType):
            return made, {}
        named = {"auroc": odd.auroc, "recall": odd.found, "false_alarms": odd.false_alarms if odd.good else None}
        return made, {name: figure for name, figure in named.items() if figure is not None}
    made = evaluate_found(truth, list(answers), spec, groups, split_by="")
    figures = {key: made.intervals.get(key, _alone(value)) for key, value in made.regression.items()}
    if made.objects is not None and not isinstance(made.objects, msgspec.UnsetType):
        for one in made.objects.classes:
            if one.true or one.found:
                figures[f"{F1}.{one.label}"] = one.f1
                figures[f"precision.{one.label}"] = _alone(one.precision)
            if one.true:
                figures[f"recall.{one.label}"] = _alone(one.recall)
    return made, figures


def map_forms(manifest: Manifest, truth: Labels, answers: Mapping[str, MapAnswers]) -> Iterator[FormScore]:
    """Each form against the first: pictures that change between good and odd, or have another number of objects."""
    spec, first = _spec(manifest), next(iter(answers.values()))
    for form, given in answers.items():
        if manifest.task == "anomaly":
            one, other = ((scores >= spec.threshold).astype(np.int64) for scores in (first, given))
            figure, flips = float(np.mean(other == is_odd(truth))), int((one != other).sum())
            by_class = tuple(row for row in flips_by_class(one, other, LABELS) if row[1])
        else:
            figure = evaluate_found(truth, list(given), spec, None, split_by="").regression[F1]
            flips, by_class = sum(map(_differ, first, given)), ()
        yield FormScore(name=form, figure=figure, flips=flips, flips_by_class=by_class, samples=len(truth))


def _differ(one: Any, other: Any) -> bool:  # noqa: ANN401 - objects of a picture
    return Counter(found.label for found in one) != Counter(found.label for found in other)


def _spec(manifest: Manifest) -> ObjectMap:
    if isinstance(manifest.objects, msgspec.UnsetType):
        raise InputError("how the map is read", "nothing", manifest.name)
    return manifest.objects


def _alone(value: float) -> Interval:
    return Interval(value=value, low=value, high=value, method="")

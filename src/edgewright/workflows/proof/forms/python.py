"""The fitted Python pipeline: what the person who trained it sees."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from edgewright.core.missing_values import read_limit, unanswered
from edgewright.graph.mask import NO_LABEL
from edgewright.graph.stages import float_part, layers
from edgewright.pipeline.whole_graph import limit_of
from edgewright.proof.form import LABEL, PREDICTION, PROBABILITIES, Form, Samples, Stages
from edgewright.workflows.proof.artifacts import PIPELINE
from edgewright.workflows.proof.forms import Forms, Subject

# Layers that compute nothing when a network answers, and those that are two operators.
_NOTHING, _TWO = frozenset({"dropout", "flatten"}), frozenset({"depthwise_separable"})


def _make(subject: Subject) -> Iterator[Form]:
    if subject.pipeline is None:
        subject.missing("Python pipeline", "only a run folder holds it; this is a package or a model")
    else:
        classes = getattr(subject.pipeline.steps[-1][1], "classes_", ())
        labels = tuple(str(label) for label in classes)
        yield Form(name="Python pipeline", numbers="float", run=_run(subject), labels=labels, files=(f"{PIPELINE}/",))


def _run(subject: Subject) -> Callable[[Samples, Samples], Stages]:
    steps: list[tuple[str, Any]] = subject.pipeline.steps
    graph = subject.graphs.get("float")
    limit = limit_of(steps) if graph is None else read_limit(graph.metadata)

    def run(samples: Samples, boundary: Samples) -> Stages:
        with warnings.catch_warnings():
            # Samples stand in the order of the columns that the first stage names.
            warnings.filterwarnings("ignore", "X does not have valid feature names")
            return answered(samples)

    def answered(samples: Samples) -> Stages:
        made: Stages = {}
        # Without a stage that fills missing values, a sample with one has no answer; stages refuse to see it.
        value: Any = np.where(np.isfinite(samples), samples, np.float32(0)) if limit == 0 else samples
        absent = np.zeros(len(samples), np.bool_) if limit is None else unanswered(samples, limit)
        marked = {mark.stage for mark in subject.graphs["float"].stages} if "float" in subject.graphs else None
        for name, estimator in steps[:-1]:
            value = estimator.transform(value)
            if marked is None or name in marked:
                made[name] = np.asarray(value, np.float32)
        model = steps[-1][1]
        made.update(_layers(subject, model, value))
        if hasattr(model, "predict_proba"):
            chance = np.asarray(model.predict_proba(value), np.float32)
            label = np.where(absent, NO_LABEL, np.argmax(chance, axis=1)).astype(np.int64)
            return {**made, PROBABILITIES: np.where(absent[:, None], np.float32(0), chance), LABEL: label}
        given = np.where(absent, np.float32(np.nan), np.asarray(model.predict(value), np.float32).reshape(-1))
        return {**made, PREDICTION: given.reshape(len(samples), 1)}

    return run


def _layers(subject: Subject, model: Any, value: Any) -> Stages:  # noqa: ANN401 - any estimator
    """Layers of a network but its last, which the model gives after softmax only."""
    network = float_part(subject.graphs["float"]) if "float" in subject.graphs else None
    if network is None or not hasattr(model, "layer_outputs"):
        return {}
    names = list(layers(network))
    found, place = {}, 0
    outputs = [o for o in model.layer_outputs(value) if o.kind not in _NOTHING]
    if sum(2 if o.kind in _TWO else 1 for o in outputs) != len(names):
        return {}
    for output in outputs[:-1]:
        place += 2 if output.kind in _TWO else 1
        found[names[place - 1]] = np.asarray(output.values, np.float32)
    return found


FORMS = Forms(rank=10, make=_make)

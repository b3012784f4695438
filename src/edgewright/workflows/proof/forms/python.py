"""The fitted Python pipeline: what the person who trained it sees."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from edgewright.core.input.samples import read_limit, unanswered
from edgewright.graph.builder import NO_LABEL, Builder
from edgewright.graph.extract import float_network, float_part, layers
from edgewright.graph.stage import Layer, Parameters, Shape
from edgewright.pipeline.fitting import limit_of
from edgewright.proof.tolerance import EXTREME, LABEL, PREDICTION, PROBABILITIES, Form, Samples, Stages
from edgewright.workflows.proof.artifacts import PIPELINE
from edgewright.workflows.proof.forms import Forms, Run, Subject


def _make(subject: Subject) -> Iterator[Form]:
    if subject.pipeline is None:
        subject.missing("Python pipeline", "only a run folder has it; this is a package or a model")
    else:
        classes = getattr(subject.pipeline.steps[-1][1], "classes_", ())
        labels = tuple(str(label) for label in classes)
        yield Form(name="Python pipeline", numbers="float", run=_run(subject), labels=labels, files=(f"{PIPELINE}/",))


def _run(subject: Subject) -> Run:
    steps: list[tuple[str, Any]] = subject.pipeline.steps
    graph = subject.graphs.get("float")
    limit = limit_of(steps) if graph is None else read_limit(graph.metadata)

    def run(samples: Samples, boundary: Samples) -> Stages:
        with warnings.catch_warnings():
            # Samples stand in the order of the columns that the first stage names.
            warnings.filterwarnings("ignore", "X does not have valid feature names")
            return answered(samples)

    def answered(samples: Samples) -> Stages:
        stages: Stages = {}
        # Without a stage that fills missing values, a sample with one has no answer; stages refuse to see it.
        value: Any = np.where(np.isfinite(samples), samples, np.float32(0)) if limit == 0 else samples
        absent = np.zeros(len(samples), np.bool_) if limit is None else unanswered(samples, limit)
        for name, estimator in steps[:-1]:
            value = estimator.transform(value)
            # A stage that the graph does not mark is listed in the verdict as not compared.
            stages[name] = np.asarray(value, np.float32)
            # Behind the stage that fills, nothing is compared of such a sample, and stages refuse sums that overflow.
            largest = np.abs(stages[name]) == EXTREME
            value = np.where(largest, 0, value) if largest.any() else value
        model = steps[-1][1]
        stages.update(_layers(subject, model, value))
        if hasattr(model, "predict_proba"):
            chance = np.asarray(model.predict_proba(value), np.float32)
            label = np.where(absent, NO_LABEL, np.argmax(chance, axis=1)).astype(np.int64)
            return {**stages, PROBABILITIES: np.where(absent[:, None], np.float32(0), chance), LABEL: label}
        given = np.asarray(model.predict(value), np.float32).reshape(len(samples), -1)
        return {**stages, PREDICTION: np.where(absent[:, None], np.float32(np.nan), given)}

    return run


def _layers(subject: Subject, model: Any, value: Any) -> Stages:  # noqa: ANN401 - any estimator
    """Return the layers of a network but its last, which the model gives after softmax only.

    Where they are not those of the graph they have names of their own, and the verdict lists them as not compared.
    """
    network = float_part(subject.graphs["float"]) if "float" in subject.graphs else None
    if network is None or not hasattr(model, "network"):
        return {}
    names, own = list(layers(network)), model.network()
    counts = list(map(_operators, own.layers, own.configs, own.shapes, model.parameters_))
    known = sum(counts) == len(names)
    outputs, end = {}, 0
    for count, output in zip(counts[:-1], model.layer_outputs(value), strict=False):
        end += count
        if count:
            outputs[names[end - 1] if known else f"{output.name} of the model"] = np.asarray(output.values, np.float32)
    return outputs


def _operators(layer: Layer[Any], config: Any, shape: Shape, parameters: Parameters) -> int:  # noqa: ANN401
    """Return how many stages of a proof a layer is: those of a network of it and a dense layer, less one."""
    builder, size = Builder("layer", shape), int(np.prod(layer.out_shape(config, shape)))
    builder.boundary(builder.input)
    value = builder.op("Flatten", layer.to_graph(config, parameters, builder, builder.input, shape), axis=1)
    value = builder.op("Gemm", value, builder.constant(np.zeros((size, 1), np.float32)))
    return len(layers(float_network(builder.finish({"y": (value, "float32", (1,))})))) - 1


FORMS = Forms(rank=10, make=_make)

"""Small graphs and packages that several tests of the runtime use."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.package import vector_files
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.data import Column
from edgewright.core.records.network import Graph
from edgewright.core.records.package import IntervalSpec, Manifest, WindowSpec
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx

LABELS = ("walking", "sitting", "running")


INTERVAL = IntervalSpec(level=0.9, edges=(-0.5, 0.25, 0.5), low=(-0.1, -0.3, -0.7, -0.2), high=(0.1, 0.4, 0.6, 0.9))


def numbers(*shape: int, seed: int = 3) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def classifier(widths: tuple[int, ...] = (10, 64, 64, 3)) -> Graph:
    """Impute, scale, dense layers, softmax: rows in, label out."""
    first, labels = widths[0], LABELS[: widths[-1]]
    builder = Builder("activity", (first,), labels=labels)
    filled = builder.op("Where", builder.op("IsNaN", builder.input), builder.constant(numbers(first)), builder.input)
    builder.stage("Impute", filled)
    value = builder.op("Mul", builder.op("Sub", filled, builder.constant(numbers(first, seed=4))), builder.number(0.5))
    builder.stage("Normalise", value)
    builder.boundary(value)
    for index, (a, b) in enumerate(itertools.pairwise(widths)):
        weights, bias = numbers(a, b, seed=10 + index) / np.float32(np.sqrt(a)), numbers(b, seed=20 + index)
        value = builder.op("Gemm", value, builder.constant(weights), builder.constant(bias))
        if index < len(widths) - 2:
            value = builder.op("Relu", value)
    builder.stage("Network", value)
    probabilities = builder.op("Softmax", builder.op("Mul", value, builder.number(0.8)), axis=-1)
    label = builder.op("ArgMax", probabilities, axis=1, keepdims=0)
    confidence = builder.op("ReduceMax", probabilities, builder.integers(1), keepdims=0)
    return builder.finish(
        {
            "label": (label, "int64", ()),
            "probabilities": (probabilities, "float32", (widths[-1],)),
            "confidence": (confidence, "float32", ()),
        },
        {"licence": "Apache-2.0"},
    )


def regressor() -> Graph:
    """Return windows of 2 channels and 8 samples to one number, by a convolution."""
    builder = Builder("level", (2, 8))
    value = builder.op("Conv", builder.input, builder.constant(numbers(3, 2, 3)), builder.constant(numbers(3)))
    value = builder.op("Flatten", builder.op("GlobalAveragePool", builder.op("Relu", value)))
    value = builder.op("MatMul", value, builder.constant(numbers(3, 1)))
    return builder.finish({"prediction": (value, "float32", (1,))})


def manifest(**changes: Any) -> Manifest:  # noqa: ANN401 - fields of different types
    fields: dict[str, Any] = {
        "name": "activity",
        "task": "classification",
        "columns": tuple(Column(name=f"c{i}", minimum=-50.0 if i == 0 else None) for i in range(10)),
        "shape": (10,),
        "window": None,
        "labels": LABELS,
        "target": "activity",
        "thresholds": {"confidence": 0.5},
        "vectors": 8,
        "tolerance": {"float": 1e-5},
        "forms": {"float": "model.onnx"},
        "default": "float",
        "reference": (),
        "licences": ("Apache-2.0",),
        "provenance": {"seed": "0"},
        "files": (),
    }
    return Manifest(**{**fields, **changes})


def parts(graph: Graph | None = None, **changes: Any) -> tuple[Manifest, dict[str, bytes]]:  # noqa: ANN401
    """Return a manifest and its files for a classifier of rows."""
    graph = graph or classifier()
    inputs = numbers(8, *graph.inputs[0].shape, seed=7)
    outputs = compile_graph(graph)(inputs)
    expected = outputs["probabilities"] if "probabilities" in outputs else outputs["prediction"]
    return manifest(**changes), {"model.onnx": to_onnx(graph), **vector_files(inputs, {"float": expected})}


def window_parts() -> tuple[Manifest, dict[str, bytes]]:
    """Return the same for a regressor of windows."""
    return parts(
        regressor(),
        task="regression",
        columns=(Column(name="x"), Column(name="y")),
        shape=(2, 8),
        window=WindowSpec(samples=8, step=4, rate=50.0),
        labels=(),
    )

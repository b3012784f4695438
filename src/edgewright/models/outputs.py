"""The ends of a graph: what a device reads after the network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.builder import Builder

Outputs = dict[str, tuple[str, str, tuple[int, ...]]]


def finish_outputs(builder: Builder, probabilities: str, classes: int) -> Outputs:
    """Label, probabilities and confidence of a classifier, as `Builder.finish` takes them.

    Args:
        builder: of the graph.
        probabilities: value of shape (n, classes).
        classes: how many.
    """
    label = builder.op("ArgMax", probabilities, axis=1, keepdims=0)
    confidence = builder.op("ReduceMax", probabilities, builder.integers(1), keepdims=0)
    return {
        "label": (label, "int64", ()),
        "probabilities": (probabilities, "float32", (classes,)),
        "confidence": (confidence, "float32", ()),
    }


def both_classes(builder: Builder, second: str) -> str:
    """(n, 1) probabilities of the second class -> (n, 2) of both."""
    first = builder.op("Sub", builder.constant(np.ones((1, 1), np.float32)), second)
    return builder.op("Concat", first, second, axis=1)


def regression_output(builder: Builder, value: str) -> Outputs:
    """(n, 1) -> `prediction` of shape (n,)."""
    return {"prediction": (builder.op("Reshape", value, builder.integers(-1)), "float32", ())}


def softmax(raw: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return shares of raw outputs, shape (n, k), float32; the largest is taken off first so that nothing overflows."""
    powers = np.exp(raw - raw.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)

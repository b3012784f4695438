"""The models that are timed: random weights, because only shapes matter for time."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.compression.int8 import quantise
from edgewright.core.records.network import Graph
from edgewright.graph.builder import Builder

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Timed:
    """A model of the benchmark.

    Attributes:
        name: for the table.
        graph: what is run.
        samples: inputs, shape (n, ...).
        target: 'fifth' where more is promised of the extension than to be no slower than LiteRT.
    """

    name: str
    graph: Graph
    samples: Samples
    target: str = ""


class Net:
    """Builds a network, layer by layer, with random weights."""

    def __init__(self, name: str, shape: tuple[int, ...], classes: int, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.classes = classes
        self.builder = Builder(name, shape, labels=tuple(f"class {i}" for i in range(classes)))
        self.value = self.builder.input

    def op(self, op: str, *inputs: str, **attributes: Any) -> None:  # noqa: ANN401 - attributes of different types
        """Append an operator that reads the last value."""
        self.value = self.builder.op(op, self.value, *inputs, **attributes)

    def weights(self, *shape: int) -> tuple[str, str]:
        """Return weights that keep the size of values, and a bias."""
        weights = self.rng.standard_normal(shape) * np.sqrt(2.0 / np.prod(shape[1:]))
        bias = self.rng.standard_normal(shape[0]) * 0.1
        return self.builder.constant(weights.astype(np.float32)), self.builder.constant(bias.astype(np.float32))

    def dense(self, *widths: int) -> None:
        """Dense layers with ReLU between them."""
        for index, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
            self.op("Gemm", *self.weights(outputs, inputs), transB=1)
            if index < len(widths) - 2:
                self.op("Relu")

    def finish(self) -> Graph:
        """Softmax, label and confidence."""
        self.op("Softmax", axis=-1)
        build = self.builder
        label = build.op("ArgMax", self.value, axis=1, keepdims=0)
        confidence = build.op("ReduceMax", self.value, build.integers(1), keepdims=0)
        return build.finish(
            {
                "label": (label, "int64", ()),
                "probabilities": (self.value, "float32", (self.classes,)),
                "confidence": (confidence, "float32", ()),
            }
        )


def pipeline() -> Graph:
    """Impute, scale, polynomial, select, and a 10-64-64-3 network on raw rows of six columns."""
    net = Net("pipeline", (6,), 3)
    build = net.builder
    missing = build.op("IsNaN", net.value)
    net.value = build.op("Where", missing, build.constant(np.full(6, 0.5, np.float32)), net.value)
    net.op("Sub", build.constant(np.linspace(-2, 0, 6).astype(np.float32)))
    net.op("Mul", build.constant(np.linspace(0.2, 0.4, 6).astype(np.float32)))
    first = build.op("Gather", net.value, build.integers(0, 0, 1, 1, 2, 3), axis=1)
    second = build.op("Gather", net.value, build.integers(0, 1, 1, 2, 3, 4), axis=1)
    products = build.op("Mul", first, second)
    net.value = build.op("Concat", net.value, products, axis=1)
    net.op("Gather", build.integers(0, 1, 2, 3, 5, 6, 7, 8, 10, 11), axis=1)
    build.boundary(net.value)
    net.dense(10, 64, 64, 3)
    return net.finish()


def dense(*widths: int) -> Graph:
    """Dense layers alone."""
    net = Net("-".join(map(str, widths)), (widths[0],), widths[-1])
    net.builder.boundary(net.value)
    net.dense(*widths)
    return net.finish()


def convolution(channels: int, samples: int) -> Graph:
    """Two convolutions over a window, and a dense layer."""
    net = Net(f"convolution {channels} x {samples}", (channels, samples), 6)
    net.builder.boundary(net.value)
    net.op("Conv", *net.weights(16, channels, 5), strides=(2,), pads=(2, 2))
    net.op("Relu")
    net.op("Conv", *net.weights(16, 16, 3), strides=(2,), pads=(1, 1))
    net.op("Relu")
    net.op("Flatten", axis=1)
    net.dense(16 * (samples // 4), 6)
    return net.finish()


def separable(channels: int, samples: int) -> Graph:
    """Return a convolution, a depthwise and a pointwise one, and the mean over time."""
    net = Net(f"separable {channels} x {samples}", (channels, samples), 6)
    net.builder.boundary(net.value)
    net.op("Conv", *net.weights(16, channels, 5), strides=(2,), pads=(2, 2))
    net.op("Relu")
    net.op("Conv", *net.weights(16, 1, 5), group=16, pads=(2, 2))
    net.op("Conv", *net.weights(24, 16, 1))
    net.op("Relu")
    net.op("GlobalAveragePool")
    net.op("Flatten", axis=1)
    net.dense(24, 6)
    return net.finish()


def models() -> list[Timed]:
    """All of them, float and int8."""
    timed: list[Timed] = []
    wide = (230, 200, 200, 200, 200, 200, 3)
    large = (512, 1024, 1024, 640, 256, 10)
    graphs: list[tuple[str, Graph, str]] = [
        ("whole pipeline, 10-64-64-3", pipeline(), "fifth"),
        ("10-64-64-3", dense(10, 64, 64, 3), ""),
        ("230-5x200-3", dense(*wide), ""),
        ("512-1024-1024-640-256-10 (9.4 MB)", dense(*large), ""),
        ("Conv1D, 6 x 64", convolution(6, 64), ""),
        ("separable Conv1D, 6 x 128", separable(6, 128), ""),
    ]
    for name, graph, target in graphs:
        x = np.random.default_rng(1).standard_normal((200, *graph.inputs[0].shape)).astype(np.float32)
        timed.append(Timed(f"{name}, float", graph, x, target))
        timed.append(Timed(f"{name}, int8", quantise(graph, x), x))
    return timed

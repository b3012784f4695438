"""The models: shapes that pipelines make, with weights drawn by chance, and those of MLPerf Tiny where they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.compression.int8 import quantise
from edgewright.core.records.network import Graph
from edgewright.graph.builder import Builder
from edgewright.graph.from_tflite import read_tflite
from edgewright.graph.from_tflite_graph import network_graph
from edgewright.models.base import finish_outputs

_SHARED = os.environ.get("EDGEWRIGHT_SHARED", Path(__file__).resolve().parents[3] / "shared")
FOLDER = Path(_SHARED) / "data" / "mlperf-tiny" / "models"
ROWS = 200
Floats = NDArray[np.float32]
Body = Callable[["Net", str], str]


class Net:
    """A builder whose weights are drawn so that values keep their spread."""

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.rng = np.random.default_rng(len(name) + sum(shape))
        self.builder = Builder(name, shape)
        self.builder.boundary(self.builder.input)

    def weights(self, *shape: int) -> tuple[str, str]:
        """Return constants: weights of a shape, outputs first, and biases."""
        weights = self.rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        bias = self.rng.standard_normal(shape[0]) / 8
        return self.builder.constant(weights.astype(np.float32)), self.builder.constant(bias.astype(np.float32))

    def dense(self, value: str, inputs: int, outputs: int, activation: str = "Relu") -> str:
        """Append a dense layer."""
        value = self.builder.op("Gemm", value, *self.weights(outputs, inputs), transB=1)
        return self.builder.op(activation, value) if activation else value

    def conv(
        self,
        value: str,
        inputs: int,
        outputs: int,
        *kernel: int,
        activation: str = "Relu",
        **more: int | tuple[int, ...],
    ) -> str:
        """Append a convolution that keeps lengths."""
        pads = tuple((length - 1) // 2 for length in kernel) + tuple(length // 2 for length in kernel)
        convolved = self.builder.op(
            "Conv", value, *self.weights(outputs, 1 if "group" in more else inputs, *kernel), pads=pads, **more
        )
        return self.builder.op(activation, convolved) if activation else convolved


def dense(*widths: int, activation: str = "Relu") -> Body:
    """Return layers of these widths; the last has no activation."""

    def body(net: Net, value: str) -> str:
        for inputs, outputs in pairwise(widths[:-1]):
            value = net.dense(value, inputs, outputs, activation)
        return net.dense(value, widths[-2], widths[-1], "")

    return body


def _conv1d(net: Net, value: str) -> str:
    value = net.conv(net.conv(value, 3, 16, 5), 16, 16, 3)
    return net.dense(net.builder.op("Flatten", value, axis=1), 16 * 32, 4, "")


def _separable(net: Net, value: str) -> str:
    value = net.conv(value, 3, 16, 5)
    for _ in range(2):
        value = net.conv(net.conv(value, 16, 16, 3, group=16), 16, 16, 1)
    value = net.builder.op("GlobalAveragePool", value)
    return net.dense(net.builder.op("Flatten", value, axis=1), 16, 4, "")


def _pools(net: Net, value: str) -> str:
    value = net.builder.op("MaxPool", net.conv(value, 3, 8, 5), kernel_shape=(2,), strides=(2,))
    value = net.builder.op("AveragePool", net.conv(value, 8, 8, 3), kernel_shape=(2,), strides=(2,))
    return net.dense(net.builder.op("Flatten", value, axis=1), 64, 4, "")


def _residual(net: Net, value: str) -> str:
    first = net.conv(value, 3, 8, 3, 3)
    second = net.conv(net.conv(first, 8, 8, 3, 3), 8, 8, 3, 3, activation="")
    value = net.builder.op("Relu", net.builder.op("Add", second, first))
    value = net.builder.op("GlobalAveragePool", value)
    return net.dense(net.builder.op("Flatten", value, axis=1), 8, 4, "")


def _mobile(net: Net, value: str) -> str:
    value = net.conv(value, 3, 8, 3, 3, strides=(2, 2))
    value = net.conv(net.conv(value, 8, 8, 3, 3, group=8), 8, 16, 1, 1)
    value = net.builder.op("GlobalAveragePool", value)
    return net.dense(net.builder.op("Flatten", value, axis=1), 16, 4, "")


_WINDOW, _PICTURE = (3, 32), (3, 12, 12)
_BODIES: dict[str, tuple[tuple[int, ...], Body]] = {
    "10-64-64-4": ((10,), dense(10, 64, 64, 4)),
    "5-32-32-4": ((5,), dense(5, 32, 32, 4)),
    "230-50-50-4": ((230,), dense(230, 50, 50, 4)),
    "10-16-4 sigmoid": ((10,), dense(10, 16, 4, activation="Sigmoid")),
    "conv1d": (_WINDOW, _conv1d),
    "separable": (_WINDOW, _separable),
    "pools": (_WINDOW, _pools),
    "conv2d, residual": (_PICTURE, _residual),
    "conv2d, separable": (_PICTURE, _mobile),
}
_TINY = {
    "ad01": ("ad01_fp32", "ad01_int8"),
    "kws": ("kws_ref_model_float32", "kws_ref_model"),
    "image classification": ("pretrainedResnet", "pretrainedResnet_quant"),
    "visual wake words": ("vww_96_float", "vww_96_int8"),
    "streaming wakeword": ("", "str_ww_ref_model"),
}


def models() -> Iterator[tuple[str, Graph, Floats]]:
    """Yield a name, a graph and samples: our shapes as int8, four of them as float too, then MLPerf Tiny's."""
    for name, (shape, body) in _BODIES.items():
        net = Net(name.split(",")[0].replace(" ", "-"), shape)
        value = net.builder.op("Softmax", body(net, net.builder.input), axis=1)
        graph = net.builder.finish(finish_outputs(net.builder, value, 4))
        samples = net.rng.standard_normal((2 * ROWS, *shape)).astype(np.float32)
        if name in ("10-64-64-4", "conv1d"):
            yield f"{name}, float", graph, samples[ROWS:]
        yield f"{name}, int8", quantise(graph, samples[:ROWS]), samples[ROWS:]
    for name, files in _TINY.items():
        for word, file in zip(("float", "int8"), files, strict=True):
            path = FOLDER / f"{file}.tflite"
            if file and path.is_file():
                yield f"{name}, {word}", *_read(path)


def _read(path: Path) -> tuple[Graph, Floats]:
    network = read_tflite(path)
    graph, first = network_graph(network), network.values[network.input]
    rng = np.random.default_rng(1)
    count = 20 if np.prod(graph.inputs[0].shape) > 4_000 else 100
    shape = (count, *graph.inputs[0].shape)
    if not first.scale:
        return graph, rng.standard_normal(shape).astype(np.float32)
    return graph, ((rng.integers(-128, 128, shape) - first.zero) * first.scale).astype(np.float32)

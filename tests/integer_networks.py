"""Small networks of the product with random weights, and graphs built by hand, float and quantised."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.compression.int8 import quantise
from edgewright.core.records.network import Graph, IntegerNetwork
from edgewright.export.c99_graph.graph import pixels, turning
from edgewright.graph.builder import Builder
from processors import trained_on_host

Samples = NDArray[np.float32]
RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((400, 10)).astype(np.float32)
KINDS_OF_ROWS = np.argmax(ROWS @ RNG.standard_normal((10, 3)), axis=1)
WINDOWS = RNG.standard_normal((240, 3, 32)).astype(np.float32)
WINDOWS += np.sin(np.arange(32) * (0.3 + 0.3 * (np.arange(240) % 3))[:, None, None]).astype(np.float32)
LAYERS: dict[str, tuple[dict[str, Any], ...]] = {
    "dense": ({"kind": "dense", "units": 64}, {"kind": "dense", "units": 64}),
    "logistic": ({"kind": "dense", "units": 16, "activation": "sigmoid"},),
    "conv1d": (
        {"kind": "conv1d", "filters": 8, "kernel": 5, "stride": 2},
        {"kind": "flatten"},
        {"kind": "dense", "units": 8},
    ),
    "separable": (
        {"kind": "conv1d", "filters": 8, "kernel": 3},
        {"kind": "depthwise_separable", "filters": 12, "kernel": 5, "stride": 2},
        {"kind": "global_average_pool"},
    ),
    "pools": (
        {"kind": "conv1d", "filters": 8, "kernel": 5, "stride": 2},
        {"kind": "max_pool", "kernel": 2, "stride": 2},
        {"kind": "depthwise_separable", "filters": 8, "kernel": 3},
        {"kind": "average_pool", "kernel": 3, "stride": 2},
        {"kind": "flatten"},
        {"kind": "dense", "units": 8, "activation": "sigmoid"},
    ),
    "lstm": (
        {"kind": "conv1d", "filters": 6, "kernel": 3, "stride": 2},
        {"kind": "lstm", "units": 8, "sequence": True},
        {"kind": "lstm", "units": 7},
    ),
    "gru": (
        {"kind": "conv1d", "filters": 6, "kernel": 3, "stride": 2},
        {"kind": "gru", "units": 8, "sequence": True},
        {"kind": "gru", "units": 7},
    ),
    "global_max": (
        {"kind": "conv1d", "filters": 8, "kernel": 5, "activation": "linear"},
        {"kind": "global_max_pool"},
    ),
}


@trained_on_host
def trained(name: str) -> Graph:
    """Return the float graph of a network with random weights and biases; no test here is about what it learned."""
    from edgewright.models.network import NetworkClassifier

    samples, rng = (ROWS if name in ("dense", "logistic") else WINDOWS), np.random.default_rng(0)
    model = NetworkClassifier(LAYERS[name])
    parameters = model.planned(samples.shape[1:], 3).initialise(rng)
    for arrays in parameters:
        for array in arrays.values():
            array += rng.normal(0, 0.05, array.shape).astype(np.float32)
    shape = {"shape": [*samples.shape[1:]], "features": samples.shape[1]}
    model.fitted_ = {"parameters": parameters, **shape, "classes": np.arange(3)}
    builder = Builder(name, samples.shape[1:], labels=("a", "b", "c"))
    value = model.to_graph(builder, builder.input)
    builder.stage("model", value)
    return builder.finish(model.outputs(builder, value))


def samples_of(graph: Graph) -> Samples:
    """Return samples for a graph of `trained` or `picture`."""
    return {1: ROWS, 2: WINDOWS, 3: PICTURES}[len(graph.inputs[0].shape)]


PICTURES = RNG.standard_normal((60, 3, 9, 8)).astype(np.float32)


@cache
def picture() -> Graph:
    """Two-dimensional convolutions, padded unevenly, one of them depthwise, with strides and dilations."""
    rng = np.random.default_rng(3)
    builder = Builder("picture", (3, 9, 8))
    builder.boundary(builder.input)

    def weights(*shape: int) -> tuple[str, str]:
        weights = rng.standard_normal(shape).astype(np.float32) / np.sqrt(np.prod(shape[1:]))
        bias = rng.standard_normal(shape[0]).astype(np.float32) / 4
        return builder.constant(weights.astype(np.float32)), builder.constant(bias)

    value = builder.op("Conv", builder.input, *weights(6, 3, 3, 2), strides=(2, 1), pads=(1, 0, 0, 2))
    value = builder.op("Relu", value)
    value = builder.op("Conv", value, *weights(6, 1, 3, 3), group=6, pads=(2, 2, 2, 2), dilations=(2, 2))
    value = builder.op("MaxPool", value, kernel_shape=(2, 2), strides=(2, 2))
    value = builder.op("Relu", value)
    value = builder.op("Conv", value, *weights(5, 6, 1, 1))
    value = builder.op("Flatten", value, axis=1)
    value = builder.op("Relu", value)
    value = builder.op("Gemm", value, *weights(4, 5 * 2 * 4), transB=1)
    return builder.finish({"prediction": (value, "float32", (4,))})


@cache
def small(name: str, per_channel: str = "auto") -> Graph:
    """Return the int8 form of a network."""
    graph = picture() if name == "picture" else trained(name)
    return quantise(graph, samples_of(graph)[:150], per_channel=per_channel)  # type: ignore[arg-type]


def in_c(network: IntegerNetwork, x: NDArray[Any]) -> NDArray[Any]:
    """Return samples of a network as its C takes them: images with their channels last."""
    return pixels(x) if turning(network) is not None else x

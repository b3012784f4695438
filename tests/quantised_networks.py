"""Networks whose int8 forms are looked at: trained to answer well, with preprocessing, and one with dead channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgewright.core.records.network import Graph
from edgewright.graph.builder import Builder
from processors import trained_on_host

if TYPE_CHECKING:
    from edgewright.models.network import NetworkClassifier, NetworkRegressor

RNG = np.random.default_rng(0)
X = (RNG.standard_normal((1500, 10)) * 3 + 5).astype(np.float32)
Y = np.argmax((X - 5) @ RNG.standard_normal((10, 3)), axis=1)
LEVELS = 100 + X[:, 0] * 5
WINDOWS = RNG.standard_normal((300, 3, 32)).astype(np.float32)
WINDOWS += np.sin(np.arange(32) * (0.3 + 0.3 * (np.arange(300) % 3))[:, None, None]).astype(np.float32)
KIND = np.arange(300) % 3
CONVOLUTIONAL = (
    {"kind": "conv1d", "filters": 8, "kernel": 5, "stride": 2},
    {"kind": "max_pool", "kernel": 2, "stride": 2},
    {"kind": "depthwise_separable", "filters": 8, "kernel": 3},
    {"kind": "average_pool", "kernel": 2, "stride": 2},
    {"kind": "flatten"},
    {"kind": "dense", "units": 8, "activation": "sigmoid"},
)


def _whole(model: NetworkClassifier | NetworkRegressor, shape: tuple[int, ...], scaled: bool = False) -> Graph:
    """Return the graph of a model, with float preprocessing (x - 5) before it when scaled."""
    builder = Builder("t", shape, labels=tuple(str(c) for c in getattr(model, "classes_", ())))
    value = builder.op("Sub", builder.input, builder.number(5.0)) if scaled else builder.input
    builder.stage("scale", value)
    value = model.to_graph(builder, value)
    builder.stage("model", value)
    return builder.finish(model.outputs(builder, value))


@trained_on_host
def rows_graph() -> Graph:
    """Three classes of rows, with preprocessing."""
    from edgewright.models.network import NetworkClassifier

    return _whole(NetworkClassifier(epochs=15).fit(X - 5, Y), (10,), scaled=True)


@trained_on_host
def windows_graph() -> Graph:
    """Three classes of windows: convolutions and pools."""
    from edgewright.models.network import NetworkClassifier

    model = NetworkClassifier(CONVOLUTIONAL, epochs=20, batch=32, learning_rate=0.01).fit(WINDOWS, KIND)
    return _whole(model, (3, 32))


@trained_on_host
def dead_channels() -> Graph:
    """One dense layer in which two channels have next to no weights."""
    from edgewright.models.network import NetworkClassifier

    model = NetworkClassifier(({"kind": "dense", "units": 8},), epochs=1).fit(X, Y)
    model.parameters_[0]["weights"][:, 2] = 1e-30
    model.parameters_[0]["weights"][:, 5] = 0
    model.parameters_[0]["bias"][2] = 0.7
    model.parameters_[0]["bias"][5] = -3
    return _whole(model, (10,))


@trained_on_host
def regression() -> Graph:
    """Return a level from the first column."""
    from edgewright.models.network import NetworkRegressor

    return _whole(NetworkRegressor(epochs=15).fit(X, LEVELS), (10,))

"""Example settings of every layer, and layers with random weights made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgewright.core.catalogue import listing
from edgewright.core.errors import InputError
from edgewright.graph.stage import Layer, LayerConfig, Shape
from edgewright.models.architecture import layer_of

KINDS = listing("edgewright.models.nn", "LAYER")
WINDOW: Shape = (3, 13)
ROW: Shape = (7,)
PICTURE: Shape = (3, 9, 7)
# What the files take that are examples of a backbone.
SHAPES: tuple[Shape, ...] = (WINDOW, PICTURE, ROW, (3, 32))
FILES = Path(__file__).parent / "fixtures" / "models"
DENSE = {"kind": "dense", "units": 5}
# Settings that reach the corners of a layer; a layer that is not here is tried with as few as it takes.
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "dense": [{"units": 5}, {"units": 1, "activation": "sigmoid"}, {"units": 2, "activation": "linear"}],
    "branches": [
        {"units": 4, "parts": [{"inputs": 2, "layers": [{"kind": "flatten"}]}, {"inputs": 1, "last": True}]},
        {"units": 3, "activation": "sigmoid", "parts": [{"inputs": 3, "last": True, "layers": [DENSE]}]},
    ],
    "backbone": [{"file": str(FILES / "keras-conv1d.onnx")}, {"file": str(FILES / "keras-conv1d.onnx"), "depth": 0.6}],
    "conv1d": [
        {"filters": 4, "kernel": 5},
        {"filters": 4, "kernel": 4, "stride": 3, "activation": "sigmoid"},
        {"filters": 2, "kernel": 13, "padding": "valid", "activation": "linear"},
        {"filters": 2, "kernel": 1, "stride": 2},
        {"filters": 4, "kernel": 3, "normalise": True},
    ],
    "depthwise_separable": [
        {"filters": 4, "kernel": 3},
        {"filters": 4, "kernel": 3, "stride": 2, "normalise": True},
        {"filters": 4, "kernel": 4, "stride": 2, "depthwise_activation": "linear"},
        {"filters": 1, "kernel": 5, "padding": "valid"},
    ],
    "conv2d": [
        {"filters": 4, "kernel": 3},
        {"filters": 4, "kernel": 3, "normalise": False},
        {"filters": 4, "kernel": 4, "stride": 3, "activation": "sigmoid"},
        {"filters": 2, "kernel": 7, "padding": "valid", "activation": "linear"},
        {"filters": 2, "kernel": 1, "stride": 2},
    ],
    "inverted_residual": [
        {"filters": 3},
        {"filters": 3, "normalise": False, "activation": "relu"},
        {"filters": 4, "kernel": 5, "stride": 2, "expand": 2},
        {"filters": 5, "expand": 1, "padding": "valid"},
    ],
    "average_pool2d": [{"kernel": 3}, {"kernel": 4, "stride": 3}, {"kernel": 2, "stride": 2, "padding": "valid"}],
    "max_pool2d": [{"kernel": 3}, {"kernel": 4, "stride": 3}, {"kernel": 2, "stride": 2, "padding": "valid"}],
    "lstm": [{"units": 5}, {"units": 4, "sequence": True}],
    "gru": [{"units": 5}, {"units": 4, "sequence": True}],
    "average_pool": [{"kernel": 3}, {"kernel": 4, "stride": 3}, {"kernel": 2, "stride": 2, "padding": "valid"}],
    "max_pool": [{"kernel": 3}, {"kernel": 4, "stride": 3}, {"kernel": 2, "stride": 2, "padding": "valid"}],
}


def _settings(kind: str) -> list[dict[str, Any]]:
    """Return the settings above, or 3 for every number that a layer needs."""
    needed = msgspec.structs.fields(layer_of({"kind": kind}).config)
    return SETTINGS.get(kind, [{field.name: 3 for field in needed if field.required}])


CASES = [(kind, settings) for kind in KINDS for settings in _settings(kind)]


def _takes(layer: Layer[Any], config: LayerConfig, shape: Shape) -> bool:
    try:
        layer.out_shape(config, shape)
    except InputError:
        return False
    return True


def built_layer(kind: str, settings: dict[str, Any]) -> tuple[Layer[Any], Any, Shape, dict[str, Any]]:
    """Return a layer, its configuration, the shape that it takes (window before picture) and random parameters."""
    layer = layer_of({"kind": kind})
    config = msgspec.convert(settings, layer.config)
    shape = next(shape for shape in SHAPES if _takes(layer, config, shape))
    return layer, config, shape, layer.initialise(config, shape, np.random.default_rng(1))

"""Fully connected layer."""

from __future__ import annotations

import math
from typing import Annotated, Any

import msgspec
import numpy as np

from edgewright.core.errors import LayerSettingsError
from edgewright.graph.builder import Builder
from edgewright.graph.stage import Activation, Layer, LayerConfig, Parameters, Shape
from edgewright.models.nn._activation import (
    activate,
    activation_text,
    before_activation,
    emit_activation,
    initial_weights,
)


class DenseConfig(LayerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every output is a weighted sum of all inputs.

    Attributes:
        units: number of outputs.
        activation: 'relu', 'sigmoid' or 'linear'.
    """

    units: Annotated[int, msgspec.Meta(gt=0)]
    activation: Activation = "relu"


def out_shape(config: DenseConfig, shape: Shape) -> Shape:
    """Return (units,) for an input of shape (inputs,).

    Raises:
        InputError: for windows.
    """
    if len(shape) != 1 or math.prod(shape) < 1:
        raise LayerSettingsError(
            "a row of at least one feature",
            f"shape {shape}",
            "model.layers dense",
            "Add a layer of kind 'flatten' or 'global_average_pool' before it",
        )
    return (config.units,)


def initialise(config: DenseConfig, shape: Shape, rng: np.random.Generator) -> Parameters:
    """`weights` of shape (inputs, units) and `bias` of shape (units,)."""
    weights = initial_weights((shape[0], config.units), shape[0], config.activation, rng)
    return {"weights": weights, "bias": np.zeros(config.units, np.float32)}


def apply(config: DenseConfig, parameters: Parameters, x: Any) -> Any:  # noqa: ANN401 - a JAX or NumPy array, or a tracer
    """(batch, inputs) -> (batch, units)."""
    sums = x @ parameters["weights"]
    sums += parameters["bias"]  # in place where that is possible
    return activate(config.activation, sums)


def gradient(config: DenseConfig, own: Parameters, x: Any, y: Any, of_y: Any, into: Parameters, of_x: bool) -> Any:  # noqa: ANN401
    """(batch, units) -> (batch, inputs)."""
    sums = before_activation(config.activation, y, of_y)
    np.matmul(x.T, sums, out=into["weights"])
    np.add.reduce(sums, axis=0, out=into["bias"])
    return sums @ own["weights"].T if of_x else None


def to_graph(config: DenseConfig, parameters: Parameters, builder: Builder, value: str, shape: Shape) -> str:
    """One Gemm with the bias in it, which is what integer engines fuse, and the activation."""
    del shape
    weights, bias = builder.constant(parameters["weights"]), builder.constant(parameters["bias"])
    return emit_activation(builder, builder.op("Gemm", value, weights, bias), config.activation)


LAYER = Layer(
    config=DenseConfig,
    out_shape=out_shape,
    initialise=initialise,
    apply=apply,
    gradient=gradient,
    macs=lambda config, shape: shape[0] * config.units,
    to_graph=to_graph,
    integer=lambda config: True,
    formula=lambda config: activation_text(config.activation, "x W + b"),
    width="units",
    inputs={"weights": 0},
    outputs={"weights": 1, "bias": 0},
)

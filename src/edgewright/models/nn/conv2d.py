"""Two-dimensional convolution over the pixels of a picture.

A convolution has its weights under a name, and while it is normalised NAME_gain, NAME_mean and NAME_variance with one
number an output channel. `folded` puts all three into the weights and the bias.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from edgewright.graph.builder import Builder
from edgewright.graph.layer import Activation, Layer, LayerConfig, Normalisation, Parameters, Shape
from edgewright.models.nn._activation import activate, activation_text, emit_activation, initial_weights
from edgewright.models.nn._pictures import (
    SquareConfig,
    attributes,
    channels_first,
    channels_last,
    margins,
    picture_shape,
    places,
)
from edgewright.models.nn._windows import Positive
from edgewright.training.backend import jnp, lax

_EPSILON = 1e-3
_PARTS = ("gain", "mean", "variance")
L = TypeVar("L", bound=LayerConfig)
# (configuration, parameters, x, means and variances that are measured or None) -> y
Run = Callable[[L, Parameters, Any, Parameters | None], Any]


def started(name: str, channels: int) -> Parameters:
    """Return the parameters of a new normalisation: it changes nothing."""
    unit, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    return dict(zip((f"{name}_{part}" for part in _PARTS), (unit, zeros, unit.copy()), strict=True))


def normalised(name: str, own: Parameters, y: Any, measured: Parameters | None) -> Any:  # noqa: ANN401 - JAX arrays
    """Return sums of a convolution, channels last, normalised; as they are where `own` has no gain for them.

    Args:
        name: name of the weights.
        own: parameters of the layer.
        y: shape (..., channels).
        measured: None normalises with the mean and variance in `own`; otherwise those of `y` itself are taken, and
            kept here.
    """
    if f"{name}_gain" not in own:
        return y
    mean, variance = (own[f"{name}_mean"], own[f"{name}_variance"]) if measured is None else moments(y)
    if measured is not None:
        measured |= {f"{name}_mean": mean, f"{name}_variance": variance}
    return (y - mean) * (own[f"{name}_gain"] / jnp.sqrt(variance + _EPSILON))


def moments(y: Any) -> tuple[Any, Any]:  # noqa: ANN401 - JAX arrays
    """Mean and variance of each channel, the last axis."""
    axes = tuple(range(y.ndim - 1))
    mean = jnp.mean(y, axes)
    return mean, jnp.maximum(jnp.mean(y * y, axes) - mean * mean, 0.0)


def folded(own: Parameters, axes: dict[str, tuple[int, str]]) -> Parameters:
    """Return weights and biases that give what the normalised convolutions gave.

    Args:
        own: parameters of a layer.
        axes: axis of the output channels and name of the bias, by name of the weights.
    """
    parameters = {key: array for key, array in own.items() if not key.endswith(tuple(f"_{part}" for part in _PARTS))}
    for name, (axis, bias) in axes.items():
        if f"{name}_gain" not in own:
            continue
        gain, mean, variance = (np.asarray(own[f"{name}_{part}"], np.float64) for part in _PARTS)
        factor = gain / np.sqrt(variance + _EPSILON)
        shape = [1] * np.ndim(own[name])
        shape[axis] = -1
        parameters[name] = (np.asarray(own[name], np.float64) * factor.reshape(shape)).astype(np.float32)
        parameters[bias] = (np.asarray(own[bias], np.float64) - mean * factor).astype(np.float32)
    return parameters


def normalisation(run: Run[L], axes: dict[str, tuple[int, str]]) -> Normalisation[L]:
    """Return what training does with the normalised convolutions of a layer.

    Args:
        run: the layer.
        axes: see `folded`.
    """

    def measure(config: L, own: Parameters, x: Any) -> tuple[Any, Parameters]:  # noqa: ANN401
        measured: Parameters = {}
        y = run(config, own, x, measured)
        return y, {**own, **measured}

    return Normalisation(measure=measure, folded=lambda config, own: folded(own, axes))


KIND = "conv2d"
_AXES = {"weights": (0, "bias")}


class Conv2dConfig(SquareConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every output is a weighted sum over all channels of the pixels within the kernel.

    Attributes:
        filters: channels that come out.
        kernel: rows and columns it covers.
        stride: rows and columns from one place to the next.
        padding: 'same' adds zeros around the picture, 'valid' adds none.
        activation: 'relu', 'sigmoid' or 'linear'.
        normalise: train with batch normalisation, which is folded into the weights afterwards.
    """

    filters: Positive
    activation: Activation = "relu"
    normalise: bool = True


def initialise(config: Conv2dConfig, shape: Shape, rng: np.random.Generator) -> Parameters:
    """`weights` of shape (filters, channels, kernel, kernel) and `bias` of shape (filters,)."""
    channels = picture_shape(shape, KIND)[0]
    size = (config.filters, channels, config.kernel, config.kernel)
    weights = initial_weights(size, channels * config.kernel**2, config.activation, rng)
    norm = started("weights", config.filters) if config.normalise else {}
    return {"weights": weights, "bias": np.zeros(config.filters, np.float32), **norm}


def _run(config: Conv2dConfig, own: Parameters, x: Any, measured: Parameters | None) -> Any:  # noqa: ANN401 - JAX arrays
    """(batch, channels, height, width) -> (batch, filters, rows, columns)."""
    around = margins(config, x.shape[1:])
    weights = jnp.transpose(own["weights"], (2, 3, 1, 0))
    sums = lax.conv_general_dilated(
        channels_last(x), weights, (config.stride, config.stride), around, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    y = normalised("weights", own, sums, measured) + own["bias"]
    return channels_first(activate(config.activation, y))


def macs(config: Conv2dConfig, shape: Shape) -> int:
    """Return places times filters times channels times kernel; the zeros of the padding are counted."""
    rows, columns = places(config, shape, KIND)
    return rows * columns * config.filters * shape[0] * config.kernel**2


def to_graph(config: Conv2dConfig, parameters: Parameters, builder: Builder, value: str, shape: Shape) -> str:
    """Conv and the activation."""
    own = folded(parameters, _AXES)
    weights, bias = builder.constant(own["weights"]), builder.constant(own["bias"])
    return emit_activation(
        builder, builder.op("Conv", value, weights, bias, **attributes(config, shape)), config.activation
    )


LAYER = Layer(
    config=Conv2dConfig,
    out_shape=lambda config, shape: (config.filters, *places(config, shape, KIND)),
    initialise=initialise,
    apply=lambda config, parameters, x: _run(config, parameters, x, None),
    macs=macs,
    to_graph=to_graph,
    integer=lambda config: True,
    formula=lambda config: activation_text(config.activation, "sum over channels and kernel of x W, + b"),
    normalisation=normalisation(_run, _AXES),
    width="filters",
    search="pictures",
    inputs={"weights": 1},
    outputs={"weights": 0, "bias": 0},
)

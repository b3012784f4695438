"""Sums of a layer that are normalised by the mean and variance of a batch, in training alone (Ioffe and Szegedy, 2015).

A layer has its weights under a name, and while it is normalised NAME_gain, NAME_mean and NAME_variance with one number
an output channel. `folded` puts all three into the weights and the bias.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from edgewright.graph.layer import LayerConfig, Normalisation, Parameters
from edgewright.training.backend import jnp, lax

_EPSILON = 1e-3
_PARTS = ("gain", "mean", "variance")
# Normalised sums do not depend on the size of the weights, but a step turns small weights further.
_START = np.float32(0.4)
L = TypeVar("L", bound=LayerConfig)
# Axis of the output channels and name of the bias, by name of the weights.
Axes = dict[str, tuple[int, str]]
# (configuration, parameters, x, means and variances that are measured or None) -> y
Run = Callable[[L, Parameters, Any, Parameters | None], Any]


def started(own: Parameters, axes: Axes) -> Parameters:
    """Return new parameters of a layer with a normalisation of each of its weights.

    Args:
        own: weights and biases.
        axes: see `folded`.
    """
    parameters = dict(own)
    for name in [name for name in axes if name in own]:
        unit, zeros = np.ones_like(own[axes[name][1]]), np.zeros_like(own[axes[name][1]])
        parameters[name] = (own[name] * _START).astype(np.float32)
        parameters |= dict(zip((f"{name}_{part}" for part in _PARTS), (unit, zeros, unit.copy()), strict=True))
    return parameters


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
    """Mean and variance of each channel, the last axis.

    The first values are subtracted before squares are summed: float32 loses the variance of values far from zero.
    """
    axes = tuple(range(y.ndim - 1))
    first = lax.stop_gradient(y[(0,) * len(axes)])
    rest = y - first
    mean = jnp.mean(rest, axes)
    return first + mean, jnp.maximum(jnp.mean(rest * rest, axes) - mean * mean, 0.0)


def folded(own: Parameters, axes: Axes) -> Parameters:
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


def normalisation(run: Run[L], axes: Axes) -> Normalisation[L]:
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

"""Activations of a layer, in JAX, in NumPy and in ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewright.graph.builder import Builder
from edgewright.graph.stage import Activation
from edgewright.training.backend import jax, jnp


def activate(name: Activation, x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """Apply the activation to an array of any shape; NumPy arrays stay NumPy arrays."""
    in_numpy = isinstance(x, np.ndarray)
    if name == "relu":
        return np.maximum(x, np.float32(0)) if in_numpy else jnp.maximum(x, 0.0)
    if name == "sigmoid":
        return 0.5 + 0.5 * np.tanh(0.5 * x) if in_numpy else jax.nn.sigmoid(x)
    return x


def before_activation(name: Activation, y: Any, of_y: Any) -> Any:  # noqa: ANN401 - NumPy arrays
    """Return derivatives by what an activation takes, for what it gave and the derivatives by that."""
    if name == "relu":
        return np.multiply(of_y, y > 0, out=of_y)
    return of_y * y * (1 - y) if name == "sigmoid" else of_y


def emit_activation(builder: Builder, value: str, name: Activation) -> str:
    """Append the activation after `value`; nothing for 'linear'."""
    return value if name == "linear" else builder.op(name.capitalize(), value)


def activation_text(name: Activation, inner: str) -> str:
    """Return the activation around a formula."""
    return inner if name == "linear" else f"{name}({inner})"


def initial_weights(shape: tuple[int, ...], inputs: int, activation: str, rng: np.random.Generator) -> Any:  # noqa: ANN401
    """Draw normal weights of variance 2/inputs before ReLU (He et al., 2015), else 1/inputs (LeCun et al., 1998)."""
    gain = 2.0 if activation == "relu" else 1.0
    return (rng.standard_normal(shape) * np.sqrt(gain / inputs)).astype(np.float32)

"""Activations of a layer, in JAX and in ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewright.graph.builder import Builder
from edgewright.graph.layer import Activation
from edgewright.training.backend import jax, jnp


def activate(name: Activation, x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """Apply the activation to an array of any shape."""
    if name == "relu":
        return jnp.maximum(x, 0.0)
    return jax.nn.sigmoid(x) if name == "sigmoid" else x


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

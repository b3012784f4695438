"""Largest of neighbouring pixels."""

from __future__ import annotations

from functools import reduce
from typing import Any

from edgewright.models.nn._pictures import SquareConfig, pool_layer, taps
from edgewright.models.nn.max_pool import LOWEST
from edgewright.training.backend import jnp

KIND = "max_pool2d"


class MaxPool2dConfig(SquareConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Largest of the pixels the kernel covers, in each channel.

    Attributes:
        kernel: rows and columns it covers.
        stride: rows and columns from one place to the next.
        padding: 'same' reaches over the edges, 'valid' does not.
    """


def apply(config: MaxPool2dConfig, x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """(batch, height, width, channels) -> (batch, rows, columns, channels)."""
    return reduce(jnp.maximum, taps(config, x, KIND, fill=LOWEST))


LAYER = pool_layer(MaxPool2dConfig, KIND, "MaxPool", apply, "largest")

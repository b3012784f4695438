"""Means over neighbouring pixels."""

from __future__ import annotations

from typing import Any

from edgewright.models.nn._pictures import SquareConfig, pool_layer, taps
from edgewright.training.backend import jnp

KIND = "average_pool2d"


class AveragePool2dConfig(SquareConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Mean of the pixels the kernel covers, in each channel; pixels of the padding do not count.

    Attributes:
        kernel: rows and columns it covers.
        stride: rows and columns from one place to the next.
        padding: 'same' reaches over the edges, 'valid' does not.
    """


def apply(config: AveragePool2dConfig, x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """(batch, height, width, channels) -> (batch, rows, columns, channels)."""
    covered = sum(taps(config, jnp.ones((1, *x.shape[1:3], 1), x.dtype), KIND))
    return sum(taps(config, x, KIND)) / covered


LAYER = pool_layer(AveragePool2dConfig, KIND, "AveragePool", apply, "mean", count_include_pad=0)

"""Largest of neighbouring samples."""

from __future__ import annotations

from functools import reduce
from typing import Any

from edgewright.models.nn._windows import KernelConfig, pool_layer, taps
from edgewright.training.backend import jnp

KIND = "max_pool"
# The lowest float32 instead of minus infinity: its gradient is a number.
LOWEST = -3.4028235e38


class MaxPoolConfig(KernelConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Largest of the samples the kernel covers.

    Attributes:
        kernel: samples it covers.
        stride: samples from one place to the next.
        padding: 'same' reaches over the ends, 'valid' does not.
    """


def apply(config: MaxPoolConfig, x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """(batch, channels, samples) -> (batch, channels, places)."""
    shifted = taps(config, jnp.transpose(x, (0, 2, 1)), KIND, fill=LOWEST)
    return jnp.transpose(reduce(jnp.maximum, shifted), (0, 2, 1))


LAYER = pool_layer(MaxPoolConfig, KIND, "MaxPool", apply, "largest")

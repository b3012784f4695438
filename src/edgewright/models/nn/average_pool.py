"""Means over neighbouring samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewright.models.nn._windows import KernelConfig, pool_layer, span, taps
from edgewright.training.backend import jnp

KIND = "average_pool"


class AveragePoolConfig(KernelConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Mean of the samples the kernel covers; samples of the padding do not count.

    Attributes:
        kernel: samples it covers.
        stride: samples from one place to the next.
        padding: 'same' reaches over the ends, 'valid' does not.
    """


def apply(config: AveragePoolConfig, x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """(batch, channels, samples) -> (batch, channels, places)."""
    places, before, _ = span(config, (x.shape[1], x.shape[2]), KIND)
    starts = np.arange(places) * config.stride - before
    covered = np.minimum(starts + config.kernel, x.shape[2]) - np.maximum(starts, 0)
    total = sum(taps(config, jnp.transpose(x, (0, 2, 1)), KIND))
    return jnp.transpose(total / covered[:, None].astype(np.float32), (0, 2, 1))


LAYER = pool_layer(AveragePoolConfig, KIND, "AveragePool", apply, "mean", count_include_pad=0)

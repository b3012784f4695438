"""A sensor whose zero drifts."""

from __future__ import annotations

import numpy as np

from edgewright.language.synthesis.methods import Method, MethodConfig, Positive, Windows, method
from edgewright.schema.data import Floats


class DriftConfig(MethodConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`size`: standard deviation of the drift over a window, in the unit of the channel."""

    size: Positive = 0.1


def apply_drift(config: DriftConfig, windows: Windows, rng: np.random.Generator) -> Floats:
    """Add a straight line to each channel."""
    slopes = rng.normal(0.0, config.size, (*windows.x.shape[:2], 1))
    return np.asarray(windows.x + slopes * np.linspace(0.0, 1.0, windows.x.shape[2]), np.float32)


method("drift")(Method(DriftConfig, apply_drift))

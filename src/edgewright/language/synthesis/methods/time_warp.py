"""Somebody who is now faster, now slower: time runs along a smooth random curve that never goes back.

Um et al., "Data augmentation of wearable sensor data for Parkinson's disease monitoring" (ICMI 2017), with log rates.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from edgewright.language.synthesis.contract import Method, MethodConfig, Windows
from edgewright.schema.data import Floats


class TimeWarpConfig(MethodConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates.

    Attributes:
        spread: standard deviation of the logarithm of the rate at each knot.
        knots: places at which a rate is drawn; between them it goes evenly.
    """

    spread: Annotated[float, msgspec.Meta(gt=0.0, le=2.0)] = 0.2
    knots: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 4


def apply(config: TimeWarpConfig, windows: Windows, rng: np.random.Generator) -> Floats:
    """Return the first and the last sample stay where they are."""
    count, channels, samples = windows.x.shape
    at = np.linspace(0.0, samples - 1, config.knots)
    made = np.empty_like(windows.x)
    here = np.arange(samples, dtype=np.float64)
    for n in range(count):
        rates = np.exp(np.interp(here, at, rng.normal(0.0, config.spread, config.knots)))
        location = np.concatenate([[0.0], np.cumsum((rates[1:] + rates[:-1]) / 2)])
        location *= (samples - 1) / max(location[-1], 1e-12)
        for c in range(channels):
            made[n, c] = np.interp(location, here, windows.x[n, c])
    return made


METHOD = Method(config=TimeWarpConfig, apply=apply)

"""Signals of which rows were lost."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import numpy as np

from edgewright.language.synthesis.methods import Method, MethodConfig, Share, Windows, method
from edgewright.schema.data import Floats


class DropoutConfig(MethodConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is lost.

    Attributes:
        share: probability with which a row is lost.
        gap: mean length of a loss in rows; 1 loses single rows.
        fill: 'missing' leaves NaN, 'hold' keeps the last value, 'zero' writes 0.
    """

    share: Share = 0.05
    gap: Annotated[float, msgspec.Meta(ge=1.0, le=1e6)] = 1.0
    fill: Literal["missing", "hold", "zero"] = "missing"


def apply_dropout(config: DropoutConfig, windows: Windows, rng: np.random.Generator) -> Floats:
    """Lose rows, single or in gaps: all channels of a row together; the first row of a window stays."""
    count, _, samples = windows.x.shape
    values = windows.x.copy()
    # Two states (Gilbert, 1960): a loss ends with 1 / gap, and begins as often as gives the share.
    end = 1.0 / config.gap
    begin = 1.0 if config.share >= 1.0 else min(1.0, config.share * end / (1.0 - config.share))
    draws = rng.random((count, samples))
    for n in range(count):
        lost = np.zeros(samples, bool)
        for t in range(1, samples):
            lost[t] = draws[n, t] >= end if lost[t - 1] and config.share < 1.0 else draws[n, t] < begin
        if config.fill == "hold":
            values[n] = values[n][:, np.maximum.accumulate(np.where(lost, 0, np.arange(samples)))]
        else:
            values[n][:, lost] = np.nan if config.fill == "missing" else 0.0
    return values


method("dropout")(Method(DropoutConfig, apply_dropout))

"""Five convolutions over the pixels of a picture, with some ten times the weights of the small ones."""

from __future__ import annotations

from edgewright.search.ladder.contract import WINDOWS
from edgewright.search.ladder.model_rungs import pipeline_rung
from edgewright.search.ladder.rungs.small_convolutions import TRAINING, halving, unsupported_reason

RUNG = pipeline_rung(
    140, "large convolutions", "network", columns=WINDOWS, int8=True, layers=halving(16, 24, 48, 64, 96),
    unsupported_reason=unsupported_reason, training=TRAINING,
)  # fmt: skip

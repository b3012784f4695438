"""Five convolutions over the pixels of a picture, with about ten times the weights of `small_convolutions`."""

from __future__ import annotations

from edgewright.race.candidates.small_convolutions import TRAINING, halving, unsupported_reason
from edgewright.race.contract import WINDOWS
from edgewright.race.pipeline_end import pipeline_candidate

CANDIDATE = pipeline_candidate(
    140, "large convolutions", "network", columns=WINDOWS, int8=True, layers=halving(16, 24, 48, 64, 96),
    unsupported_reason=unsupported_reason, training=TRAINING,
    why="more convolutions see larger things wherever in the picture they are",
)  # fmt: skip

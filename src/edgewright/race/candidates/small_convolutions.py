"""Three convolutions over the pixels of a picture."""

from __future__ import annotations

from typing import Any

from edgewright.race.contract import WINDOWS
from edgewright.race.pipeline_end import pipeline_candidate
from edgewright.race.problem import Problem, are_pictures
from edgewright.schema.config import TrainingConfig

# Copies of pictures are closer and in another light. They are not mirrored, because that changes the meaning of letters
# and arrows.
TRAINING = TrainingConfig(
    epochs=30, batch=32, optimiser="adamw", learning_rate=0.005, schedule="one_cycle", weight_decay=0.02,
    label_smoothing=0.05, augment=({"kind": "crop", "area": 0.7}, {"kind": "colour"}),
)  # fmt: skip


def halving(*filters: int) -> tuple[dict[str, Any], ...]:
    """Return convolutions that each halve the sides, and the mean over all pixels."""
    layers = [{"kind": "conv2d", "filters": width, "kernel": 3, "stride": 2} for width in filters]
    return (*layers, {"kind": "global_average_pool"})


def unsupported_reason(problem: Problem) -> str:
    """Return why rows and windows have no such network; empty for pictures."""
    return "" if are_pictures(problem.samples) else "it needs pictures"


CANDIDATE = pipeline_candidate(
    130, "small convolutions", "network", columns=WINDOWS, int8=True, layers=halving(8, 16, 32),
    unsupported_reason=unsupported_reason, training=TRAINING,
    why="convolutions see the same thing wherever in the picture it is",
)  # fmt: skip

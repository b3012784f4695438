"""Network with a GRU of 16 units over the samples of a window."""

from __future__ import annotations

from typing import Any

import msgspec

from edgewright.race.candidates.small_network import TRAINING
from edgewright.race.contract import WINDOWS
from edgewright.race.pipeline_end import pipeline_candidate
from edgewright.race.problem import Problem, are_pictures
from edgewright.schema.config import PipelineConfig

# More epochs and a larger learning rate than for a dense network, because few windows make few batches. The values were
# chosen by cross-validation on BasicMotions and HAPT.
RECURRENT_TRAINING = msgspec.structs.replace(TRAINING, epochs=30, batch=32, learning_rate=0.01)
UNITS = 16
# Longer windows are shortened by a convolution first: a state costs time at every sample and forgets old samples.
STEPS = 64


def layers(config: PipelineConfig) -> tuple[dict[str, Any], ...]:
    """Return the layers for windows of a pipeline; frames of MFCCs are never shortened."""
    state = {"kind": "gru", "units": UNITS}
    framed = any(stage.get("kind") == "mfcc" for stage in config.stages)
    samples = 0 if config.window is None or framed else config.window.samples
    if samples <= STEPS:
        return (state,)
    stride = -(-samples // STEPS)
    return {"kind": "conv1d", "filters": UNITS, "kernel": 2 * stride + 1, "stride": stride}, state


def unsupported_reason(problem: Problem) -> str:
    """Return why single rows and pictures have no recurrent network; empty for windows."""
    others = "pictures" if are_pictures(problem.samples) else "single rows"
    return "" if problem.window is not None else f"it needs windows; the samples are {others}"


CANDIDATE = pipeline_candidate(
    120, "recurrent network", "network", columns=WINDOWS, scaled=True, int8=True, layers=layers,
    unsupported_reason=unsupported_reason, training=RECURRENT_TRAINING,
    why="a state follows the order of what happens",
)  # fmt: skip

"""Networks of dense layers on features, some on copies of windows whose sensor is turned, and a GRU on windows."""

from __future__ import annotations

from typing import Any

import msgspec

from edgewright.race.contract import FEATURES, WINDOWS, candidate
from edgewright.race.motion import body_axes, gravity_axes
from edgewright.race.pipeline_end import SCALE, needs_windows, pipeline_candidate
from edgewright.race.problem import Problem, are_pictures
from edgewright.race.stages import shape_stages
from edgewright.schema.config import PipelineConfig, TrainingConfig

# One-cycle learning rate, and regularisation against overfitting to few people or days (docs/adr/0041).
TRAINING = TrainingConfig(
    epochs=20, batch=64, optimiser="adamw", learning_rate=0.004, schedule="one_cycle", weight_decay=0.03,
    label_smoothing=0.05, dropout=0.1,
)  # fmt: skip
LAYERS = ({"kind": "dense", "units": 32}, {"kind": "dense", "units": 16})

candidate("small_network")(pipeline_candidate(
    100, "small network", "network", columns=FEATURES, scaled=True, int8=True, layers=LAYERS, training=TRAINING,
    why="a small network takes smooth dependencies well",
))  # fmt: skip

candidate("large_network")(pipeline_candidate(
    110, "large network", "network", columns=FEATURES, scaled=True, int8=True, training=TRAINING,
    layers=({"kind": "dense", "units": 128}, {"kind": "dense", "units": 64}),
    why="a wider network takes finer dependencies",
))  # fmt: skip


def needs_accelerometer(problem: Problem) -> str:
    """Return why the mounting of the sensor is unknown; empty if an accelerometer shows gravity."""
    if needs_windows(problem) or gravity_axes(problem.dataset, problem.samples.X.shape[2]) is None:
        return "it needs windows of an accelerometer"
    return ""


def remounted(config: PipelineConfig, problem: Problem) -> PipelineConfig:
    """Return the pipeline with copies of windows whose sensor is turned."""
    groups = body_axes(problem.dataset, problem.samples.X.shape[2])
    training = msgspec.structs.replace(config.training, augment=({"kind": "remount", "copies": 4, "groups": groups},))
    return msgspec.structs.replace(config, training=training)


def remounted_with_kernels(config: PipelineConfig, problem: Problem) -> PipelineConfig:
    """Return the pipeline with kernels among the features and copies of windows whose sensor is turned."""
    return remounted(msgspec.structs.replace(config, stages=(*shape_stages(problem), SCALE)), problem)


_REMOUNTED: dict[str, Any] = {
    "columns": FEATURES, "scaled": True, "int8": True, "unsupported_reason": needs_accelerometer, "rung": False,
    "layers": ({"kind": "dense", "units": 32}, {"kind": "dropout", "rate": 0.2}),
    "training": msgspec.structs.replace(TRAINING, epochs=9, batch=128),
}  # fmt: skip

candidate("remounted_network")(pipeline_candidate(
    105, "remounted network", "network", suited=remounted, prior=0.3, **_REMOUNTED,
    why="how strong, how often and which way up are what motions differ in, however the sensor is mounted",
))  # fmt: skip

candidate("remounted_kernels")(pipeline_candidate(
    107, "remounted network with kernels", "network", suited=remounted_with_kernels, prior=0.5, **_REMOUNTED,
    why="patterns that occur often complement how strong, how often and which way up, however the sensor is mounted",
))  # fmt: skip

# More epochs and a larger learning rate than for a dense network, because few windows make few batches. The values were
# chosen by cross-validation on BasicMotions and HAPT.
RECURRENT_TRAINING = msgspec.structs.replace(TRAINING, epochs=30, batch=32, learning_rate=0.01)
UNITS = 16
# Longer windows are shortened by a convolution first: a state costs time at every sample and forgets old samples.
STEPS = 64


def recurrent_layers(config: PipelineConfig) -> tuple[dict[str, Any], ...]:
    """Return the layers for windows of a pipeline; frames of MFCCs are never shortened."""
    state = {"kind": "gru", "units": UNITS}
    framed = any(stage.get("kind") == "mfcc" for stage in config.stages)
    samples = 0 if config.window is None or framed else config.window.samples
    if samples <= STEPS:
        return (state,)
    stride = -(-samples // STEPS)
    return {"kind": "conv1d", "filters": UNITS, "kernel": 2 * stride + 1, "stride": stride}, state


def needs_order(problem: Problem) -> str:
    """Return why single rows and pictures have no recurrent network; empty for windows."""
    others = "pictures" if are_pictures(problem.samples) else "single rows"
    return "" if problem.window is not None else f"it needs windows; the samples are {others}"


candidate("recurrent_network")(pipeline_candidate(
    120, "recurrent network", "network", columns=WINDOWS, scaled=True, int8=True, layers=recurrent_layers,
    unsupported_reason=needs_order, training=RECURRENT_TRAINING,
    why="a state follows the order of what happens",
))  # fmt: skip

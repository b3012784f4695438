"""Network with 32 units on the features of a window, trained on copies that imitate another mounting of the sensor."""

from __future__ import annotations

import msgspec

from edgewright.race.contract import FEATURES
from edgewright.race.motion import body_axes, gravity_axes
from edgewright.race.pipeline_end import needs_windows, pipeline_candidate
from edgewright.race.problem import Problem
from edgewright.schema.config import PipelineConfig, TrainingConfig

TRAINING = TrainingConfig(
    epochs=9, batch=128, optimiser="adamw", learning_rate=0.004, schedule="one_cycle", weight_decay=0.03,
    label_smoothing=0.05, dropout=0.1,
)  # fmt: skip
LAYERS = ({"kind": "dense", "units": 32}, {"kind": "dropout", "rate": 0.2})


def unsupported_reason(problem: Problem) -> str:
    """Return why the mounting of the sensor is unknown; empty if an accelerometer shows gravity."""
    if needs_windows(problem) or gravity_axes(problem.dataset, problem.samples.X.shape[2]) is None:
        return "it needs windows of an accelerometer"
    return ""


def suited(config: PipelineConfig, problem: Problem) -> PipelineConfig:
    """Return the pipeline with copies of windows whose sensor is turned."""
    groups = body_axes(problem.dataset, problem.samples.X.shape[2])
    training = msgspec.structs.replace(config.training, augment=({"kind": "remount", "copies": 4, "groups": groups},))
    return msgspec.structs.replace(config, training=training)


CANDIDATE = pipeline_candidate(
    105, "remounted network", "network", columns=FEATURES, scaled=True, int8=True, layers=LAYERS,
    training=TRAINING, unsupported_reason=unsupported_reason, suited=suited, rung=False, prior=0.3,
    why="how strong, how often and which way up are what motions differ in, however the sensor is mounted",
)  # fmt: skip

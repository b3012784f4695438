"""Remounted network on the features of a window and on counts of random kernels."""

from __future__ import annotations

import msgspec

from edgewright.race.candidates import remounted_network
from edgewright.race.contract import FEATURES
from edgewright.race.pipeline_end import SCALE, pipeline_candidate
from edgewright.race.problem import Problem
from edgewright.race.stages import shape_stages
from edgewright.schema.config import PipelineConfig


def suited(config: PipelineConfig, problem: Problem) -> PipelineConfig:
    """Return the pipeline with kernels among the features and copies of windows whose sensor is turned."""
    stages = (*shape_stages(problem), SCALE)
    return remounted_network.suited(msgspec.structs.replace(config, stages=stages), problem)


CANDIDATE = pipeline_candidate(
    107, "remounted network with kernels", "network", columns=FEATURES, scaled=True, int8=True,
    layers=remounted_network.LAYERS, training=remounted_network.TRAINING,
    unsupported_reason=remounted_network.unsupported_reason, suited=suited, rung=False, prior=0.5,
    why="patterns that occur often complement how strong, how often and which way up, however the sensor is mounted",
)  # fmt: skip

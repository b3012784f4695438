"""Linear model on the features of a window and on counts of random kernels."""

from __future__ import annotations

import msgspec

from edgewright.race.candidates import kernels
from edgewright.race.contract import WINDOWS
from edgewright.race.pipeline_end import SCALE, pipeline_candidate
from edgewright.race.problem import Problem
from edgewright.race.stages import shape_stages
from edgewright.schema.config import PipelineConfig


def unsupported_reason(problem: Problem) -> str:
    """Return why kernels do not complement features; empty for windows other than sound."""
    reason = kernels.unsupported_reason(problem)
    return reason or ("features need values that kernels do not compress" if kernels.has_giants(problem) else "")


def suited(config: PipelineConfig, problem: Problem) -> PipelineConfig:
    """Return the pipeline with features and counts of kernels before its model."""
    return msgspec.structs.replace(config, stages=(*shape_stages(problem), SCALE))


CANDIDATE = pipeline_candidate(
    58, "features and kernels", "linear", columns=WINDOWS, int8=True, unsupported_reason=unsupported_reason,
    suited=suited, why="how often patterns occur and how strong each channel is complement each other", prior=0.5,
    rung=False,
)  # fmt: skip

"""Weighted sums of the features of a window and of counts of random kernels beside them."""

from __future__ import annotations

import msgspec

from edgewright.race.candidates import kernels
from edgewright.race.contract import WINDOWS
from edgewright.race.pipeline_end import SCALE, pipeline_candidate
from edgewright.race.problem import Problem
from edgewright.race.stages import shape_stages
from edgewright.schema.config import PipelineConfig


def unsupported_reason(problem: Problem) -> str:
    """Return why kernels do not stand beside features; empty for windows that are no sound."""
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

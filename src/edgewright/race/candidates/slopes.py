"""Radial kernels around few of the training rows, in the slopes of what the rows draw."""

from __future__ import annotations

import msgspec

from edgewright.race.pipeline_end import pipeline_candidate
from edgewright.race.problem import Problem
from edgewright.race.stages import is_series
from edgewright.schema.config import PipelineConfig


def suited(config: PipelineConfig, _: Problem) -> PipelineConfig:
    """Return the pipeline with slopes before its model."""
    return msgspec.structs.replace(config, stages=(*config.stages, {"kind": "slopes"}))


CANDIDATE = pipeline_candidate(
    83, "kernel machine on slopes", "kernel_machine", suited=suited, rung=False,
    unsupported_reason=lambda problem: "" if is_series(problem) else "it needs rows whose columns are a series",
    why="nearness to some of the training rows in how they rise and fall, whatever their level and size",
)  # fmt: skip

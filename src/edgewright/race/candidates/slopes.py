"""Radial kernels around a few of the training rows, in the space of the slopes of their curves."""

from __future__ import annotations

import msgspec

from edgewright.race.pipeline_end import pipeline_candidate
from edgewright.race.problem import Problem
from edgewright.race.stages import Table, is_series, series_stage
from edgewright.schema.config import PipelineConfig


def suited(config: PipelineConfig, problem: Problem) -> PipelineConfig:
    """Return the pipeline with slopes before its model, of each channel unless the columns form a single series."""
    slopes: tuple[Table, ...] = ({"kind": "slopes"},)
    if "channels" in (stage := series_stage(problem)):
        slopes = (stage, *slopes, {"kind": "flatten"})
    return msgspec.structs.replace(config, stages=(*config.stages, *slopes))


CANDIDATE = pipeline_candidate(
    83, "kernel machine on slopes", "kernel_machine", suited=suited, rung=False,
    unsupported_reason=lambda problem: "" if is_series(problem) else "it needs rows whose columns are a series",
    why="nearness to some of the training rows in how they rise and fall, whatever their level and size",
)  # fmt: skip

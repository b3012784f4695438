"""Radial kernels around a few training pictures, in the space of histograms of orientations and colours."""

from __future__ import annotations

import msgspec

from edgewright.race.pipeline_end import SCALE, pipeline_candidate
from edgewright.race.problem import Problem, are_pictures
from edgewright.schema.config import PipelineConfig


def suited(config: PipelineConfig, _: Problem) -> PipelineConfig:
    """Return the pipeline with histograms of orientations in addition to those of colours."""
    colours = config.stages[0]
    both = {"kind": "union", "parts": [{"kind": "orientations"}, colours]}
    return msgspec.structs.replace(config, stages=(both, SCALE))


CANDIDATE = pipeline_candidate(
    86, "outlines and colours", "kernel_machine", suited=suited, prior=0.3, rung=False,
    why="directions of edges and shares of colours tell pictures apart in little time",
    unsupported_reason=lambda problem: "" if are_pictures(problem.samples) else "it needs pictures",
)  # fmt: skip

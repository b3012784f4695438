"""Counts of random kernels in a window, weighed by a linear model."""

from __future__ import annotations

import msgspec

from edgewright.race.contract import WINDOWS
from edgewright.race.pipeline_end import needs_shapes, pipeline_candidate
from edgewright.race.problem import Problem
from edgewright.race.stages import is_sound
from edgewright.schema.config import PipelineConfig


def unsupported_reason(problem: Problem) -> str:
    """Return why patterns of nine values say little; empty for windows that are no sound."""
    return needs_shapes(problem) or ("a sound is longer than its patterns" if is_sound(problem) else "")


def suited(config: PipelineConfig, _: Problem) -> PipelineConfig:
    """Return the pipeline with counts of kernels before its model."""
    return msgspec.structs.replace(config, stages=(*config.stages, {"kind": "kernels"}))


CANDIDATE = pipeline_candidate(
    57, "kernels", "linear", columns=WINDOWS, int8=True, unsupported_reason=unsupported_reason, suited=suited,
    why="how often random patterns of nine values occur is what shapes and motions differ in", prior=0.5, rung=False,
)  # fmt: skip

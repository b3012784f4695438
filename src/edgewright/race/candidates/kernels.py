"""Linear model on counts of random kernels in a window, alone and beside the features of the window."""

from __future__ import annotations

import msgspec
import numpy as np

from edgewright.features.kernels import LIMIT, channel_range
from edgewright.race.contract import WINDOWS, candidate
from edgewright.race.pipeline_end import SCALE, needs_shapes, pipeline_candidate
from edgewright.race.problem import Problem
from edgewright.race.stages import is_sound, shape_stages, windows_of
from edgewright.schema.config import PipelineConfig


def unsupported_reason(problem: Problem) -> str:
    """Return why patterns of nine values carry little information; empty for windows other than sound."""
    return needs_shapes(problem) or ("a sound is longer than its patterns" if is_sound(problem) else "")


# Kernels count in whole numbers. If most windows vary by fewer than this many, values are compressed first; the second
# number is how many windows are examined.
_FEWEST_STEPS, _LOOKED_AT = 8, 1_000


def suited(config: PipelineConfig, problem: Problem) -> PipelineConfig:
    """Return the pipeline with counts of kernels before its model; extreme values are compressed first."""
    compressed = ({"kind": "compress"},) if has_giants(problem) else ()
    return msgspec.structs.replace(config, stages=(*config.stages, *compressed, {"kind": "kernels"}))


def has_giants(problem: Problem) -> bool:
    """Return whether a few values are so large that most windows would be rounded to a few whole numbers."""
    X = windows_of(problem)
    X = np.asarray(X[:: -(-len(X) // _LOOKED_AT)], np.float64)
    X = X[np.isfinite(X).all(axis=(1, 2))]
    if not len(X):
        return False
    _, largest = channel_range(X)
    return bool((np.median(X.std(axis=2), axis=0) * LIMIT < _FEWEST_STEPS * largest).all())


candidate("kernels")(pipeline_candidate(
    57, "kernels", "linear", columns=WINDOWS, int8=True, unsupported_reason=unsupported_reason, suited=suited,
    why="how often random patterns of nine values occur is what shapes and motions differ in", prior=0.5, rung=False,
))  # fmt: skip


def no_complement(problem: Problem) -> str:
    """Return why kernels do not complement features; empty for windows other than sound."""
    reason = unsupported_reason(problem)
    return reason or ("features need values that kernels do not compress" if has_giants(problem) else "")


def beside_features(config: PipelineConfig, problem: Problem) -> PipelineConfig:
    """Return the pipeline with features and counts of kernels before its model."""
    return msgspec.structs.replace(config, stages=(*shape_stages(problem), SCALE))


candidate("features_and_kernels")(pipeline_candidate(
    58, "features and kernels", "linear", columns=WINDOWS, int8=True, unsupported_reason=no_complement,
    suited=beside_features, prior=0.5, rung=False,
    why="how often patterns occur and how strong each channel is complement each other",
))  # fmt: skip

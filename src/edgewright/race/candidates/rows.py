"""Models of rows, and of the features of a window: from the most frequent class to kernels around training rows."""

from __future__ import annotations

import msgspec
import numpy as np

from edgewright.core.records.config import PipelineConfig
from edgewright.race.pipeline_end import SCALE, needs_shapes, needs_windows, pipeline_candidate
from edgewright.race.problem import FEATURES, WINDOWS, Problem, are_pictures, candidate
from edgewright.race.stages import Table, is_series, is_sound, series_stage, shape_stages, windows_of

candidate("majority")(pipeline_candidate(10, "majority", "majority", why="always the most frequent answer", prior=-3.0))

THRESHOLD = candidate("threshold")(
    pipeline_candidate(20, "threshold", "threshold", why="nothing simpler looks at the data", prior=-1.0)
)
"""One column with one threshold; several thresholds for more classes or a regression."""

candidate("rules")(pipeline_candidate(
    30, "rule list", "rules", why="rules can be read, and take products and ratios of columns into account", prior=-0.5,
))  # fmt: skip

candidate("linear")(pipeline_candidate(
    50, "linear", "linear", scaled=True, int8=True,
    why="weighted sums take smooth dependencies in the least time", prior=0.0,
))  # fmt: skip

candidate("linear_features")(pipeline_candidate(
    55, "linear on features", "linear", columns=FEATURES, scaled=True, int8=True, unsupported_reason=needs_windows,
    why="weighted sums of how strong, how often and how steady each channel is", prior=0.2,
))  # fmt: skip

candidate("tree")(pipeline_candidate(60, "tree", "tree", why="a tree can be read", prior=-0.5))

# Trees of an ensemble are pruned to 64 kB.
candidate("extra_trees")(pipeline_candidate(
    69, "extra trees", "extra_trees", why="trees with random thresholds take products and noise well", prior=0.2,
    rung=False,
))  # fmt: skip

candidate("forest")(
    pipeline_candidate(70, "forest", "forest", why="many small trees take sudden limits and products", prior=0.2)
)

candidate("forest_features")(pipeline_candidate(
    72, "forest on features", "forest", columns=FEATURES, unsupported_reason=needs_windows,
    why="many small trees over how strong, how often and how steady each channel is", prior=0.2, rung=False,
))  # fmt: skip

candidate("extra_trees_features")(pipeline_candidate(
    74, "extra trees on features", "extra_trees", columns=FEATURES, unsupported_reason=needs_windows, rung=False,
    why="trees with random thresholds over how strong, how often and how steady each channel is", prior=0.3,
))  # fmt: skip

candidate("boosting")(
    pipeline_candidate(
        75, "boosting", "boosting", why="trees that correct each other take sudden limits well", prior=0.2
    )
)

candidate("boosting_features")(pipeline_candidate(
    77, "boosting on features", "boosting", columns=FEATURES, unsupported_reason=needs_windows,
    why="trees that correct each other over how strong, how often and how steady each channel is", prior=0.2,
    rung=False,
))  # fmt: skip

candidate("neighbours")(pipeline_candidate(
    80, "neighbours", "neighbours", scaled=True, why="samples that are kept answer for those near them", prior=-0.2,
))  # fmt: skip

candidate("kernel_machine")(pipeline_candidate(
    82, "kernel machine", "kernel_machine", scaled=True, prior=0.2, rung=False,
    why="nearness to some of the training samples takes smooth dependencies of many columns",
))  # fmt: skip

candidate("kernel_machine_features")(pipeline_candidate(
    84, "kernel machine on features", "kernel_machine", columns=FEATURES, scaled=True,
    unsupported_reason=needs_windows, prior=0.2, rung=False,
    why="nearness to some of the training windows in how strong, how often and how steady each channel is",
))  # fmt: skip


def with_slopes(config: PipelineConfig, problem: Problem) -> PipelineConfig:
    """Return the pipeline with slopes before its model, of each channel unless the columns form a single series."""
    slopes: tuple[Table, ...] = ({"kind": "slopes"},)
    if "channels" in (stage := series_stage(problem)):
        slopes = (stage, *slopes, {"kind": "flatten"})
    return msgspec.structs.replace(config, stages=(*config.stages, *slopes))


candidate("slopes")(pipeline_candidate(
    83, "kernel machine on slopes", "kernel_machine", suited=with_slopes, rung=False,
    unsupported_reason=lambda problem: "" if is_series(problem) else "it needs rows whose columns are a series",
    why="nearness to some of the training rows in how they rise and fall, whatever their level and size",
))  # fmt: skip


def with_outlines(config: PipelineConfig, _: Problem) -> PipelineConfig:
    """Return the pipeline with histograms of orientations in addition to those of colours."""
    colours = config.stages[0]
    both = {"kind": "union", "parts": [{"kind": "orientations"}, colours]}
    return msgspec.structs.replace(config, stages=(both, SCALE))


candidate("outlines")(pipeline_candidate(
    86, "outlines and colours", "kernel_machine", suited=with_outlines, prior=0.3, rung=False,
    why="directions of edges and shares of colours tell pictures apart in little time",
    unsupported_reason=lambda problem: "" if are_pictures(problem.samples) else "it needs pictures",
))  # fmt: skip


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
    from edgewright.features.kernels import LIMIT, channel_range  # noqa: PLC0415 - of windows only

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

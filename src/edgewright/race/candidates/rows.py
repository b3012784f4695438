"""Candidates of rows and of windows: from the most frequent class to kernels and networks."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from edgewright.core.records.config import PipelineConfig, TrainingConfig
from edgewright.race.pipeline_end import SCALE, needs_shapes, needs_windows, pipeline_candidate
from edgewright.race.problem import FEATURES, WINDOWS, Problem, are_pictures, candidate
from edgewright.race.stages import (
    Table,
    body_axes,
    gravity_axes,
    is_series,
    is_sound,
    series_stage,
    shape_stages,
    windows_of,
)

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


# One-cycle learning rate, and regularisation against overfitting to few people or days.
TRAINING = TrainingConfig(
    epochs=20, batch=64, optimiser="adamw", learning_rate=0.004, schedule="one_cycle", weight_decay=0.03,
    label_smoothing=0.05, dropout=0.1,
)  # fmt: skip
LAYERS = ({"kind": "dense", "units": 32}, {"kind": "dense", "units": 16})

candidate("small_network")(pipeline_candidate(
    100, "small network", "network", columns=FEATURES, scaled=True, int8=True, layers=LAYERS, training=TRAINING,
    why="a small network takes smooth dependencies well",
))  # fmt: skip

candidate("large_network")(pipeline_candidate(
    110, "large network", "network", columns=FEATURES, scaled=True, int8=True, training=TRAINING,
    layers=({"kind": "dense", "units": 128}, {"kind": "dense", "units": 64}),
    why="a wider network takes finer dependencies",
))  # fmt: skip


def needs_accelerometer(problem: Problem) -> str:
    """Return why the mounting of the sensor is unknown; empty if an accelerometer shows gravity."""
    if needs_windows(problem) or gravity_axes(problem.dataset, problem.samples.X.shape[2]) is None:
        return "it needs windows of an accelerometer"
    return ""


def remounted(config: PipelineConfig, problem: Problem) -> PipelineConfig:
    """Return the pipeline with copies of windows whose sensor is turned."""
    groups = body_axes(problem.dataset, problem.samples.X.shape[2])
    training = msgspec.structs.replace(config.training, augment=({"kind": "remount", "copies": 4, "groups": groups},))
    return msgspec.structs.replace(config, training=training)


def remounted_with_kernels(config: PipelineConfig, problem: Problem) -> PipelineConfig:
    """Return the pipeline with kernels among the features and copies of windows whose sensor is turned."""
    return remounted(msgspec.structs.replace(config, stages=(*shape_stages(problem), SCALE)), problem)


_REMOUNTED: dict[str, Any] = {
    "columns": FEATURES, "scaled": True, "int8": True, "unsupported_reason": needs_accelerometer, "rung": False,
    "layers": ({"kind": "dense", "units": 32}, {"kind": "dropout", "rate": 0.2}),
    "training": msgspec.structs.replace(TRAINING, epochs=9, batch=128),
}  # fmt: skip

candidate("remounted_network")(pipeline_candidate(
    105, "remounted network", "network", suited=remounted, prior=0.3, **_REMOUNTED,
    why="how strong, how often and which way up are what motions differ in, however the sensor is mounted",
))  # fmt: skip

candidate("remounted_kernels")(pipeline_candidate(
    107, "remounted network with kernels", "network", suited=remounted_with_kernels, prior=0.5, **_REMOUNTED,
    why="patterns that occur often complement how strong, how often and which way up, however the sensor is mounted",
))  # fmt: skip

# More epochs and a larger learning rate than for a dense network, because few windows make few batches. The values were
# chosen by cross-validation on BasicMotions and HAPT.
RECURRENT_TRAINING = msgspec.structs.replace(TRAINING, epochs=30, batch=32, learning_rate=0.01)
UNITS = 16
# Longer windows are shortened by a convolution first: a state costs time at every sample and forgets old samples.
STEPS = 64


def recurrent_layers(config: PipelineConfig) -> tuple[dict[str, Any], ...]:
    """Return the layers for windows of a pipeline; frames of MFCCs are never shortened."""
    state = {"kind": "gru", "units": UNITS}
    framed = any(stage.get("kind") == "mfcc" for stage in config.stages)
    samples = 0 if config.window is None or framed else config.window.samples
    if samples <= STEPS:
        return (state,)
    stride = -(-samples // STEPS)
    return {"kind": "conv1d", "filters": UNITS, "kernel": 2 * stride + 1, "stride": stride}, state


def needs_order(problem: Problem) -> str:
    """Return why single rows and pictures have no recurrent network; empty for windows."""
    others = "pictures" if are_pictures(problem.samples) else "single rows"
    return "" if problem.window is not None else f"it needs windows; the samples are {others}"


candidate("recurrent_network")(pipeline_candidate(
    120, "recurrent network", "network", columns=WINDOWS, scaled=True, int8=True, layers=recurrent_layers,
    unsupported_reason=needs_order, training=RECURRENT_TRAINING,
    why="a state follows the order of what happens",
))  # fmt: skip


CONVOLUTION_TRAINING = TrainingConfig(
    epochs=40, batch=32, optimiser="adamw", learning_rate=0.003, schedule="one_cycle", weight_decay=0.01,
)  # fmt: skip


def _convolution(kernel: int, filters: int) -> dict[str, Any]:
    return {"kind": "conv1d", "kernel": kernel, "filters": filters, "stride": 2}


def needs_recordings(problem: Problem) -> str:
    """Return why the samples are not whole recordings; empty if they are."""
    window = problem.window
    whole = window is not None and window.pad and window.step == window.samples and not needs_windows(problem)
    return "" if is_series(problem) or (whole and not is_sound(problem)) else "it needs whole recordings"


candidate("shape_convolutions")(pipeline_candidate(
    125, "convolutions", "network", columns=WINDOWS, scaled=True, int8=True,
    layers=(_convolution(7, 16), _convolution(5, 32), _convolution(5, 32), {"kind": "flatten"},
            {"kind": "dropout", "rate": 0.2}),
    training=CONVOLUTION_TRAINING, unsupported_reason=needs_recordings, rung=False,
    why="convolutions see the shape of the whole recording",
))  # fmt: skip


def _separable(filters: int) -> dict[str, Any]:
    return {"kind": "depthwise_separable", "kernel": 5, "filters": filters, "stride": 2}


# Maximum over the window: a sound counts at any position in the window and for any duration.
_SOUND = ({"kind": "conv1d", "kernel": 5, "filters": 32, "stride": 1}, _separable(48), _separable(64),
          {"kind": "global_max_pool"}, {"kind": "dropout", "rate": 0.3})  # fmt: skip
# Copies that are slower, faster, softer and louder imitate voices and microphones that were not recorded.
_AUGMENT = ({"kind": "stretch", "spread": 0.2}, {"kind": "noise", "level": 0.2},
            {"kind": "gain", "spread": 0.8, "together": True, "copies": 2})  # fmt: skip


def with_bands(config: PipelineConfig, problem: Problem) -> PipelineConfig:
    """Return the pipeline with frames of about 32 ms, a power of two of samples, and changed copies."""
    rate = float(problem.samples.rate or 0.0)
    fft = 2 ** max(6, round(0.032 * rate).bit_length() - 1)
    mel = {"kind": "log_mel", "mels": 16, "frame": fft / rate, "hop": fft / rate / 2, "fft": fft}
    stages = tuple(mel if stage["kind"] == "mfcc" else stage for stage in config.stages)
    training = msgspec.structs.replace(config.training, augment=_AUGMENT)
    return msgspec.structs.replace(config, stages=stages, training=training)


candidate("sound_convolutions")(pipeline_candidate(
    127, "log-mel and convolutions", "network", columns=WINDOWS, scaled=True, int8=True, layers=_SOUND,
    training=msgspec.structs.replace(CONVOLUTION_TRAINING, epochs=30, label_smoothing=0.1),
    suited=with_bands, rung=False,
    prior=0.5, why="16 bands of loudness over time are what speech and machines differ in",
    unsupported_reason=lambda problem: "" if is_sound(problem) else "it needs sound",
))  # fmt: skip


# Copies of pictures are closer and in another light. They are not mirrored, because that changes the meaning of letters
# and arrows.
_PICTURES: dict[str, Any] = {
    "columns": WINDOWS, "int8": True,
    "training": TrainingConfig(
        epochs=30, batch=32, optimiser="adamw", learning_rate=0.005, schedule="one_cycle", weight_decay=0.02,
        label_smoothing=0.05, augment=({"kind": "crop", "area": 0.7}, {"kind": "colour"}),
    ),
    "unsupported_reason": lambda problem: "" if are_pictures(problem.samples) else "it needs pictures",
}  # fmt: skip


def halving(*filters: int) -> tuple[dict[str, Any], ...]:
    """Return convolutions that each halve the sides, and the mean over all pixels."""
    layers = [{"kind": "conv2d", "filters": width, "kernel": 3, "stride": 2} for width in filters]
    return (*layers, {"kind": "global_average_pool"})


candidate("small_convolutions")(pipeline_candidate(
    130, "small convolutions", "network", layers=halving(8, 16, 32), **_PICTURES,
    why="convolutions see the same thing wherever in the picture it is",
))  # fmt: skip

# With about ten times the weights.
candidate("large_convolutions")(pipeline_candidate(
    140, "large convolutions", "network", layers=halving(16, 24, 48, 64, 96), **_PICTURES,
    why="more convolutions see larger things wherever in the picture they are",
))  # fmt: skip

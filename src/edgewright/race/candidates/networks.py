"""Networks of dense layers on features, some on copies of windows whose sensor is turned, and a GRU on windows."""

from __future__ import annotations

from typing import Any

import msgspec

from edgewright.core.records.config import PipelineConfig, TrainingConfig
from edgewright.race.motion import body_axes, gravity_axes
from edgewright.race.pipeline_end import SCALE, needs_windows, pipeline_candidate
from edgewright.race.problem import FEATURES, WINDOWS, Problem, are_pictures, candidate
from edgewright.race.stages import is_series, is_sound, shape_stages

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

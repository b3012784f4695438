"""Convolutions over whole recordings, over bands of loudness of a sound, and over the pixels of a picture."""

from __future__ import annotations

from typing import Any

import msgspec

from edgewright.race.contract import WINDOWS, candidate
from edgewright.race.pipeline_end import needs_windows, pipeline_candidate
from edgewright.race.problem import Problem, are_pictures
from edgewright.race.stages import is_series, is_sound
from edgewright.schema.config import PipelineConfig, TrainingConfig

TRAINING = TrainingConfig(
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
    training=TRAINING, unsupported_reason=needs_recordings, rung=False,
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
    training=msgspec.structs.replace(TRAINING, epochs=30, label_smoothing=0.1), suited=with_bands, rung=False,
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

"""Convolutions over bands of loudness of a sound."""

from __future__ import annotations

from typing import Any

import msgspec

from edgewright.race.candidates.shape_convolutions import TRAINING
from edgewright.race.contract import WINDOWS
from edgewright.race.pipeline_end import pipeline_candidate
from edgewright.race.problem import Problem
from edgewright.race.stages import is_sound
from edgewright.schema.config import PipelineConfig


def _separable(filters: int) -> dict[str, Any]:
    return {"kind": "depthwise_separable", "kernel": 5, "filters": filters, "stride": 2}


# Maximum over the window: a sound counts at any position in the window and for any duration.
_LAYERS = ({"kind": "conv1d", "kernel": 5, "filters": 32, "stride": 1}, _separable(48), _separable(64),
           {"kind": "global_max_pool"}, {"kind": "dropout", "rate": 0.3})  # fmt: skip
# Copies that are slower, faster, softer and louder imitate voices and microphones that were not recorded.
_AUGMENT = ({"kind": "stretch", "spread": 0.2}, {"kind": "noise", "level": 0.2},
            {"kind": "gain", "spread": 0.8, "together": True, "copies": 2})  # fmt: skip


def suited(config: PipelineConfig, problem: Problem) -> PipelineConfig:
    """Return the pipeline with frames of about 32 ms, a power of two of samples, and changed copies."""
    rate = float(problem.samples.rate or 0.0)
    fft = 2 ** max(6, round(0.032 * rate).bit_length() - 1)
    mel = {"kind": "log_mel", "mels": 16, "frame": fft / rate, "hop": fft / rate / 2, "fft": fft}
    stages = tuple(mel if stage["kind"] == "mfcc" else stage for stage in config.stages)
    training = msgspec.structs.replace(config.training, augment=_AUGMENT)
    return msgspec.structs.replace(config, stages=stages, training=training)


CANDIDATE = pipeline_candidate(
    127, "log-mel and convolutions", "network", columns=WINDOWS, scaled=True, int8=True, layers=_LAYERS,
    training=msgspec.structs.replace(TRAINING, epochs=30, label_smoothing=0.1), suited=suited, rung=False, prior=0.5,
    why="16 bands of loudness over time are what speech and machines differ in",
    unsupported_reason=lambda problem: "" if is_sound(problem) else "it needs sound",
)  # fmt: skip

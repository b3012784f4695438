"""Three convolutions over a whole recording."""

from __future__ import annotations

from typing import Any

from edgewright.race.contract import WINDOWS
from edgewright.race.pipeline_end import needs_windows, pipeline_candidate
from edgewright.race.problem import Problem
from edgewright.race.stages import is_series, is_sound
from edgewright.schema.config import TrainingConfig

TRAINING = TrainingConfig(
    epochs=40, batch=32, optimiser="adamw", learning_rate=0.003, schedule="one_cycle", weight_decay=0.01,
)  # fmt: skip


def _convolution(kernel: int, filters: int) -> dict[str, Any]:
    return {"kind": "conv1d", "kernel": kernel, "filters": filters, "stride": 2}


def unsupported_reason(problem: Problem) -> str:
    """Return why the samples are not whole recordings; empty if they are."""
    window = problem.window
    whole = window is not None and window.pad and window.step == window.samples and not needs_windows(problem)
    return "" if is_series(problem) or (whole and not is_sound(problem)) else "it needs whole recordings"


CANDIDATE = pipeline_candidate(
    125, "convolutions", "network", columns=WINDOWS, scaled=True, int8=True,
    layers=(_convolution(7, 16), _convolution(5, 32), _convolution(5, 32), {"kind": "flatten"},
            {"kind": "dropout", "rate": 0.2}),
    training=TRAINING, unsupported_reason=unsupported_reason, rung=False,
    why="convolutions see the shape of the whole recording",
)  # fmt: skip

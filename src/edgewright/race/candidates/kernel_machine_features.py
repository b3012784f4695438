"""Radial kernels around a few of the training windows, in the space of their features."""

from __future__ import annotations

from edgewright.race.contract import FEATURES
from edgewright.race.pipeline_end import needs_windows, pipeline_candidate

CANDIDATE = pipeline_candidate(
    84, "kernel machine on features", "kernel_machine", columns=FEATURES, scaled=True,
    unsupported_reason=needs_windows, prior=0.2, rung=False,
    why="nearness to some of the training windows in how strong, how often and how steady each channel is",
)  # fmt: skip

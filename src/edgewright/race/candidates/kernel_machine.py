"""Radial kernels around a few of the training rows."""

from __future__ import annotations

from edgewright.race.pipeline_end import pipeline_candidate

CANDIDATE = pipeline_candidate(
    82, "kernel machine", "kernel_machine", scaled=True, prior=0.2, rung=False,
    why="nearness to some of the training samples takes smooth dependencies of many columns",
)  # fmt: skip

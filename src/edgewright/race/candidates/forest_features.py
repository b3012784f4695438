"""Random forest on the features of a window."""

from __future__ import annotations

from edgewright.race.contract import FEATURES
from edgewright.race.pipeline_end import needs_windows, pipeline_candidate

CANDIDATE = pipeline_candidate(
    72, "forest on features", "forest", columns=FEATURES, unsupported_reason=needs_windows,
    why="many small trees over how strong, how often and how steady each channel is", prior=0.2, rung=False,
)  # fmt: skip

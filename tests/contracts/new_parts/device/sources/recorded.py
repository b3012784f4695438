"""A recording as it comes, like a replay."""

from __future__ import annotations

from dataclasses import replace

from edgewright.device.sources.replay import STREAM as REPLAY

STREAM = replace(REPLAY, example="recorded:rows.csv")

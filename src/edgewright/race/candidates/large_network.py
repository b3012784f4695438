"""Network with dense layers of 128 and 64 units."""

from __future__ import annotations

from edgewright.race.candidates.small_network import TRAINING
from edgewright.race.contract import FEATURES
from edgewright.race.pipeline_end import pipeline_candidate

LAYERS = ({"kind": "dense", "units": 128}, {"kind": "dense", "units": 64})

CANDIDATE = pipeline_candidate(
    110, "large network", "network", columns=FEATURES, scaled=True, int8=True, layers=LAYERS, training=TRAINING,
    why="a wider network takes finer dependencies",
)  # fmt: skip

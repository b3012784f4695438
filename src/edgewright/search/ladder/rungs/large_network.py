"""Network with dense layers of 128 and 64 units."""

from __future__ import annotations

from edgewright.search.ladder.contract import FEATURES
from edgewright.search.ladder.model_rungs import pipeline_rung
from edgewright.search.ladder.rungs.small_network import TRAINING

LAYERS = ({"kind": "dense", "units": 128}, {"kind": "dense", "units": 64})

RUNG = pipeline_rung(
    110, "large network", "network", columns=FEATURES, scaled=True, int8=True, layers=LAYERS, training=TRAINING
)

"""Network with dense layers of 32 and 16 units."""

from __future__ import annotations

from edgewright.race.contract import FEATURES
from edgewright.race.pipeline_end import pipeline_candidate
from edgewright.schema.config import TrainingConfig

# One-cycle learning rate, and regularisation against overfitting to few people or days (docs/adr/0041).
TRAINING = TrainingConfig(
    epochs=20, batch=64, optimiser="adamw", learning_rate=0.004, schedule="one_cycle", weight_decay=0.03,
    label_smoothing=0.05, dropout=0.1,
)  # fmt: skip
LAYERS = ({"kind": "dense", "units": 32}, {"kind": "dense", "units": 16})

CANDIDATE = pipeline_candidate(
    100, "small network", "network", columns=FEATURES, scaled=True, int8=True, layers=LAYERS, training=TRAINING,
    why="a small network takes smooth dependencies well",
)  # fmt: skip

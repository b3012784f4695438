"""Where on the page of a run a figure stands: the names of the files in `trace/sections`, which are its anchors."""

from __future__ import annotations

FLOW = "data_flow"
MODEL = "model"
TRAINING = "training"
EVALUATION = "evaluation"
PREDICTION = "prediction"
COMPRESSION = "compression"
DEVICE = "device"
SCALING = "scaling"

"""Extremely randomised trees (Geurts et al., 2006), pruned to the flash that they may take."""

from __future__ import annotations

from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from edgewright.models.forest import Forest, forest_model


class ExtraTrees(Forest):
    """Trees whose thresholds are random; arguments and attributes as of `Forest`."""

    kind = "extra_trees"
    ensembles = (ExtraTreesClassifier, ExtraTreesRegressor)
    considered = 1.0


MODEL = forest_model(ExtraTrees)

"""Models of scikit-learn with settings that a person would try first."""

from __future__ import annotations

from typing import Any

from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

TREES = 200


def support_vectors(c: float, gamma: float | str = "scale") -> Any:  # noqa: ANN401 - scikit-learn has no types
    """Return a support vector machine with a Gaussian kernel on standardised features."""
    return make_pipeline(StandardScaler(), SVC(C=c, gamma=gamma))


def logistic(c: float = 1.0, **more: object) -> Any:  # noqa: ANN401
    """Return a logistic regression on standardised features."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=2000, **more))


def forest(**more: object) -> Any:  # noqa: ANN401
    """Return a random forest."""
    return RandomForestClassifier(TREES, random_state=0, **more)


def extra_trees(**more: object) -> Any:  # noqa: ANN401
    """Return extremely randomised trees."""
    return ExtraTreesClassifier(TREES, random_state=0, **more)


def boosting(**more: object) -> Any:  # noqa: ANN401
    """Return gradient-boosted trees on histograms."""
    return HistGradientBoostingClassifier(random_state=0, **{"learning_rate": 0.1, "max_iter": 150, **more})


def vote(**models: Any) -> Any:  # noqa: ANN401
    """Return the majority of models."""
    return VotingClassifier(list(models.items()))

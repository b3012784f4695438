"""scikit-learn: a new `MLPClassifier` every time, without penalty and without a tolerance that would stop it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from problem import BATCH, EPOCHS, LEARNING_RATE, measure  # type: ignore[import-not-found]
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier


def make(sizes: list[int], x: Any, y: Any, again: bool) -> Callable[[], float]:  # noqa: ANN401 - arrays
    """Return a whole fit of a new estimator; that it did not converge within the epochs is what was asked."""
    del again
    warnings.simplefilter("ignore", ConvergenceWarning)

    def fit() -> float:
        model = MLPClassifier(
            tuple(sizes[1:-1]),
            alpha=0.0,
            batch_size=BATCH,
            learning_rate_init=LEARNING_RATE,
            max_iter=EPOCHS,
            n_iter_no_change=EPOCHS + 1,
            random_state=0,
        )
        return float(model.fit(x, y).loss_)

    return fit


if __name__ == "__main__":
    measure(make)

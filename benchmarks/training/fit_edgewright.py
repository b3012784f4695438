"""Edgewright: a new estimator every time, its program compiled once a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from problem import BATCH, EPOCHS, LEARNING_RATE, measure  # type: ignore[import-not-found]

from edgewright.models.network import NetworkClassifier


def make(sizes: list[int], x: Any, y: Any, again: bool) -> Callable[[], float]:  # noqa: ANN401 - arrays
    """Return a whole fit of a new estimator, with checks of the input and the record of the training."""
    del again
    layers = tuple({"kind": "dense", "units": units} for units in sizes[1:-1])

    def fit() -> float:
        model = NetworkClassifier(layers, epochs=EPOCHS, batch=BATCH, learning_rate=LEARNING_RATE)
        return float(model.fit(x, y).history_[-1].loss)

    return fit


if __name__ == "__main__":
    measure(make)

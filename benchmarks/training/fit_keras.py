"""Keras on JAX: a new model every time as the others, or one compiled model whose weights are set back."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any

from problem import BATCH, EPOCHS, LEARNING_RATE, measure  # type: ignore[import-not-found]

os.environ["KERAS_BACKEND"] = "jax"


def make(sizes: list[int], x: Any, y: Any, again: bool) -> Callable[[], float]:  # noqa: ANN401 - arrays
    """Return a function that fits a new model and compiles it; with `again`, the same model from its first weights."""
    keras = importlib.import_module("keras")
    keras.utils.set_random_seed(0)

    def build() -> Any:  # noqa: ANN401 - a Keras model
        hidden = [keras.layers.Dense(units, activation="relu") for units in sizes[1:-1]]
        end = keras.layers.Dense(sizes[-1], activation="sigmoid" if sizes[-1] == 1 else "softmax")
        model = keras.Sequential([keras.Input((sizes[0],)), *hidden, end])
        loss = "binary_crossentropy" if sizes[-1] == 1 else "sparse_categorical_crossentropy"
        model.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE), loss=loss)
        return model

    kept = build() if again else None
    start = kept.get_weights() if kept is not None else []

    def fit() -> float:
        model = build() if kept is None else kept
        if kept is not None:
            kept.set_weights(start)
        history = model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, shuffle=True, verbose=0)
        return float(history.history["loss"][-1])

    return fit


if __name__ == "__main__":
    measure(make)

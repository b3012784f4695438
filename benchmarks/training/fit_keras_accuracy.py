"""Keras on JAX: normalised convolutions, until an accuracy."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from typing import Any

import numpy as np

os.environ["KERAS_BACKEND"] = "jax"
FILTERS = (16, 32, 64)


def main() -> None:
    """Train the case of the command line and print processor seconds and accuracy after each epoch as JSON."""
    case = json.loads(sys.argv[1])
    with np.load(case["file"]) as arrays:
        x, test = (np.ascontiguousarray(np.moveaxis(arrays[f"{side}_X"], 1, -1)) for side in ("train", "test"))
        y, test_y = arrays["train_y"], arrays["test_y"]
    keras = importlib.import_module("keras")
    keras.utils.set_random_seed(case["seed"])
    began, epochs = time.process_time(), []
    pictures = x.ndim == 4
    layers: list[Any] = [keras.Input(x.shape[1:])]
    for filters in FILTERS:
        convolution = (
            keras.layers.Conv2D(filters, 3, 2, "same") if pictures else keras.layers.Conv1D(filters, 5, 2, "same")
        )
        layers += [convolution, keras.layers.BatchNormalization(), keras.layers.ReLU()]
    layers.append(keras.layers.GlobalAveragePooling2D() if pictures else keras.layers.GlobalAveragePooling1D())
    model = keras.Sequential([*layers, keras.layers.Dense(int(y.max()) + 1, activation="softmax")])
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])

    def record_epoch(epoch: int, logs: dict[str, float]) -> None:
        # As a share of whole samples: Keras' float32 can lie above the share that it stands for.
        share = round(logs["val_accuracy"] * len(test_y)) / len(test_y)
        epochs.append((time.process_time() - began, share))
        model.stop_training = share >= case["until"]

    recorder = keras.callbacks.LambdaCallback(on_epoch_end=record_epoch)
    model.fit(
        x, y, batch_size=64, epochs=case["epochs"], validation_data=(test, test_y), verbose=0, callbacks=[recorder]
    )
    print(json.dumps(epochs))


if __name__ == "__main__":
    main()

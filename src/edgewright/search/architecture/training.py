"""Training of the network of a point, and its predictions and errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.models.architecture import architecture
from edgewright.models.targets import class_weights, encode, numbers, sample_weights
from edgewright.pipeline.plan import build_model
from edgewright.schema.config import PipelineConfig
from edgewright.schema.errors import EdgewrightError
from edgewright.search.architecture.features import Rows
from edgewright.training.loop import Sampled
from edgewright.training.padded import fit_padded
from edgewright.training.rows import ArrayRows

Floats = NDArray[np.float32]
# Inputs are zero-padded to a multiple of this, so that points with different features share a compiled program.
INPUTS = 64


def train_one(config: PipelineConfig, rows: Rows, task: str) -> Any:  # noqa: ANN401 - any network
    """Train the network of a pipeline; return None where the loss is not finite.

    Dense networks with ReLU are trained in padded programs, others without padding.

    Args:
        config: pipeline configuration.
        rows: training and test data of a fold.
        task: 'classification' or 'regression'.
    """
    if dense(config.model.layers) and rows.train.ndim == 2:
        model = _padded(build_model(config, task), rows, task)
        if model is not None:
            return model
    try:
        return build_model(config, task).fit(rows.train, rows.y_train)
    except EdgewrightError:
        return None


def dense(layers: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether a network can be trained in a padded program: it has only dense layers with ReLU."""
    return all(layer.get("kind") == "dense" and layer.get("activation", "relu") == "relu" for layer in layers)


def _padded(model: Any, rows: Rows, task: str) -> Any:  # noqa: ANN401 - any network
    """Train a dense network in a padded program; return None where training fails."""
    inputs, count = rows.train.shape[1], len(rows.train)
    middle, spread, classes = 0.0, 1.0, None
    if task == "regression":
        values = numbers(rows.y_train, count)
        middle, spread = float(values.mean()), float(values.std()) or 1.0
        targets, weights = ((values - middle) / spread).astype(np.float32), sample_weights(None, count)
        outputs, loss = 1, "mean_squared_error"
    else:
        classes, targets = encode(rows.y_train, count)
        weights = class_weights(targets, model.class_weights)[targets.astype(np.int64)]
        two = len(classes) == 2
        outputs, loss = (1, "sigmoid_cross_entropy") if two else (len(classes), "softmax_cross_entropy")
    first = architecture(model.layers, (inputs,), outputs).initialise(np.random.default_rng(model.seed))
    start = [{name: np.asarray(array, np.float32) for name, array in layer.items()} for layer in first]
    missing = -inputs % INPUTS
    start[0]["weights"] = np.pad(start[0]["weights"], ((0, missing), (0, 0)))
    X = np.pad(rows.train, ((0, 0), (0, missing)))
    # A fold has no validation samples, so early stopping is off.
    settings = replace(model.settings(loss), patience=0)
    try:
        result = fit_padded(start, Sampled(ArrayRows(X), targets, weights), settings)
    except EdgewrightError:
        return None
    layers = [{name: np.asarray(a, np.float32) for name, a in layer.items()} for layer in result.parameters]
    layers[0]["weights"] = layers[0]["weights"][:inputs]
    layers[-1]["weights"] = layers[-1]["weights"] * np.float32(spread)
    layers[-1]["bias"] = layers[-1]["bias"] * np.float32(spread) + np.float32(middle)
    stored: dict[str, Any] = {"parameters": layers, "shape": [inputs], "features": inputs}
    model.fitted_ = stored if classes is None else {**stored, "classes": classes}
    return model


def answers(model: Any, X: Floats) -> Floats:  # noqa: ANN401 - any network
    """Return raw outputs, shape (n, k); dense networks run in NumPy, which needs no compilation."""
    if X.ndim == 2 and dense(model.layers):
        for number, layer in enumerate(model.parameters_):
            X = X @ layer["weights"] + layer["bias"]
            if number < len(model.parameters_) - 1:
                X = np.maximum(X, np.float32(0))
        return X
    raw: Floats = model._raw(X)
    return raw


def errors_of(model: Any, rows: Rows, task: str) -> NDArray[np.float64]:  # noqa: ANN401 - any network
    """Return the error of each test sample, shape (n,): 1 for a wrong class and 0 otherwise, or the squared error."""
    return errors_in(answers(model, rows.test), getattr(model, "classes_", None), rows.y_test, task)


def errors_in(raw: Floats, classes: NDArray[Any] | None, truth: Any, task: str) -> NDArray[np.float64]:  # noqa: ANN401
    """Return the error of each sample from raw outputs, shape (n,)."""
    if task == "regression" or classes is None:
        return np.square(raw[:, 0].astype(np.float64) - np.asarray(truth, np.float64))
    chosen = (raw[:, 0] > 0).astype(np.int64) if raw.shape[1] == 1 else np.argmax(raw, axis=1)
    wrong: NDArray[np.float64] = (np.asarray(classes)[chosen] != truth).astype(np.float64)
    return wrong

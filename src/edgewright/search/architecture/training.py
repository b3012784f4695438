"""Networks of many points trained together, and what each answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.models.architecture import architecture
from edgewright.models.network import NetworkClassifier, NetworkRegressor
from edgewright.models.targets import class_weights, encode, numbers, sample_weights
from edgewright.pipeline.plan import build_model
from edgewright.schema.config import PipelineConfig
from edgewright.schema.errors import EdgewrightError
from edgewright.search.architecture.features import Rows
from edgewright.training.loop import Sampled
from edgewright.training.padded import Member, fit_padded
from edgewright.training.rows import ArrayRows

Floats = NDArray[np.float32]
# Inputs are filled up with zeros to a multiple of this, so that points with other features share a program.
INPUTS = 64


@dataclass(frozen=True)
class TrainingTask:
    """A network to be trained: its pipeline, the rows of a fold, and 'classification' or 'regression'."""

    config: PipelineConfig
    rows: Rows
    task: str


def train_all(asked: Sequence[TrainingTask]) -> list[Any]:
    """Return the fitted models, in order; None in the place of one whose loss was no number.

    Dense networks with ReLU go through padded programs; others are trained one by one.
    """
    made: list[Any] = [None] * len(asked)
    members: list[tuple[int, _Padded]] = []
    for place, one in enumerate(asked):
        model = build_model(one.config, one.task)
        if dense(one.config.model.layers) and one.rows.train.ndim == 2:
            members.append((place, _Padded(model, one.rows, one.task)))
        else:
            made[place] = _alone(model, one.rows)
    try:
        results = fit_padded([member.member for _, member in members]) if members else []
    except EdgewrightError:
        # One of them left the numbers: each by itself shows which.
        for place, _ in members:
            made[place] = _alone(build_model(asked[place].config, asked[place].task), asked[place].rows)
        return made
    for (place, member), result in zip(members, results, strict=True):
        made[place] = member.fitted(result.parameters)
    return made


def dense(layers: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether a network can be trained in a padded program: dense layers with ReLU alone."""
    return all(layer.get("kind") == "dense" and layer.get("activation", "relu") == "relu" for layer in layers)


def _alone(model: Any, rows: Rows) -> Any:  # noqa: ANN401 - any network
    try:
        return model.fit(rows.train, rows.y_train)
    except EdgewrightError:
        return None


class _Padded:
    """A dense network on its way through a padded program.

    Args:
        model: unfitted.
        rows: it is fitted on.
        task: 'classification' or 'regression'.
    """

    def __init__(self, model: NetworkClassifier | NetworkRegressor, rows: Rows, task: str) -> None:
        self.model, self.inputs = model, rows.train.shape[1]
        self.middle, self.spread = 0.0, 1.0
        count = len(rows.train)
        if task == "regression":
            values = numbers(rows.y_train, count)
            self.middle, self.spread = float(values.mean()), float(values.std()) or 1.0
            targets, weights = ((values - self.middle) / self.spread).astype(np.float32), sample_weights(None, count)
            self.classes, outputs, loss = None, 1, "mean_squared_error"
        else:
            self.classes, targets = encode(rows.y_train, count)
            weights = class_weights(targets, model.class_weights)[targets.astype(np.int64)]
            two = len(self.classes) == 2
            outputs, loss = (1, "sigmoid_cross_entropy") if two else (len(self.classes), "softmax_cross_entropy")
        network = architecture(model.layers, (self.inputs,), outputs)
        first = network.initialise(np.random.default_rng(model.seed))
        start = [{name: np.asarray(array, np.float32) for name, array in layer.items()} for layer in first]
        missing = -self.inputs % INPUTS
        start[0]["weights"] = np.pad(start[0]["weights"], ((0, missing), (0, 0)))
        X = np.pad(rows.train, ((0, 0), (0, missing)))
        # Nobody watches while a fold is trained, so nothing can be stopped.
        settings = replace(model.settings(loss), patience=0)
        self.member = Member(start, Sampled(ArrayRows(X), targets, weights), settings)

    def fitted(self, parameters: Any) -> Any:  # noqa: ANN401 - layers of arrays; any network
        """Return the model with these parameters, the filling taken off."""
        layers = [{name: np.asarray(a, np.float32) for name, a in layer.items()} for layer in parameters]
        layers[0]["weights"] = layers[0]["weights"][: self.inputs]
        layers[-1]["weights"] = layers[-1]["weights"] * np.float32(self.spread)
        layers[-1]["bias"] = layers[-1]["bias"] * np.float32(self.spread) + np.float32(self.middle)
        stored: dict[str, Any] = {"parameters": layers, "shape": [self.inputs], "features": self.inputs}
        if self.classes is not None:
            stored["classes"] = self.classes
        self.model.fitted_ = stored
        return self.model


def answers(model: Any, X: Floats) -> Floats:  # noqa: ANN401 - any network
    """Raw outputs, shape (n, k): dense networks by NumPy, which compiles nothing."""
    if X.ndim == 2 and dense(model.layers):
        for number, layer in enumerate(model.parameters_):
            X = X @ layer["weights"] + layer["bias"]
            if number < len(model.parameters_) - 1:
                X = np.maximum(X, np.float32(0))
        return X
    raw: Floats = model._raw(X)
    return raw


def errors_of(model: Any, rows: Rows, task: str) -> NDArray[np.float64]:  # noqa: ANN401 - any network
    """Of each sample that judges, shape (n,): 1 where the class is wrong, or the squared error of a number."""
    return errors_in(answers(model, rows.test), getattr(model, "classes_", None), rows.y_test, task)


def errors_in(raw: Floats, classes: NDArray[Any] | None, truth: Any, task: str) -> NDArray[np.float64]:  # noqa: ANN401
    """Compute the errors from raw outputs."""
    if task == "regression" or classes is None:
        return np.square(raw[:, 0].astype(np.float64) - np.asarray(truth, np.float64))
    chosen = (raw[:, 0] > 0).astype(np.int64) if raw.shape[1] == 1 else np.argmax(raw, axis=1)
    wrong: NDArray[np.float64] = (np.asarray(classes)[chosen] != truth).astype(np.float64)
    return wrong

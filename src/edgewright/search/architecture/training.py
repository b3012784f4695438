"""The network of a point as a candidate of the race; dense ones of different widths share compiled programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.pipeline.plan import build_model
from edgewright.race.contract import Candidate, Part
from edgewright.race.entrants import Entrant
from edgewright.race.pipeline_end import PipelineEnd
from edgewright.race.problem import Indices
from edgewright.schema.config import PipelineConfig
from edgewright.training.loop import Sampled
from edgewright.training.padded import fit_padded
from edgewright.training.rows import ArrayRows

Floats = NDArray[np.float32]
# Inputs are zero-padded to a multiple of this, so that points with different features share a compiled program.
INPUTS = 64


@dataclass(frozen=True)
class FittedPoint(PipelineEnd):
    """A fitted point.

    Attributes:
        raw: returns raw outputs of the network, shape (n, k).
    """

    raw: Callable[[Floats], Floats]

    def answers(self, rows: Indices) -> Floats:
        """Return probabilities in the problem's class order, or predictions; a class absent from training gets 0."""
        raw = self.raw(self.part.X[rows])
        return raw if self.part.problem.task == "regression" else self.in_order(self.model.probabilities(raw))


def entrant_of_point(config: PipelineConfig) -> Entrant:
    """Return the pipeline of a point as an entrant of the race."""
    return Entrant(config.name, POINT, config)


def _fit(part: Part, config: PipelineConfig) -> FittedPoint:
    """Train the network of a point; dense ones with ReLU in padded programs, others without padding.

    Raises:
        EdgewrightError: the loss is not finite.
    """
    task = part.problem.task
    model = build_model(config, task)
    X, y = part.training
    if dense(config.model.layers) and X.ndim == 2:
        _fit_padded(model, X, y)
        return FittedPoint(part, model, partial(_dense_outputs, model))
    model.fit(X, y)
    return FittedPoint(part, model, model._raw)


POINT = Candidate(rank=0, title="point", tail=lambda config: config, fit=_fit)


def dense(layers: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether a network can be trained in a padded program: it has only dense layers with ReLU."""
    return all(layer.get("kind") == "dense" and layer.get("activation", "relu") == "relu" for layer in layers)


def _fit_padded(model: Any, X: Floats, y: Any) -> None:  # noqa: ANN401 - any network
    """Train a dense network in a padded program, in place of its own `fit`."""
    model._rows(X, fitting=True)
    targets, weights = model._targets(y, len(X), True)
    first = model.network().initialise(np.random.default_rng(model.seed))
    start = [{name: np.asarray(array, np.float32) for name, array in layer.items()} for layer in first]
    inputs, missing = X.shape[1], -X.shape[1] % INPUTS
    start[0]["weights"] = np.pad(start[0]["weights"], ((0, missing), (0, 0)))
    samples = Sampled(ArrayRows(np.pad(X, ((0, 0), (0, missing)))), targets, weights)
    # A fold has no validation samples, so early stopping is off.
    result = fit_padded(start, samples, replace(model.settings(model.loss), patience=0))
    layers = [{name: np.asarray(a, np.float32) for name, a in layer.items()} for layer in result.parameters]
    layers[0]["weights"] = layers[0]["weights"][:inputs]
    model.parameters_ = layers
    model._finish(None)


def _dense_outputs(model: Any, X: Floats) -> Floats:  # noqa: ANN401 - any network
    """Return raw outputs of a dense network by NumPy, which compiles nothing."""
    for number, layer in enumerate(model.parameters_):
        X = X @ layer["weights"] + layer["bias"]
        if number < len(model.parameters_) - 1:
            X = np.maximum(X, np.float32(0))
    return X

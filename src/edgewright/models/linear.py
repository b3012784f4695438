"""Logistic regression, or ridge regression for an amount, on scaled columns; training samples choose the penalty."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.builder import Builder
from edgewright.models._linear_head import linear_head
from edgewright.models._plain import Floats, PlainModel, plain_model
from edgewright.models.outputs import softmax

_STRONGEST = 3


class Linear(PlainModel):
    """Weighted sums of the columns; arguments and attributes as of `PlainModel`. Columns ought to be scaled.

    Attributes:
        weights_: (features, outputs), float32.
        bias_: (outputs,), float32.
        penalty_: on the squared weights, chosen on the training samples; set by `fit`, not stored.
    """

    kind = "linear"
    function = "linear"
    learned = ("weights_", "bias_")

    weights_: Floats
    bias_: Floats
    penalty_: float

    def _fit(self, X: Floats, target: NDArray[Any], classes: int) -> None:
        self.weights_, self.bias_, self.penalty_ = linear_head(X, target, classes)

    def _answers(self, X: Floats) -> Floats:
        # In float64 an answer does not depend on the rows that come with it.
        raw = np.asarray(np.asarray(X, np.float64) @ self.weights_ + self.bias_, np.float32)
        return raw if self.task != "classification" else softmax(raw)

    def _soften(self, heat: float) -> None:
        self.weights_, self.bias_ = self.weights_ / np.float32(heat), self.bias_ / np.float32(heat)

    def to_graph(self, builder: Builder, value: str) -> str:
        """One dense layer, and softmax for classes."""
        raw = builder.op("Gemm", value, builder.constant(self.weights_), builder.constant(self.bias_))
        return builder.op("Softmax", raw, axis=1) if self.task == "classification" else raw

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return weights and bias."""
        return {"weights": self.weights_, "bias": self.bias_}

    def macs(self) -> int:
        """One a weight."""
        return int(self.weights_.size)

    def says(self, names: tuple[str, ...]) -> str:
        """How many columns are weighed, and the strongest."""
        size = np.abs(self.weights_).max(axis=1)
        strongest = ", ".join(names[int(n)] for n in np.argsort(-size, kind="stable")[:_STRONGEST])
        return f"weighted sum of {len(names)} columns; largest weight: {strongest}"


MODEL = plain_model(Linear)

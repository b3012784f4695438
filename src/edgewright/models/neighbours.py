"""Nearest neighbours among stored samples, nearer ones weighing more.

The answer is a mean over all stored samples with weights exp(-d² / width²) (Nadaraya, 1964; Watson, 1964): what the
nearest few say, in two matrix products and a softmax that every form of a model has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.builder import Builder
from edgewright.models._plain import Floats, PlainModel, plain_model
from edgewright.models.base import softmax
from edgewright.models.kernel_machine import draw_rows, nearness

# Samples that are stored at most: they are the model's size.
MOST_STORED = 1000
_PIECE = 512
# Widths that are tried, as shares of the median distance to the nearest stored sample of all others.
_WIDTHS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4)


class Neighbours(PlainModel):
    """Stored samples and their answers; arguments and attributes as of `PlainModel`. Columns ought to be scaled.

    The width is the one of least error when each stored sample is answered by the others.

    Attributes:
        stored_: (stored, features), float32.
        answers_: (stored, outputs), float32.
        sharpness_: 1 / width².
    """

    kind = "neighbours"
    learned = ("stored_", "answers_", "sharpness_")

    stored_: Floats
    answers_: Floats
    sharpness_: float

    def _fit(self, X: Floats, target: NDArray[Any], classes: int) -> None:
        rows = draw_rows(target, classes, MOST_STORED, self.seed)
        self.stored_ = np.ascontiguousarray(X[rows], np.float32)
        wide = np.eye(classes)[target] if classes else np.asarray(target, np.float64)[:, None]
        self.answers_ = wide[rows].astype(np.float32)
        distance = np.maximum(-nearness(self.stored_, self.stored_) + (self.stored_**2).sum(axis=1)[:, None], 0.0)
        np.fill_diagonal(distance, np.inf)
        middle = float(np.median(np.sqrt(distance.min(axis=1)))) or 1.0
        errors = []
        for share in _WIDTHS:
            weights = softmax(-distance / (share * middle) ** 2)
            errors.append(float(((weights @ self.answers_ - self.answers_) ** 2).mean()))
        self.sharpness_ = float(1.0 / (_WIDTHS[int(np.argmin(errors))] * middle) ** 2)

    def _answers(self, X: Floats) -> Floats:
        pieces = [nearness(X[start : start + _PIECE], self.stored_) for start in range(0, len(X), _PIECE)]
        answers = [softmax(near * np.float32(self.sharpness_)) @ self.answers_ for near in pieces]
        return self._calibrated(np.concatenate(answers))

    def to_graph(self, builder: Builder, value: str) -> str:
        """Nearness, softmax, and the mean of the answers."""
        sharp = np.float32(self.sharpness_)
        weights = builder.constant((2.0 * self.stored_.T * sharp).astype(np.float32))
        bias = builder.constant((-(self.stored_**2).sum(axis=1) * sharp).astype(np.float32))
        share = builder.op("Softmax", builder.op("Gemm", value, weights, bias), axis=1)
        return self._emit_calibrated(builder, builder.op("MatMul", share, builder.constant(self.answers_)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Sample and answers."""
        return {"stored": self.stored_, "answers": self.answers_}

    def macs(self) -> int:
        """One a value stored."""
        return int(self.stored_.size + self.answers_.size)

    def says(self, names: tuple[str, ...]) -> str:
        """How many are stored."""
        return f"vote of the nearest of {len(self.stored_):,} stored samples, by {len(names)} columns"


MODEL = plain_model(Neighbours)

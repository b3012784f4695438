"""All products of two columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import StageSettingsError
from edgewright.graph.builder import Builder, Term, Value, join, take
from edgewright.graph.stage import CHUNK_VALUES, Floats, SampleTransformer, Stage, StageConfig, directly, emits


class PolynomialConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The columns, their squares and their products of two: 20 columns become 230.

    Attributes:
        interaction_only: leave the squares out.
        degree: of the polynomial.
    """

    interaction_only: bool = False
    degree: Literal[2] = 2


@dataclass(eq=False, repr=False)
class Polynomial(SampleTransformer):
    """Columns and products in the order of scikit-learn's `PolynomialFeatures(include_bias=False)`.

    A product of two float32 is rounded once wherever it is computed, so float32 is exact enough here.

    Args:
        interaction_only: leave the squares out.
        names: of the columns.

    Attributes:
        left_, right_: columns of each product.
    """

    kind = "polynomial"
    takes = (1,)

    left_: NDArray[np.int64] = field(init=False)
    right_: NDArray[np.int64] = field(init=False)

    interaction_only: bool = False
    names: tuple[str, ...] = ()

    def formula(self, x: Value) -> Value:
        """Return the columns, then x[left] * x[right]."""
        return join([x, take(x, self.left_, 1) * take(x, self.right_, 1)], 1)

    def transform(self, X: Any) -> Floats:  # noqa: ANN401 - arrays and frames
        """Transform in float32 throughout: a million rows of 230 columns fit into memory."""
        samples = self._arrived(X)
        columns = samples.shape[1]
        result = np.empty((len(samples), columns + len(self.left_)), np.float32)
        step = max(1, CHUNK_VALUES // columns)
        for start in range(0, len(samples), step):
            part = samples[start : start + step]
            result[start : start + step, :columns] = part
            np.multiply(part[:, self.left_], part[:, self.right_], out=result[start : start + step, columns:])
        return result

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - unused
        if self.interaction_only and X.shape[1] == 1:
            raise StageSettingsError("at least 2 columns", "1", self._where())
        self.left_, self.right_ = _pairs(X.shape[1], self.interaction_only)

    def _names(self, names: tuple[str, ...]) -> list[str]:
        products = zip(self.left_, self.right_, strict=True)
        return [*names, *(f"{names[a]}^2" if a == b else f"{names[a]} × {names[b]}" for a, b in products)]


def _pairs(columns: int, interaction_only: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the columns of each product in scikit-learn's order: (0, 0), (0, 1) ... (1, 1), (1, 2) ..."""
    left, right = np.triu_indices(columns, int(interaction_only))
    return left, right


@emits("sklearn.PolynomialFeatures")
def _emit(estimator: Any, builder: Builder, value: str) -> str:  # noqa: ANN401 - scikit-learn's class is untyped
    if estimator.degree != 2 or estimator.include_bias:
        raise StageSettingsError(
            "PolynomialFeatures(degree=2, include_bias=False)", repr(estimator), "stage polynomial"
        )
    x = Term(builder, value)
    left, right = _pairs(estimator.n_features_in_, estimator.interaction_only)
    return str(join([x, take(x, left, 1) * take(x, right, 1)], 1).name)


def _why(estimator: Polynomial) -> str:
    columns = estimator.n_features_in_
    return (
        f"Products let a model use interactions of two columns: {columns} columns become "
        f"{columns + len(estimator.left_)}, growing with the square of the columns."
    )


STAGE = Stage(
    config=PolynomialConfig,
    build=directly(Polynomial),
    state=("shape_", "left_", "right_"),
    why=_why,
    formula="y = [x_1 ... x_n, x_i * x_j for i <= j]",
)

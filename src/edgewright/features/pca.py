"""Fewer columns by principal component analysis."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from edgewright.core.errors import StageSettingsError
from edgewright.graph.builder import Builder, Term, Value, matmul
from edgewright.graph.stage import Context, SampleError, SampleTransformer, Stage, StageConfig, emits, from_config

Count = Annotated[int, msgspec.Meta(ge=1)]
ShareOfVariance = Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)]


class PcaConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Directions of largest variance of the training samples.

    Attributes:
        components: how many are kept, or the share of the variance they must explain (0.95).
    """

    components: Count | ShareOfVariance = 0.95


@dataclass(eq=False, repr=False)
class Pca(SampleTransformer):
    """(x - mean) @ components, fitted by scikit-learn's `PCA` with a full decomposition.

    Args:
        components: how many are kept, or the share of the variance they must explain.
        names: of the columns.

    Attributes:
        mean_: of each column.
        components_: shape (columns, components).
        explained_: share of the variance each component explains.
    """

    kind = "pca"
    takes = (1,)

    mean_: NDArray[np.float32] = field(init=False)
    components_: NDArray[np.float32] = field(init=False)
    explained_: NDArray[np.float64] = field(init=False)

    components: int | float = 0.95
    names: tuple[str, ...] = ()

    def formula(self, x: Value) -> Value:
        """(x - mean) @ components."""
        return matmul(x - np.asarray(self.mean_, np.float32), np.asarray(self.components_, np.float32))

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - unused
        maximum = min(X.shape)
        if isinstance(self.components, int) and self.components > maximum:
            raise StageSettingsError(
                f"at most {maximum} components of {X.shape[0]} samples of {X.shape[1]} columns",
                str(self.components),
                self._where(),
            )
        if not (X[:1] != X).any():
            got = "constant columns only" if len(X) > 1 else "1 sample"
            raise SampleError("samples that differ", got, self._where())
        fitted = PCA(self.components, svd_solver="full").fit(X.astype(np.float64))
        self.mean_ = fitted.mean_.astype(np.float32)
        self.components_ = np.ascontiguousarray(fitted.components_.T, np.float32)
        self.explained_ = np.asarray(fitted.explained_variance_ratio_, np.float64)

    def _names(self, names: tuple[str, ...]) -> list[str]:
        return [f"component {i + 1}" for i in range(np.shape(self.components_)[1])]


@emits("sklearn.PCA")
def _emit(estimator: Any, builder: Builder, value: str) -> str:  # noqa: ANN401 - scikit-learn's class is untyped
    if estimator.whiten:
        raise StageSettingsError(
            "PCA(whiten=False)", "whiten=True", "stage pca", "Put a stage of kind 'scale' after it"
        )
    y = matmul(Term(builder, value) - estimator.mean_, np.ascontiguousarray(estimator.components_.T, np.float32))
    return str(y.name)


def _build(config: PcaConfig, context: Context) -> Pca:
    stage = from_config(Pca, config, context)
    if isinstance(config.components, int) and config.components > context.shape[0]:
        raise StageSettingsError(f"at most {context.shape[0]} components", str(config.components), "stage pca")
    return stage


def _why(estimator: Pca) -> str:
    columns, components = np.shape(estimator.components_)
    return (
        f"Correlated columns are redundant: {components} directions contain "
        f"{100 * float(np.sum(estimator.explained_)):.1f} % of the variance of {columns} columns."
    )


STAGE = Stage(
    config=PcaConfig,
    build=_build,
    state=("shape_", "mean_", "components_", "explained_"),
    why=_why,
    title="PCA",
    formula="y = (x - mean) @ components",
)

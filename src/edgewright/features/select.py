"""The columns that say most about the target."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.feature_selection import (
    SelectKBest,
    f_classif,
    f_regression,
    mutual_info_classif,
    mutual_info_regression,
)

from edgewright.core.errors import StageSettingsError
from edgewright.graph.builder import Builder, Term, Value, take
from edgewright.graph.stage import Context, SampleError, SampleTransformer, Stage, StageConfig, emits, from_config


class SelectConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keeps the k columns with the largest score on the training samples.

    Attributes:
        k: columns that are kept.
        score: 'mutual_information' sees any dependence on the target; 'anova' compares means (F test), and is fast.
    """

    k: Annotated[int, msgspec.Meta(ge=1)]
    score: Literal["mutual_information", "anova"] = "mutual_information"


@dataclass(eq=False, repr=False)
class Select(SampleTransformer):
    """scikit-learn's `SelectKBest`, remembered as the places of the kept columns.

    Args:
        k: columns that are kept; all, with a warning, where fewer arrive.
        criterion: 'mutual_information' or 'anova', the `score` of the configuration.
        task: 'classification' or 'regression'.
        seed: seed of the neighbour search of mutual information.
        names: of the columns.

    Attributes:
        kept_: places of the kept columns, rising.
        scores_: score of every column: mutual information in nats, or the F statistic.
    """

    kind = "select"
    takes = (1,)
    needs_target = True

    kept_: NDArray[np.int64] = field(init=False)
    scores_: NDArray[np.float64] = field(init=False)

    k: int = 10
    criterion: str = "mutual_information"
    task: str = "classification"
    seed: int = 0
    names: tuple[str, ...] = ()

    @property
    def column_scores_(self) -> tuple[tuple[str, float], ...]:
        """Name and score of each column that came in, to six digits."""
        names = tuple(self.names) or tuple(f"x{i}" for i in range(len(self.scores_)))
        return tuple((name, float(f"{score:.6g}")) for name, score in zip(names, self.scores_, strict=True))

    @property
    def dropped_(self) -> tuple[tuple[str, str], ...]:
        """Name of each column left out, with its score as text, best first."""
        names = [name for name, _ in self.column_scores_]
        scores = np.asarray(self.scores_, np.float64)
        minimum = float(scores[np.asarray(self.kept_)].min())
        out = sorted(set(range(len(scores))) - {int(i) for i in self.kept_}, key=lambda i: -scores[i])
        return tuple((names[i], f"score {_score(scores[i])}, the least kept has {_score(minimum)}") for i in out)

    def formula(self, x: Value) -> Value:
        """Return the kept columns."""
        return take(x, np.asarray(self.kept_, np.int64), 1)

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - labels or numbers
        if y is None:
            raise SampleError(
                "a target to score columns by", "requires y to be passed, but the target y is None", self._where()
            )
        if len(X) < 2:
            raise SampleError("at least two samples to score columns by", "1 sample", self._where())
        regression = self.task == "regression"
        if self.k > X.shape[1]:
            warnings.warn(f"k is {self.k}, and {X.shape[1]} columns arrive: all of them are kept", stacklevel=3)
        if self.criterion == "anova":
            function: Any = f_regression if regression else f_classif
        else:
            kind = mutual_info_regression if regression else mutual_info_classif
            function = partial(kind, random_state=self.seed)
        with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
            # A constant column has no F statistic: it scores 0 below, which is all there is to say about it.
            warnings.filterwarnings("ignore", message="Features .* are constant")
            warnings.filterwarnings("ignore", category=RuntimeWarning)
            selector = SelectKBest(function, k=min(self.k, X.shape[1])).fit(X.astype(np.float64), np.asarray(y))
        self.scores_ = np.nan_to_num(np.asarray(selector.scores_, np.float64), nan=0.0, posinf=1e38)
        self.kept_ = np.flatnonzero(selector.get_support()).astype(np.int64)

    def _names(self, names: tuple[str, ...]) -> list[str]:
        return [names[int(i)] for i in self.kept_]


@emits("sklearn.SelectorMixin")
def _emit(estimator: Any, builder: Builder, value: str) -> str:  # noqa: ANN401 - scikit-learn's classes are untyped
    return str(take(Term(builder, value), np.flatnonzero(estimator.get_support()), 1).name)


def _build(config: SelectConfig, context: Context) -> Select:
    stage = from_config(Select, config, context, criterion=config.score, task=context.task, seed=context.seed)
    if config.k > context.shape[0]:
        raise StageSettingsError(
            f"k of at most {context.shape[0]}, the columns that arrive", str(config.k), "stage select"
        )
    return stage


def _score(value: float) -> str:
    """Three digits of a small score, all whole ones of a large one."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _why(estimator: Select) -> str:
    names = tuple(estimator.names) or tuple(f"x{i}" for i in range(estimator.n_features_in_))
    best = int(np.argmax(np.asarray(estimator.scores_)))
    return (
        f"Fewer inputs make a smaller model that memorises less: {len(estimator.kept_)} of "
        f"{len(estimator.scores_)} columns are kept by {estimator.criterion.replace('_', ' ')} with the target, "
        f"{names[best]} first ({_score(estimator.scores_[best])})."
    )


STAGE = Stage(
    config=SelectConfig,
    build=_build,
    state=("shape_", "kept_", "scores_"),
    why=_why,
    formula="y = the k columns of x with the largest score against the target, in their old order",
    read_back=lambda given, context: {"score": given["criterion"]},
)

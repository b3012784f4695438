"""Missing values are filled with what training samples say."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import StageSettingsError
from edgewright.core.input.samples import ROW_LIMIT
from edgewright.graph.builder import Builder, Term, Value, fill
from edgewright.graph.stage import SampleTransformer, Stage, StageConfig, directly, emits


class ImputeConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fills missing values, a column or channel at a time.

    Attributes:
        strategy: 'mean' or 'median' of the training samples, or the `value` given.
        value: what 'constant' fills in.
        limit: largest share of a sample's columns that may be missing, of a window's the share of a channel's
            readings; beyond it the sample has no answer.
    """

    strategy: Literal["mean", "median", "constant"] = "median"
    value: float = 0.0
    limit: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = ROW_LIMIT


def medians(table: NDArray[Any]) -> NDArray[Any]:
    """Return the median of each column of a table, shape (n, columns), without what is missing; 0 for an empty one."""
    ordered, count = np.sort(table, axis=0), np.count_nonzero(~np.isnan(table), axis=0)
    middle = [np.take_along_axis(ordered, places[None, :], axis=0)[0] for places in ((count - 1) // 2, count // 2)]
    return np.where(count > 0, (middle[0] + middle[1]) / 2, 0).astype(table.dtype)


@dataclass(eq=False, repr=False)
class Impute(SampleTransformer):
    """Fills what is not finite with a statistic of the training samples, for each column or channel.

    Args:
        strategy: 'mean', 'median' or 'constant'.
        value: what 'constant' fills in.
        names: of the columns or channels.
        limit: largest share of values that may be missing of a sample that is answered.

    Attributes:
        fill_: value filled in, for each column or channel.
        filled_: missing training values that were filled, for each column or channel.
    """

    kind = "impute"
    missing = True

    fill_: NDArray[np.float32] = field(init=False)
    filled_: NDArray[np.int64] = field(init=False)

    strategy: str = "median"
    value: float = 0.0
    names: tuple[str, ...] = ()
    limit: float = ROW_LIMIT

    def formula(self, x: Value) -> Value:
        """Return the fill value where x is missing, else x."""
        return fill(x, self._broadcastable(self.fill_))

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - unused
        missing = np.isnan(X)
        table = X if X.ndim == 2 else np.moveaxis(X, 1, 2).reshape(-1, X.shape[1])
        self.filled_ = np.isnan(table).sum(axis=0).astype(np.int64)
        whole = (self.filled_ == len(table))[None, :]
        if self.strategy != "constant" and whole.any():
            raise StageSettingsError(
                "at least one value",
                "only missing ones",
                self._channel(whole),
                "Leave the column out or use 'constant'",
            )
        if self.strategy == "constant":
            self.fill_ = np.full(X.shape[1], self.value, np.float32)
            return
        if not missing.any() and self.strategy == "mean":
            self.fill_ = table.mean(axis=0, dtype=np.float64).astype(np.float32)
            return
        # float64, so that a mean over a million rows does not lose its last digits
        if self.strategy == "median":  # a column at a time: of many rows, a sorted copy of all takes much memory
            columns = [medians(table[:, [at]].astype(np.float64)) for at in range(table.shape[1])]
            self.fill_ = np.concatenate(columns).astype(np.float32)
        else:
            self.fill_ = np.nanmean(table.astype(np.float64), axis=0).astype(np.float32)

    @property
    def in_pieces(self) -> bool:
        """Whether `fit_pieces` learns what `fit` would; a median needs all samples at once."""
        return self.strategy != "median"

    def fit_pieces(self, pieces: Callable[[], Iterable[NDArray[np.float32]]]) -> Self:
        """Learn from rows a piece at a time: the same means as `fit`, to rounding.

        Args:
            pieces: gives the pieces, each (n, columns), from the first on whenever it is called.

        Raises:
            InputError: a column without a value.
        """
        total: Any = 0.0
        missing: Any = 0
        count = 0
        for piece in pieces():
            total = total + np.nansum(piece, axis=0, dtype=np.float64)
            missing = missing + np.isnan(piece).sum(axis=0)
            count += len(piece)
        if not count:
            raise StageSettingsError("at least one sample", "none", self._where())
        self.shape_ = [len(total)]
        self.filled_ = np.asarray(missing, np.int64)
        whole = (self.filled_ == count)[None, :]
        if self.strategy == "constant":
            self.fill_ = np.full(len(total), self.value, np.float32)
            return self
        if whole.any():
            raise StageSettingsError(
                "at least one value",
                "only missing ones",
                self._channel(whole),
                "Leave the column out or use 'constant'",
            )
        self.fill_ = (total / (count - self.filled_)).astype(np.float32)
        return self


@emits("sklearn.SimpleImputer")
def _emit(estimator: Any, builder: Builder, value: str) -> str:  # noqa: ANN401 - scikit-learn's class is untyped
    if getattr(estimator, "add_indicator", False) or np.isnan(np.asarray(estimator.statistics_, float)).any():
        raise StageSettingsError(
            "a SimpleImputer without indicator columns and with a value for every column",
            repr(estimator),
            "stage impute",
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        return str(fill(Term(builder, value), np.asarray(estimator.statistics_, np.float32)).name)


def _why(estimator: Impute) -> str:
    filled = int(np.sum(estimator.filled_))
    columns = int(np.count_nonzero(estimator.filled_))
    source = f"{estimator.value:g}" if estimator.strategy == "constant" else f"the {estimator.strategy} of its column"
    if not filled:
        return f"A model cannot compute with a missing value: no training value is missing, later ones get {source}."
    return (
        f"A model cannot compute with a missing value: {filled:,} missing training "
        f"value{'s are' if filled > 1 else ' is'} replaced by {source}, in {columns} column{'s' * (columns > 1)}."
    )


STAGE = Stage(
    config=ImputeConfig,
    build=directly(Impute),
    state=("shape_", "fill_", "filled_"),
    why=_why,
    formula="y = fill of the column where x is missing, else x",
)

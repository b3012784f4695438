"""Columns and channels to comparable ranges."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from edgewright.core.errors import StageSettingsError
from edgewright.core.formatting import number
from edgewright.graph.builder import Builder, Term, Value, clip
from edgewright.graph.stage import Context, SampleTransformer, Stage, StageConfig, emits, from_config

# Spread of a column, as a share of its largest value, below which it is constant: eight float32 roundings.
LEAST_SPREAD = 1e-6
# Rows from which on columns are learned one after the other.
_MANY = 2**19

Method = Literal["minmax", "standard", "robust"]


class ScaleConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Scales each column (rows) or channel (windows) by what training samples say.

    Attributes:
        method: 'minmax' to 0..1, 'standard' to mean 0 and deviation 1, 'robust' to median 0 and quartile range 1.
        clip: limits [low, high] of what comes out, or one number: at most so far from the range (minmax) or from 0.
    """

    method: Method = "minmax"
    clip: float | tuple[float, float] | None = None


@dataclass(eq=False, repr=False)
class Scale(SampleTransformer):
    """(x - offset) * factor with scikit-learn's fitted scalers.

    The offset is taken off before multiplying: `x * factor + shift` loses the digits of a small change on a large
    level in float32 (air pressure: 101325 ± 1 Pa).

    Args:
        method: 'minmax', 'standard' or 'robust'.
        clip: limits of what comes out, None for none.
        names: of the columns or channels.

    Attributes:
        offset_: taken off, for each column or channel.
        factor_: multiplied with, for each column or channel; 0 where a column is constant.
    """

    kind = "scale"
    missing = True

    offset_: NDArray[np.float32] = field(init=False)
    factor_: NDArray[np.float32] = field(init=False)

    method: str = "minmax"
    clip: tuple[float, float] | None = None
    names: tuple[str, ...] = ()

    def formula(self, x: Value) -> Value:
        """(x - offset) * factor, limited where asked."""
        y = (x - self._broadcastable(self.offset_)) * self._broadcastable(self.factor_)
        return y if self.clip is None else clip(y, *self.clip)

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - unused
        table = X if X.ndim == 2 else np.moveaxis(X, 1, 2).reshape(-1, X.shape[1])
        whole = np.asarray(np.isnan(table).all(axis=0, keepdims=True))
        if whole.any():
            raise StageSettingsError(
                "at least one value", "only missing ones", self._channel(whole), "Leave the column out"
            )
        scaler = {"minmax": MinMaxScaler, "standard": StandardScaler, "robust": RobustScaler}[self.method]
        # scikit-learn takes several copies in float64: of many rows, those of a column at a time.
        step = 1 if len(table) > _MANY else table.shape[1]
        columns = (table[:, at : at + step] for at in range(0, table.shape[1], step))
        constants = [_constants(scaler().fit(part.astype(np.float64))) for part in columns]
        self.offset_, self.factor_ = (np.concatenate(some) for some in zip(*constants, strict=True))
        low, high = np.fmin.reduce(table, axis=0), np.fmax.reduce(table, axis=0)
        self._settle(np.maximum(np.abs(low), np.abs(high)), low == high)

    @property
    def in_pieces(self) -> bool:
        """Whether `fit_pieces` learns what `fit` would; quartiles need all samples at once."""
        return self.method != "robust"

    def fit_pieces(self, pieces: Callable[[], Iterable[NDArray[np.float32]]]) -> Self:
        """Learn from rows a piece at a time: the same range as `fit`, the same mean and deviation to rounding.

        Args:
            pieces: gives the pieces, each (n, columns), from the first on whenever it is called.

        Raises:
            InputError: a column without a value.
        """
        scaler = MinMaxScaler() if self.method == "minmax" else StandardScaler()
        low: NDArray[np.float32] | None = None
        high: NDArray[np.float32] | None = None
        for piece in pieces():
            scaler.partial_fit(piece.astype(np.float64))
            minimum, upper = np.fmin.reduce(piece, axis=0), np.fmax.reduce(piece, axis=0)
            low = minimum if low is None else np.fmin(low, minimum)
            high = upper if high is None else np.fmax(high, upper)
        if low is None or high is None:
            raise StageSettingsError("at least one sample", "none", self._where())
        self.shape_ = [len(low)]
        whole = np.isnan(low)[None, :]
        if whole.any():
            raise StageSettingsError(
                "at least one value", "only missing ones", self._channel(whole), "Leave the column out"
            )
        self.offset_, self.factor_ = _constants(scaler)
        self._settle(np.maximum(np.abs(low), np.abs(high)), low == high)
        return self

    def _settle(self, largest: NDArray[np.float32], constant: NDArray[np.bool_]) -> None:
        # A column that moves less than float32 can tell from its level is constant: dividing by that spread would
        # make rounding a feature, and another one on every device. It comes out as 0, whatever arrives later: a
        # network cannot have learned what a change of it means.
        self.factor_[constant | (self.factor_ * largest * LEAST_SPREAD > 1.0)] = 0.0


def _constants(scaler: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # noqa: ANN401 - untyped
    """Offset and factor of a fitted scaler of scikit-learn."""
    if isinstance(scaler, MinMaxScaler):
        return scaler.data_min_.astype(np.float32), scaler.scale_.astype(np.float32)
    # A StandardScaler has mean_ even when it does not take it off.
    standard = isinstance(scaler, StandardScaler)
    centre = (scaler.mean_ if scaler.with_mean else None) if standard else scaler.center_
    n = scaler.n_features_in_
    spread = np.ones(n) if scaler.scale_ is None else np.asarray(scaler.scale_)
    offset = np.zeros(n) if centre is None else np.asarray(centre)
    return offset.astype(np.float32), (1.0 / spread).astype(np.float32)


@emits("sklearn.MinMaxScaler", "sklearn.StandardScaler", "sklearn.RobustScaler")
def _emit(estimator: Any, builder: Builder, value: str) -> str:  # noqa: ANN401 - scikit-learn's classes are untyped
    offset, factor = _constants(estimator)
    y = (Term(builder, value) - offset) * factor
    if isinstance(estimator, MinMaxScaler):
        low, high = estimator.feature_range
        y = y if low == 0 else y + np.float32(low)
        y = clip(y, low, high) if estimator.clip else y
    return str(y.name)


def _build(config: ScaleConfig, context: Context) -> Scale:
    limits = config.clip
    if isinstance(limits, (int, float)):
        if limits < 0:
            raise StageSettingsError("a clip of at least 0", f"{limits:g}", "stage scale")
        limits = (-float(limits), float(limits) + (1.0 if config.method == "minmax" else 0.0))
    if limits is not None and limits[0] >= limits[1]:
        raise StageSettingsError("clip as [low, high] with low below high", f"{list(limits)}", "stage scale")
    return from_config(Scale, config, context, clip=limits)


# Spreads within this ratio count alike already.
_ALIKE = 1.5


def _why(estimator: Scale) -> str:
    reasons = {
        "minmax": "0 to 1",
        "standard": "mean 0 and deviation 1",
        "robust": "median 0 and quartile range 1",
    }[estimator.method]
    factors = np.asarray(estimator.factor_, np.float64)
    spans = 1.0 / factors[factors > 0] if factors.any() else np.zeros(1)
    smallest, largest = number(spans.min()), number(spans.max())
    if spans.max() < _ALIKE * spans.min():
        return (
            f"Training is fastest on values near 1: column ranges are alike ({smallest} to {largest}); "
            f"each column is scaled to {reasons}, fitted on the training samples only."
        )
    return (
        f"Column ranges differ from {smallest} to {largest}; large ranges would dominate: each column "
        f"is scaled to {reasons}, fitted on the training samples only."
    )


STAGE = Stage(
    config=ScaleConfig,
    build=_build,
    state=("shape_", "offset_", "factor_"),
    why=_why,
    formula="y = (x - offset) * factor, offset and factor from training samples",
)

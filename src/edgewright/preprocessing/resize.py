"""Pictures from the size a camera gives to the size the network takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.graph.builder import Value, take
from edgewright.graph.stage import Context, SampleTransformer, Stage, StageConfig, from_config

# Weights are multiples of 1/128. Two axes make multiples of 1/16,384, so that a mean of bytes is exact in float32, in
# whatever order it is added up: every form gives the same number.
_UNIT = 128
Side = Annotated[int, msgspec.Meta(ge=1, le=4096)]


class ResizeConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another number of rows and columns: means over what a pixel covers, lines between pixels where it grows.

    Attributes:
        height: rows that come out.
        width: columns that come out.
    """

    height: Side
    width: Side


@dataclass(eq=False, repr=False)
class Resize(SampleTransformer):
    """Weighted means of rows, then of columns.

    Args:
        height: rows that come out.
        width: columns that come out.
        names: of the channels.

    Attributes:
        rows_, columns_: places that a pixel is made of, shape (taps, height) and (taps, width).
        row_weights_, column_weights_: their weights, multiples of 1/128 that add up to 1.
    """

    kind = "resize"
    takes = (3,)

    rows_: NDArray[np.int64] = field(init=False)
    columns_: NDArray[np.int64] = field(init=False)
    row_weights_: NDArray[np.float32] = field(init=False)
    column_weights_: NDArray[np.float32] = field(init=False)

    height: int = 96
    width: int = 96
    names: tuple[str, ...] = ()

    def formula(self, x: Value) -> Value:
        """Sum over the taps of pixel times weight, along each axis."""
        y = _means(x, self.rows_, np.asarray(self.row_weights_, np.float32)[:, :, None], 2)
        return _means(y, self.columns_, np.asarray(self.column_weights_, np.float32), 3)

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - unused
        self.rows_, self.row_weights_ = _taps(X.shape[2], self.height)
        self.columns_, self.column_weights_ = _taps(X.shape[3], self.width)


def _means(x: Value, places: NDArray[np.int64], weights: NDArray[np.float32], axis: int) -> Value:
    if len(places) == 1:
        return take(x, places[0], axis)
    return reduce(add, (take(x, at, axis) * weight for at, weight in zip(places, weights, strict=True)))


def _taps(before: int, after: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return places and weights of each pixel that comes out along an axis, shape (taps, after)."""
    ratio = before / after
    edges = np.arange(after)[:, None] * ratio
    cells = np.arange(before)[None]
    if ratio >= 1:
        # The share of each cell that the pixel covers.
        shares = np.clip(np.minimum(cells + 1, edges + ratio) - np.maximum(cells, edges), 0.0, None) / ratio
    else:
        centre = np.clip(edges + ratio / 2 - 0.5, 0, before - 1)
        shares = np.clip(1.0 - np.abs(cells - centre), 0.0, None)
    # Rounding the running sum, not each weight, keeps the total and the middle.
    whole = np.diff(np.rint(np.cumsum(shares, axis=1) * _UNIT), prepend=0.0, axis=1)
    begin, end = (whole > 0).argmax(axis=1), before - (whole > 0)[:, ::-1].argmax(axis=1)
    count = int((end - begin).max())
    places = np.minimum(begin, before - count)[None] + np.arange(count)[:, None]
    return places, (whole[np.arange(after)[None], places] / _UNIT).astype(np.float32)


def _build(config: ResizeConfig, context: Context) -> Resize:
    return from_config(Resize, config, context)


def _why(estimator: Resize) -> str:
    _, height, width = estimator.shape_
    return (
        f"The camera gives {height} x {width} pixels and the network takes {estimator.height} x {estimator.width}: "
        "fewer pixels are fewer multiplications in every layer."
    )


STAGE = Stage(
    config=ResizeConfig,
    build=_build,
    state=("shape_", "rows_", "columns_", "row_weights_", "column_weights_"),
    why=_why,
    formula="y = sum over rows and columns that a pixel covers of x w, weights in 1/128",
)

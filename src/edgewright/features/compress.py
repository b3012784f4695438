"""Large values closer together: a signed logarithm."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.graph.builder import Value, log, relu
from edgewright.graph.stage import SampleTransformer, Stage, StageConfig, directly


class CompressConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Signed logarithm of each column (rows) or channel (windows): sign(x) * log(1 + |x| / scale).

    Attributes:
        scale: size from which values are compressed; the median size of each column or channel in the training
            samples when left out.
    """

    scale: Annotated[float, msgspec.Meta(gt=0.0)] | None = None


@dataclass(eq=False, repr=False)
class Compress(SampleTransformer):
    """sign(x) * log(1 + |x| / scale).

    Args:
        scale: size from which values are compressed, None to learn it.
        names: of the columns or channels.

    Attributes:
        inverse_: 1 / scale, for each column or channel.
    """

    kind = "compress"

    inverse_: NDArray[np.float32] = field(init=False)

    scale: float | None = None
    names: tuple[str, ...] = ()

    def formula(self, x: Value) -> Value:
        """Return the positive part's logarithm minus the negative part's: no operator for the sign is needed."""
        scaled = x * self._broadcastable(self.inverse_)
        return log(relu(scaled) + 1.0) - log(relu(-scaled) + 1.0)

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - unused
        if self.scale is not None:
            self.inverse_ = np.full(X.shape[1], 1.0 / self.scale, np.float32)
            return
        table = np.abs(X if X.ndim == 2 else np.moveaxis(X, 1, 2).reshape(-1, X.shape[1]))
        size = np.median(table, axis=0).astype(np.float64)
        # A column that is mostly 0 is scaled by its mean size; one that is always 0 stays as it is.
        size = np.where(size > 0, size, table.mean(axis=0, dtype=np.float64))
        self.inverse_ = (1.0 / np.where(size > 0, size, 1.0)).astype(np.float32)

    def _names(self, names: tuple[str, ...]) -> list[str]:
        return [f"{name} compressed" for name in names]


def _why(estimator: Compress) -> str:
    size = 1.0 / np.asarray(estimator.inverse_, np.float64)
    return (
        f"Impacts and running are much stronger than the small movements that distinguish sitting from standing: "
        f"values above {size.min():.3g} to {size.max():.3g} are compressed."
    )


STAGE = Stage(
    config=CompressConfig,
    build=directly(Compress),
    state=("shape_", "inverse_"),
    why=_why,
    formula="y = sign(x) * log(1 + |x| / scale)",
)

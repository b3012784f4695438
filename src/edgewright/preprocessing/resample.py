"""Windows from the rate a sensor really gives to the rate the model was trained on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import StageSettingsError
from edgewright.graph.builder import Value, take
from edgewright.graph.stage import Context, SampleTransformer, Stage, StageConfig, from_config, require, require_rate


class ResampleConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Linear interpolation of a window to another sampling rate.

    Attributes:
        rate: samples a second that come out.
        samples: that come out of a window; what fits its duration when left out.
    """

    rate: Annotated[float, msgspec.Meta(gt=0.0)]
    samples: Annotated[int, msgspec.Meta(ge=2)] | None = None


@dataclass(eq=False, repr=False)
class Resample(SampleTransformer):
    """Interpolates between the two neighbours in time; a missing neighbour leaves only its own outputs missing.

    Args:
        rate_in: samples a second that arrive.
        rate_out: samples a second that come out.
        samples: that come out; None keeps the duration of the window.
        names: of the channels.
    """

    kind = "resample"
    takes = (2,)
    missing = True

    left_: NDArray[np.int64] = field(init=False)
    right_: NDArray[np.int64] = field(init=False)
    weight_: NDArray[np.float32] = field(init=False)

    rate_in: float = 50.0
    rate_out: float = 50.0
    samples: int | None = None
    names: tuple[str, ...] = ()

    @property
    def rate_(self) -> float:
        """Samples a second of what comes out."""
        return self.rate_out

    def formula(self, x: Value) -> Value:
        """Left + (right - left) * weight."""
        left = take(x, self.left_, 2)
        return left + (take(x, self.right_, 2) - left) * np.asarray(self.weight_, np.float32)

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - unused
        arriving = X.shape[2]
        wanted = self.samples or max(1, round(arriving * self.rate_out / self.rate_in))
        location = np.arange(wanted) * (self.rate_in / self.rate_out)
        # The last instant may lie up to one period behind the last sample, which is then held.
        if location[-1] >= arriving:
            longest = int(np.floor((arriving - 1) * self.rate_out / self.rate_in)) + 1
            raise StageSettingsError(
                f"at most {longest} samples out of {arriving} at {self.rate_in:g} Hz", str(wanted), self._where()
            )
        location = np.minimum(location, arriving - 1)
        # Rates such as 52 and 26 meet exactly: rounding off 1e-9 keeps such an instant on its sample.
        nearest = np.rint(location)
        location = np.where(np.abs(location - nearest) < 1e-9, nearest, location)
        self.left_ = np.floor(location).astype(np.int64)
        self.right_ = np.ceil(location).astype(np.int64)
        self.weight_ = (location - self.left_).astype(np.float32)


def _build(config: ResampleConfig, context: Context) -> Resample:
    require(context, "resample", (2,))
    return from_config(Resample, config, context, rate_in=require_rate(context, "resample"), rate_out=config.rate)


def _why(estimator: Resample) -> str:
    return (
        f"The sensor gives {estimator.rate_in:g} samples a second and the model uses {estimator.rate_out:g}: "
        f"{estimator.shape_[1]} samples become {len(estimator.left_)}."
    )


STAGE = Stage(
    config=ResampleConfig,
    build=_build,
    state=("shape_", "left_", "right_", "weight_"),
    why=_why,
    formula="y[t] = x[i] + (x[i + 1] - x[i]) * w, where i + w is the instant t at the old rate",
    read_back=lambda given, context: {"rate": given["rate_out"]},
)

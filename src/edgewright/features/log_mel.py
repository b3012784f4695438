"""Sound as a picture: power by time and by pitch."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edgewright.features._sound import MelTransformer, mel_settings
from edgewright.graph.stage import Context, Stage, StageConfig


class LogMelConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Logarithm of the power in mel bands, frame by frame.

    Attributes:
        mels: bands.
        frame: seconds in a frame.
        hop: seconds from frame to frame.
        fft: samples of the transform, the frame padded with zeros; the frame itself when left out.
        low: Hz where the first band begins.
        high: Hz where the last band ends; half the rate when left out.
        scale: 'htk' or 'slaney' definition of mel.
        floor: share of the mean training power of a band that is added before the logarithm.
        flatten: one row of features instead of a window (mels, frames).
    """

    mels: Annotated[int, msgspec.Meta(ge=1)] = 40
    frame: Annotated[float, msgspec.Meta(gt=0.0)] = 0.025
    hop: Annotated[float, msgspec.Meta(gt=0.0)] = 0.010
    fft: Annotated[int, msgspec.Meta(ge=2)] | None = None
    low: Annotated[float, msgspec.Meta(ge=0.0)] = 20.0
    high: Annotated[float, msgspec.Meta(gt=0.0)] | None = None
    scale: Literal["htk", "slaney"] = "htk"
    floor: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 1e-5
    flatten: bool = False


class LogMel(MelTransformer):
    """(n, channels, samples) -> (n, channels * mels, frames)."""

    kind = "log_mel"


def _build(config: LogMelConfig, context: Context) -> LogMel:
    return LogMel(**mel_settings(config, context, "log_mel"))


def _why(estimator: LogMel) -> str:
    return (
        f"Ears hear ratios of power in bands that widen with pitch: {estimator.shape_[1]} samples become "
        f"{estimator.mels} bands in {estimator.frames} frames of {1000 * estimator.frame / estimator.rate:.3g} ms."
    )


STAGE = Stage(
    config=LogMelConfig,
    build=_build,
    state=("shape_", "floor_"),
    why=_why,
    formula=("y[m, j] = log(sum_k M[m, k] P_j[k] + floor), P_j the Hann-windowed power spectrum of frame j"),
)

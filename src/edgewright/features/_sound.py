"""The transformer behind `log_mel` and `mfcc`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.features import _dft, _mel
from edgewright.graph.formula import Value, log, matmul, reshape, take, transpose
from edgewright.graph.stage import Context, StageConfig
from edgewright.graph.transformer import CHUNK_VALUES, SampleTransformer, require, require_rate
from edgewright.schema.errors import InputError


class MelTransformer(SampleTransformer):
    """Frames -> Hann window -> power spectrum -> mel bands -> logarithm.

    Args:
        mels: bands.
        frame: samples in a frame.
        hop: samples from frame to frame.
        fft: samples of the transform.
        low, high: Hz where the bands begin and end.
        scale: 'htk' or 'slaney'.
        floor: share of the mean training power of a band that is added before the logarithm.
        flatten: one row of features instead of a window.
        rate: samples a second.
        coefficients: of the cosine transform; None for log mel.
        names: of the channels.

    Attributes:
        floor_: power added before the logarithm.
    """

    takes = (2,)
    word: ClassVar[str] = "mel"

    floor_: float

    def __init__(
        self,
        mels: int = 40,
        frame: int = 400,
        hop: int = 160,
        fft: int = 400,
        low: float = 20.0,
        high: float = 8000.0,
        scale: str = "htk",
        floor: float = 1e-5,
        flatten: bool = False,
        rate: float = 16000.0,
        coefficients: int | None = None,
        names: tuple[str, ...] = (),
    ) -> None:
        self.mels = mels
        self.frame = frame
        self.hop = hop
        self.fft = fft
        self.low = low
        self.high = high
        self.scale = scale
        self.floor = floor
        self.flatten = flatten
        self.rate = rate
        self.coefficients = coefficients
        self.names = names

    @property
    def frames(self) -> int:
        """Whole frames in a window."""
        return (int(self.shape_[1]) - self.frame) // self.hop + 1

    @property
    def rate_(self) -> float:
        """Frames a second: the sampling rate of what comes out."""
        return self.rate / self.hop

    def formula(self, x: Value) -> Value:
        """(n, channels, samples) -> (n, channels * bands, frames), or one row."""
        bands = transpose(self._bands(x), (0, 1, 3, 2))
        rows = int(self.shape_[0]) * len(self._band_names())
        return reshape(bands, (0, rows * self.frames) if self.flatten else (0, rows, self.frames))

    def _bands(self, x: Value) -> Value:
        return log(self._powers(x) + np.float32(self.floor_))

    def _powers(self, x: Value) -> Value:
        """Power in each mel band: (n, channels, frames, mels)."""
        framed = take(x, _mel.frames(int(self.shape_[1]), self.frame, self.hop), 2)
        cosine, sine = _dft.matrices(self.frame, "hann", self.fft)
        filters = _mel.mel_matrix(_dft.frequencies(self.fft, self.rate), self._edges(), self._where())
        return matmul(_dft.power(framed, cosine, sine), filters)

    def _edges(self) -> NDArray[np.float64]:
        return _mel.mel_edges(self.mels, self.low, self.high, self.scale)

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - unused
        if X.shape[2] < self.frame:
            raise InputError(f"windows of at least a frame ({self.frame} samples)", str(X.shape[2]), self._where())
        step = max(1, CHUNK_VALUES // (X.shape[1] * X.shape[2]))
        parts = [self._powers(X[i : i + step].astype(np.float64)).sum() for i in range(0, len(X), step)]
        typical = float(np.sum(parts)) / (len(X) * X.shape[1] * self.frames * self.mels)
        self.floor_ = self.floor * (typical if typical > 1e-30 else 1.0)

    def _band_names(self) -> list[str]:
        edges = self._edges()
        return [f"{low:.0f}-{high:.0f} Hz" for low, high in zip(edges[:-2], edges[2:], strict=True)]

    def _names(self, names: tuple[str, ...]) -> list[str]:
        rows = [f"{name} {band}" for name in names for band in self._band_names()]
        return [f"{row} frame {j}" for row in rows for j in range(self.frames)] if self.flatten else rows


class MelConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stages of sound have in common.

    Attributes:
        mels: bands.
        frame: seconds in a frame.
        hop: seconds from frame to frame.
        fft: samples of the transform, the frame padded with zeros; the frame itself when left out.
        low: Hz where the first band begins.
        high: Hz where the last band ends; half the rate when left out.
        scale: 'htk' or 'slaney' definition of mel.
        floor: share of the mean training power of a band that is added before the logarithm.
        flatten: one row of features instead of a window of frames.
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


def mel_settings(config: MelConfig, context: Context, kind: str) -> dict[str, Any]:
    """Arguments of a `MelTransformer`, in samples.

    Raises:
        InputError: for a frame longer than the window, or bands outside 0 to half the rate.
    """
    require(context, kind, (2,))
    rate = require_rate(context, kind)
    frame, hop = round(config.frame * rate), max(1, round(config.hop * rate))
    where = f"stage {kind}"
    if not 4 <= frame <= context.shape[1]:
        raise InputError(
            f"a frame of 4 samples to a window ({context.shape[1]} samples)",
            f"{frame} samples",
            where,
            "Change `frame`",
        )
    fft = frame if config.fft is None else config.fft
    if fft < frame:
        raise InputError(f"an fft of at least a frame ({frame} samples)", str(fft), where)
    high = rate / 2 if config.high is None else config.high
    if not config.low < high <= rate / 2:
        raise InputError(f"low < high <= {rate / 2:g} Hz", f"low {config.low:g}, high {high:g}", where)
    edges = _mel.mel_edges(config.mels, config.low, high, config.scale)
    _mel.mel_matrix(_dft.frequencies(fft, rate), edges, where)
    return {
        "mels": config.mels,
        "frame": frame,
        "hop": hop,
        "fft": fft,
        "low": config.low,
        "high": high,
        "scale": config.scale,
        "floor": config.floor,
        "flatten": config.flatten,
        "rate": rate,
        "names": context.names,
    }

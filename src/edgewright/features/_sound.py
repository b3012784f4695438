"""The transformer behind `log_mel` and `mfcc`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import StageSettingsError
from edgewright.features._channels import audible, chunks
from edgewright.graph.builder import Value, log, matmul, reshape, take, transpose
from edgewright.graph.stage import Context, E, SampleTransformer, StageConfig, from_config, require, require_rate

# How much longer zeros may make a window where that saves steps.
_LONGER = 1.125
# Steps a sample up to which a length is taken as it is: 250 and 1,000 samples take 285 and 301, 486 take 335.
_MOST_STEPS = 305


def frequencies(samples: int, rate: float) -> NDArray[np.float64]:
    """Frequency in Hz of each bin; none is beyond half the rate, where a band may end, by its last digit."""
    return np.asarray(np.minimum(np.fft.rfftfreq(samples, 1.0 / rate), rate / 2), np.float64)


def fast_length(samples: int) -> int:
    """Return a length, of at least so many samples, whose transform takes few steps.

    A window whose half is a product of few small primes is long enough as it is. Another is followed by zeros: a
    transform takes steps by the sum of the primes of its length, of a prime of 500 some hundred times those of 512.
    Zeros move the bins a little closer together; what they sum to stays the same.
    """
    own = _steps(samples // 2) if samples % 2 == 0 else None
    if own is not None and own <= _MOST_STEPS * (samples // 2):
        return samples
    steps_of = {length: _steps(length // 2) for length in range(samples + samples % 2, 2 * samples + 2, 2)}
    near = [length for length, steps in steps_of.items() if steps is not None and length <= _LONGER * samples]
    # Powers of 2 lie less than a factor of 2 apart: there is always one.
    near = near or [length for length, steps in steps_of.items() if steps is not None][:1]
    return min(near, key=lambda length: steps_of[length] or 0)


def cheaper_length(samples: int) -> int | None:
    """Return the nearest length, at most an eighth away, that takes half as many steps; None where there is none."""
    used = _steps(fast_length(samples) // 2) or 0
    near = range(round(samples / _LONGER), round(samples * _LONGER) + 1)
    steps = {length: _steps(length // 2) for length in near if length % 2 == 0}
    lengths = [length for length, count in steps.items() if count is not None and 2 * count <= used]
    return min(lengths, key=lambda length: abs(length - samples), default=None)


def _steps(half: int) -> int | None:
    """Instructions, roughly, of the passes over so many complex numbers; None where a prime is too large."""
    steps, left = 0, half
    for radix in (4, 2, 3, 5, 7):
        while left % radix == 0:
            left //= radix
            steps += half * (16 if radix == 4 else 25 + 14 * radix)
    return steps if left == 1 else None


def hann(samples: int) -> NDArray[np.float64]:
    """Return the periodic Hann window: 0.5 - 0.5 cos(2 pi t / samples) (Harris, Proc. IEEE 66, 1978)."""
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(samples) / samples)


@cache
def matrices(
    samples: int, window: str = "none", length: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosine and sine matrices (samples, bins) with which `power` gives a one-sided power spectrum.

    Without a window the powers of all bins sum to the mean square of the samples (Parseval).

    Args:
        samples: of a frame.
        window: taper of a frame, 'hann' or 'none'.
        length: length of the transform, the frame padded with zeros; the frame itself when None.
    """
    length = samples if length is None else length
    taper = hann(samples) if window == "hann" else np.ones(samples)
    bins = np.arange(length // 2 + 1)
    # exact reduction of the angle before the cosine keeps the last digits of high bins
    angle = 2.0 * np.pi * (np.outer(np.arange(samples), bins) % length) / length
    twice = np.where((bins == 0) | ((length % 2 == 0) & (bins == length // 2)), 1.0, 2.0)
    scale = np.sqrt(twice / (length * np.sum(taper**2)))
    weights = taper[:, None] * scale
    return (weights * np.cos(angle)).astype(np.float32), (weights * np.sin(angle)).astype(np.float32)


def power(x: Value, cosine: NDArray[np.float32], sine: NDArray[np.float32]) -> Value:
    """Power of each bin: (..., samples) -> (..., bins)."""
    real, imaginary = matmul(x, cosine), matmul(x, sine)
    return real * real + imaginary * imaginary


def to_mel(hertz: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    """Hz to mel.

    'htk': 2595 log10(1 + f/700) (O'Shaughnessy, Speech Communication, 1987, as in the HTK Book). 'slaney': linear
    with 200/3 Hz a mel below 1000 Hz, above it 27 mel for each factor of 6.4 (Slaney, Auditory Toolbox, 1998).
    """
    if scale == "htk":
        return np.asarray(2595.0 * np.log10(1.0 + hertz / 700.0))
    high = 15.0 + 27.0 * np.log(np.maximum(hertz, 1000.0) / 1000.0) / np.log(6.4)
    return np.where(hertz < 1000.0, hertz * 3.0 / 200.0, high)


def from_mel(mel: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    """Mel to Hz: the inverse of `to_mel`."""
    if scale == "htk":
        return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))
    return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * np.exp((mel - 15.0) * np.log(6.4) / 27.0))


def mel_edges(mels: int, low: float, high: float, scale: str) -> NDArray[np.float64]:
    """Return the mels + 2 corners of the triangles in Hz, equally far apart in mel."""
    ends = to_mel(np.asarray([low, high]), scale)
    return from_mel(np.linspace(ends[0], ends[1], mels + 2), scale)


def mel_matrix(frequencies: NDArray[np.float64], edges: NDArray[np.float64], where: str) -> NDArray[np.float32]:
    """Triangles of height 1 over the bins: (bins, mels).

    Raises:
        InputError: when a triangle is so narrow that it holds no bin.
    """
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (frequencies[:, None] - left) / (middle - left)
    falling = (right - frequencies[:, None]) / (right - middle)
    matrix = np.maximum(0.0, np.minimum(rising, falling))
    empty = np.flatnonzero(matrix.sum(axis=0) == 0)
    if len(empty):
        raise StageSettingsError(
            f"mel filters wider than the resolution of {frequencies[1]:.3g} Hz",
            f"filter {empty[0] + 1} of {len(middle)} at {middle[empty[0]]:.4g} Hz without a bin",
            where,
            "Use fewer mels or a longer `fft`",
        )
    return matrix.astype(np.float32)


def frames(samples: int, frame: int, hop: int) -> NDArray[np.int64]:
    """Return places of the samples of each whole frame: (frames, frame)."""
    count = (samples - frame) // hop + 1
    return np.arange(count)[:, None] * hop + np.arange(frame)


def dct_matrix(mels: int, coefficients: int) -> NDArray[np.float32]:
    """Return the orthonormal cosine transform of type II: (mels, coefficients) (Ahmed, Natarajan and Rao, 1974)."""
    angle = np.pi / mels * (np.arange(mels)[:, None] + 0.5) * np.arange(coefficients)
    matrix = np.sqrt(2.0 / mels) * np.cos(angle)
    matrix[:, 0] = np.sqrt(1.0 / mels)
    return np.asarray(matrix, np.float32)


@dataclass(eq=False, repr=False)
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

    floor_: float = field(init=False)

    mels: int = 40
    frame: int = 400
    hop: int = 160
    fft: int = 400
    low: float = 20.0
    high: float = 8000.0
    scale: str = "htk"
    floor: float = 1e-5
    flatten: bool = False
    rate: float = 16000.0
    coefficients: int | None = None
    names: tuple[str, ...] = ()

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
        framed = take(x, frames(int(self.shape_[1]), self.frame, self.hop), 2)
        cosine, sine = matrices(self.frame, "hann", self.fft)
        filters = mel_matrix(frequencies(self.fft, self.rate), self._edges(), self._where())
        return matmul(power(framed, cosine, sine), filters)

    def _edges(self) -> NDArray[np.float64]:
        return mel_edges(self.mels, self.low, self.high, self.scale)

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - unused
        if X.shape[2] < self.frame:
            raise StageSettingsError(
                f"windows of at least a frame ({self.frame} samples)", str(X.shape[2]), self._where()
            )
        total = float(np.sum([self._powers(part).sum() for part in chunks(X)]))
        self.floor_ = self.floor * float(audible(total / (len(X) * X.shape[1] * self.frames * self.mels)))

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


def made_of_sound(estimator: type[E], config: MelConfig, context: Context) -> E:
    """Return a `MelTransformer` whose settings count samples.

    Raises:
        InputError: for a frame longer than the window, or bands outside 0 to half the rate.
    """
    kind = estimator.kind
    require(context, kind, (2,))
    rate = require_rate(context, kind)
    frame, hop = round(config.frame * rate), max(1, round(config.hop * rate))
    where = f"stage {kind}"
    if not 4 <= frame <= context.shape[1]:
        raise StageSettingsError(
            f"a frame of 4 samples to a window ({context.shape[1]} samples)",
            f"{frame} samples",
            where,
            "Change `frame`",
        )
    fft = frame if config.fft is None else config.fft
    if fft < frame:
        raise StageSettingsError(f"an fft of at least a frame ({frame} samples)", str(fft), where)
    high = rate / 2 if config.high is None else config.high
    if not config.low < high <= rate / 2:
        raise StageSettingsError(f"low < high <= {rate / 2:g} Hz", f"low {config.low:g}, high {high:g}", where)
    edges = mel_edges(config.mels, config.low, high, config.scale)
    mel_matrix(frequencies(fft, rate), edges, where)
    return from_config(estimator, config, context, frame=frame, hop=hop, fft=fft, high=high)


def in_seconds(given: Mapping[str, Any], context: Context) -> dict[str, float]:
    """Return the keys of a table that count seconds from the arguments of a stage, which count samples."""
    return {key: given[key] / given["rate"] for key in ("frame", "hop")}

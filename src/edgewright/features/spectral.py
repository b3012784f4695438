"""What a window's frequencies look like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import StageSettingsError
from edgewright.features import _sound
from edgewright.features._channels import ChannelFeatures, Noise, audible, chunks, made_of_channels, used_channels
from edgewright.graph.builder import Value, centre, exp, join, largest, log, matmul, mean, reshape, sqrt, total
from edgewright.graph.stage import Context, Stage, StageConfig, require, require_rate

# Keeps p log p at 0 for an empty bin; smaller than any share a float32 sum over a spectrum can tell from 0.
_NO_SHARE = 1e-9


class Spectrum:
    """Intermediate results that several measures share, computed when first asked for.

    Args:
        power: shape (n, channels, bins).
        frequencies: Hz of each bin.
        guard: power added before a division, for each channel.
    """

    def __init__(self, power: Value, frequencies: NDArray[np.float64], guard: NDArray[np.float32]) -> None:
        self.power = power
        self.frequencies = frequencies
        self.guard = guard

    @cached_property
    def energy(self) -> Value:
        """Power of all bins, (n, channels)."""
        return total(self.power, 2)

    @cached_property
    def shares(self) -> Value:
        """Each bin's share of the power; they sum to 1 less what the guard takes."""
        return self.power / reshape(self.energy + self.guard, (0, -1, 1))

    @cached_property
    def centroid(self) -> Value:
        """Mean frequency in Hz."""
        return self.weigh(self.shares, self.frequencies)

    def weigh(self, weights: Value, values: NDArray[np.float64]) -> Value:
        """Sum over the bins of weights times values."""
        return reshape(matmul(weights, values.astype(np.float32)[:, None]), (0, -1))


def _peak(s: Spectrum) -> Value:
    """Dominant frequency in Hz: the mean of the frequencies weighted by the eighth power of their height.

    The place of the largest bin would jump between float32 and float64 where two bins are nearly as high. The
    eighth power leaves a bin of half the height 1/256 of the weight, and changes as smoothly as the spectrum.
    """
    height = s.power / reshape(largest(s.power, 2) + s.guard, (0, -1, 1))
    second = height * height
    fourth = second * second
    eighth = fourth * fourth
    # A silent channel has no dominant frequency: its weights vanish against 1e-6 and the answer tends to 0.
    return s.weigh(eighth, s.frequencies) / (total(eighth, 2) + 1e-6)


def _spread(s: Spectrum) -> Value:
    """Deviation of the frequencies around the centroid, in Hz."""
    distance = -reshape(s.centroid, (0, -1, 1)) + s.frequencies.astype(np.float32)
    return sqrt(total(s.shares * distance * distance, 2))


def _entropy(s: Spectrum) -> Value:
    """Shannon entropy of the shares over its largest value, the logarithm of the number of bins."""
    return total(s.shares * log(s.shares + _NO_SHARE), 2) * (-1.0 / np.log(len(s.frequencies)))


def _flatness(s: Spectrum) -> Value:
    """Geometric over arithmetic mean of the powers (Johnston, IEEE JSAC 6, 1988)."""
    guard = s.guard[:, None] * np.float32(1.0 / len(s.frequencies))
    return exp(mean(log(s.power + guard), 2)) / (mean(s.power, 2) + guard[:, 0])


MEASURES: dict[str, Callable[[Spectrum], Value]] = {
    "energy": lambda s: s.energy,
    "peak": _peak,
    "peak_power": lambda s: largest(s.power, 2),
    "centroid": lambda s: s.centroid,
    "spread": _spread,
    "entropy": _entropy,
    "flatness": _flatness,
}

# Powers, of which a logarithm can be taken.
POSITIVE = ("bands", "energy", "peak_power")


# Features in Hz, which need a sampling rate.
_IN_HZ = ("peak", "centroid", "spread")


class SpectralConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Features of the power spectrum of each channel of a window.

    Attributes:
        features: computed for each channel: bands (power in each band), energy (of all bins), peak (dominant
            frequency, Hz), peak_power, centroid (mean frequency, Hz), spread (Hz), entropy (0: one tone, 1: noise),
            flatness (0: tones, 1: noise).
        bands: number of equal bands up to half the rate, which need not be known: then `features` leaves out what is in
            Hz.
        edges: of the bands in Hz, rising; overrides `bands`.
        window: taper before the transform.
        detrend: take off the window's mean first.
        log: band powers, energy and peak power as logarithms.
        channels: used; all when left out.
        floor: share of a channel's mean training power (divided by the number of bands, for bands) that is added
            before a logarithm or a division.
        noise: standard deviation of the sensor's noise, one number or one a channel used, in the channel's unit; its
            power takes the place of that share.
    """

    features: tuple[str, ...] = ("bands", "energy", "peak", "centroid", "entropy")
    bands: Annotated[int, msgspec.Meta(ge=1)] = 8
    edges: tuple[float, ...] = ()
    window: Literal["hann", "none"] = "hann"
    detrend: bool = True
    log: bool = True
    channels: tuple[str, ...] = ()
    floor: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 1e-4
    noise: Noise = None


@dataclass(eq=False, repr=False)
class Spectral(ChannelFeatures):
    """(n, channels, samples) -> (n, features): the bands of each channel, then each other feature of all channels.

    Args:
        features: names of the measures.
        edges: of the bands, Hz; shares of the rate where that is not known.
        window: 'hann' or 'none'.
        detrend: take off the mean first.
        log: logarithms of powers.
        rate: samples a second, None where it is not known.
        length: length of the transform, the window followed by zeros; the window itself when None.

    Attributes:
        guard_: power added before a division, for each channel used.
        floors_: power added before the logarithm, by feature: (channels,), and (channels, 1) for bands.
    """

    kind = "spectral"

    guard_: NDArray[np.float32] = field(init=False)
    floors_: dict[str, NDArray[np.float32]] = field(init=False)

    features: tuple[str, ...] = ("bands",)
    edges: tuple[float, ...] = (0.0, 25.0)
    window: str = "hann"
    detrend: bool = True
    log: bool = True
    floor: float = 1e-4
    rate: float | None = 50.0
    length: int | None = None

    def formula(self, x: Value) -> Value:
        """Power spectrum, then each feature of it."""
        spectrum = self._spectrum(x)
        parts = []
        for feature in self.features:
            if feature == "bands":
                value = matmul(spectrum.power, band_matrix(spectrum.frequencies, self.edges))
            else:
                value = MEASURES[feature](spectrum)
            if self.log and feature in POSITIVE:
                value = log(value + np.asarray(self.floors_[feature], np.float32))
            parts.append(reshape(value, (0, -1)) if feature == "bands" else value)
        return join(parts, 1)

    def _spectrum(self, x: Value) -> Spectrum:
        x, samples = self._chosen(x), int(self.shape_[1])
        cosine, sine = _sound.matrices(samples, self.window, self.length)
        power = _sound.power(centre(x, 2) if self.detrend else x, cosine, sine)
        frequencies = _sound.frequencies(self.length or samples, self.rate or 1.0)
        return Spectrum(power, frequencies, np.asarray(self.guard_, np.float32))

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - unused
        frequencies = _sound.frequencies(self.length or X.shape[2], self.rate or 1.0)
        if "bands" in self.features:
            empty = np.flatnonzero(band_matrix(frequencies, self.edges).sum(axis=0) == 0)
            if len(empty):
                low, high = self.edges[empty[0]], self.edges[empty[0] + 1]
                unit = self._unit()
                raise StageSettingsError(
                    f"bands wider than the resolution of {frequencies[1]:.3g} {unit}",
                    f"{low:g} to {high:g} {unit}, which holds no bin",
                    self._where(),
                    "Use fewer bands or longer windows",
                )
        self.guard_ = self._noise_power(X)
        # One floor for all bands of a channel: a band in which nothing ever happens (above the cutoff of a filter)
        # would otherwise show the rounding of float32 as a feature.
        band = self.guard_[:, None] / np.float32(len(self.edges) - 1)
        self.floors_ = {f: band if f == "bands" else self.guard_ for f in self.features if self.log and f in POSITIVE}

    def _unit(self) -> str:
        return "Hz" if self.rate else "of the rate"

    def _noise_power(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Power of the noise where it is given, else `floor` of the mean training power, for each channel used."""
        if self.noise is not None:
            return (np.asarray(self.noise, np.float64) ** 2).astype(np.float32)
        self.guard_ = np.zeros(self._count(), np.float32)
        energy = np.zeros(self._count())
        for part in chunks(X):
            energy += self._spectrum(part).energy.sum(axis=0)
        return np.asarray(self.floor * audible(energy / len(X)), np.float32)

    def _names(self, names: tuple[str, ...]) -> list[str]:
        used = self._chosen_names(names)
        out = []
        for feature in self.features:
            words = ("log " if self.log and feature in POSITIVE else "") + feature.replace("_", " ")
            if feature == "bands":
                spans = list(zip(self.edges[:-1], self.edges[1:], strict=True))
                out += [f"{name} {low:.4g}-{high:.4g} {self._unit()}" for name in used for low, high in spans]
            else:
                # 'energy' of a spectrum without its mean is another number than 'energy' of the samples
                out += [f"{name} {'spectral ' if feature != 'peak' else ''}{words}" for name in used]
        return out


def band_matrix(frequencies: NDArray[np.float64], edges: tuple[float, ...]) -> NDArray[np.float32]:
    """0/1 matrix (bins, bands): a bin belongs to the band with low <= f < high; the last band includes its end."""
    low, high = np.asarray(edges[:-1]), np.asarray(edges[1:])
    inside = (frequencies[:, None] >= low) & (frequencies[:, None] < high)
    inside[:, -1] |= frequencies == high[-1]
    return inside.astype(np.float32)


def _build(config: SpectralConfig, context: Context) -> Spectral:
    require(context, "spectral", (2,))
    hertz = config.edges or set(config.features) & set(_IN_HZ)
    rate = require_rate(context, "spectral") if hertz else context.rate or 1.0
    known = ("bands", *MEASURES)
    for feature in config.features or ("",):
        if feature not in known:
            raise StageSettingsError(f"one of {', '.join(known)}", repr(feature), "stage spectral, key features")
    edges = config.edges or tuple(float(e) for e in np.linspace(0.0, rate / 2, config.bands + 1))
    if len(edges) < 2 or list(edges) != sorted(set(edges)) or edges[0] < 0 or edges[-1] > rate / 2:
        raise StageSettingsError(
            f"two or more edges rising from 0 to at most {rate / 2:g} Hz", f"{list(edges)}", "stage spectral, key edges"
        )
    if context.shape[1] < 4:
        raise StageSettingsError("windows of at least 4 samples", str(context.shape[1]), "stage spectral")
    length = _sound.fast_length(context.shape[1])
    return made_of_channels(
        Spectral, config, context, edges=edges, rate=float(context.rate) if context.rate else None,
        length=None if length == context.shape[1] else length,
    )  # fmt: skip


def _why(estimator: Spectral) -> str:
    channels, samples = estimator.shape_
    out, other = len(estimator.get_feature_names_out()), _sound.cheaper_length(samples)
    hint = f" Windows of {other} samples instead of {samples} halve the steps of the spectrum." if other else ""
    rate = f" at {estimator.rate:g} Hz" if estimator.rate else ""
    return (
        f"Steps, tremor and machines have typical frequencies: {channels} x {samples} values{rate} become {out} "
        f"numbers with a resolution of {(estimator.rate or 1.0) / samples:.3g} {estimator._unit()}.{hint}"
    )


def _read_back(given: Mapping[str, Any], context: Context) -> dict[str, Any]:
    # Without a rate bands are equal, and no edge can be said in Hz.
    equal = {} if given["rate"] else {"edges": (), "bands": len(given["edges"]) - 1}
    return {**used_channels(given, context), **equal}


STAGE = Stage(
    config=SpectralConfig,
    build=_build,
    state=("shape_", "guard_", "floors_"),
    why=_why,
    formula=(
        "P[k] = s_k (sum_t w_t c_t cos(2 pi k t/L))^2 + s_k (sum_t w_t c_t sin(2 pi k t/L))^2, L >= S; "
        "band = sum of P; centroid = sum f P / sum P; peak = sum f r^8 / sum r^8 with r = P / max P; "
        "entropy = -sum p log p / log K"
    ),
    read_back=_read_back,
)

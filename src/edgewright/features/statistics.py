"""What a window's values look like, whatever their order in frequency."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import StageSettingsError
from edgewright.features._channels import ChannelFeatures, Noise, chunks, made_of_channels, used_channels
from edgewright.graph.builder import (
    Value,
    absolute,
    clip,
    cut,
    difference,
    join,
    largest,
    level,
    log,
    matmul,
    mean,
    relu,
    reshape,
    smallest,
    sqrt,
    take,
    total,
)
from edgewright.graph.stage import Context, Stage, StageConfig, named, positions, require

# Half-width, in deviations, of the band around the mean inside which a crossing counts in part. Wide enough that the
# rounding of a stage before (1e-7 of the level) stays below 1e-5 of a crossing in windows that move.
CROSSING_BAND = 0.5


class Moments:
    """Intermediate results that several measures share, computed when first asked for.

    Args:
        x: shape (n, channels, samples).
        guard: variance added before a division, for each channel.
        samples: of the window.
    """

    def __init__(self, x: Value, guard: NDArray[np.float32], samples: int) -> None:
        self.x = x
        self.guard = guard
        self.samples = samples

    @cached_property
    def once(self) -> tuple[Value, Value]:
        """The mean as one sum gives it, (n, channels, 1), and the samples minus it."""
        first = mean(self.x, 2, keep=True)
        return first, self.x - first

    @cached_property
    def remainder(self) -> Value:
        """Mean of what the first mean left over, (n, channels, 1).

        Sums in float32 keep seven digits. On a large level (an air pressure of 101,325 Pa) the level takes most of
        them; the second pass brings back what they lost (Chan, Golub and LeVeque, 1983: the corrected two-pass
        algorithm).
        """
        return mean(self.once[1], 2, keep=True)

    @cached_property
    def mean(self) -> Value:
        """Mean of the samples, (n, channels)."""
        return reshape(self.once[0] + self.remainder, (0, -1))

    @cached_property
    def centred(self) -> Value:
        """The samples minus the window's mean."""
        return self.once[1] - self.remainder

    @cached_property
    def squares(self) -> Value:
        """Squares of the centred samples."""
        return self.centred * self.centred

    @cached_property
    def variance(self) -> Value:
        """Mean of the squares, (n, channels)."""
        return mean(self.squares, 2)

    @cached_property
    def guarded(self) -> Value:
        """Variance that is never 0 once the guard is learned."""
        return self.variance + self.guard

    @cached_property
    def deviation(self) -> Value:
        """Square root of the guarded variance."""
        return sqrt(self.guarded)

    @cached_property
    def energy(self) -> Value:
        """Mean of the squared samples: the squared mean and the variance, so that a large level cancels nothing."""
        return self.mean * self.mean + self.variance

    @cached_property
    def steps(self) -> Value:
        """Changes from sample to sample."""
        return difference(self.x, 2)


def _zero_crossings(m: Moments) -> Value:
    """Return crossings of the mean: half the total variation of the signal, limited to a band around it.

    A full crossing counts 1; one that turns round inside the band (noise about the mean) counts in part. Counting
    changes of sign would jump by a whole crossing between float32 and float64 where a sample lies at the mean; this
    is continuous, so every form of the pipeline gives the same.
    """
    width = reshape(m.deviation * CROSSING_BAND, (0, -1, 1))
    return total(absolute(difference(clip(m.centred / width, -1.0, 1.0), 2)), 2) * 0.5


def _slope(m: Moments) -> Value:
    """Change over the window of the least-squares line."""
    time = np.arange(m.samples) - (m.samples - 1) / 2
    weights = time / (time @ time) * (m.samples - 1)
    return reshape(matmul(m.centred, weights.astype(np.float32)[:, None]), (0, -1))


def _mobility(m: Moments) -> Value:
    """Root mean square of the changes over deviation of the signal: a mean frequency in radians a sample.

    The square root of the second spectral moment over the zeroth (Hjorth, 1970). Others take the deviation of the
    changes, which leaves out the trend of a window.
    """
    return sqrt(mean(m.steps * m.steps, 2)) / m.deviation


MEASURES: dict[str, Callable[[Moments], Value]] = {
    "mean": lambda m: m.mean,
    "std": lambda m: sqrt(m.variance),
    "min": lambda m: smallest(m.x, 2),
    "max": lambda m: largest(m.x, 2),
    "range": lambda m: largest(m.x, 2) - smallest(m.x, 2),
    "rise": lambda m: largest(m.centred, 2),
    "fall": lambda m: -smallest(m.centred, 2),
    "rms": lambda m: sqrt(m.energy),
    "mean_abs": lambda m: reshape(level(absolute(m.x), 2), (0, -1)),
    "mean_abs_deviation": lambda m: mean(absolute(m.centred), 2),
    "mean_abs_diff": lambda m: mean(absolute(m.steps), 2),
    "energy": lambda m: m.energy,
    "variance": lambda m: m.variance,
    "zero_crossings": _zero_crossings,
    "skewness": lambda m: mean(m.squares * m.centred, 2) / (m.guarded * m.deviation),
    # Pearson's: 3 for a normal distribution.
    "kurtosis": lambda m: mean(m.squares * m.squares, 2) / (m.guarded * m.guarded),
    "slope": _slope,
    "mobility": _mobility,
}

# Those that are never negative and grow with the signal.
POSITIVE = (
    *("std", "range", "rise", "fall", "rms", "mean_abs", "mean_abs_deviation", "mean_abs_diff"),
    *("energy", "variance"),
)
# Those that grow with the signal to both sides.
SIGNED = ("mean", "min", "max", "slope")
# Those that grow with its square.
POWERS = ("energy", "variance")


def signed_log(x: Value, size: NDArray[np.float32]) -> Value:
    """sign(x) log(1 + |x| / size), without an operator for the sign."""
    scaled = x * (1.0 / size).astype(np.float32)
    return log(relu(scaled) + 1.0) - log(relu(-scaled) + 1.0)


def autocorrelation(m: Moments, lag: int) -> Value:
    """Return mean product of the signal with itself `lag` samples later, over the variance.

    The mean is taken over the products that there are, samples - lag (the unbiased estimate of the autocovariance).
    """
    early, late = cut(m.centred, 0, -lag, 2), cut(m.centred, lag, np.iinfo(np.int32).max, 2)
    return mean(early * late, 2) / m.guarded


Pairs = tuple[tuple[str, str], ...]


class StatisticsConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Statistics of each channel of a window, and correlations of pairs of channels.

    Attributes:
        features: computed for each channel: mean, std, min, max, range, rise (largest above the mean), fall (smallest
            below it), rms, mean_abs, mean_abs_deviation, mean_abs_diff, energy (mean square), variance,
            zero_crossings (about the mean), skewness, kurtosis, slope (change over the window), mobility (how fast,
            as Hjorth defines it).
        log: the positive ones (std, range, rise, fall, rms, mean_abs, mean_abs_deviation, mean_abs_diff, energy,
            variance) as logarithms: a network then sees ratios.
        signed_log: those of either sign (mean, min, max, slope) as sign(x) log(1 + |x| / size), size being the
            noise, or the mean size of the feature in training.
        correlations: 'none', 'all' pairs of the channels, or a list of pairs of names.
        autocorrelation: lags in samples at which each channel is compared with itself.
        channels: used; all when left out.
        floor: share of a feature's training mean that is added before its logarithm, and of a channel's mean
            variance that is added before a division: in a still window shape and crossings fade instead of showing
            the rounding of the numbers.
        noise: standard deviation of the sensor's noise, one number or one a channel used, in the channel's unit;
            takes the place of `floor` in logarithms and divisions.
    """

    features: tuple[str, ...] = ("mean", "std", "min", "max", "rms", "mean_abs_diff", "zero_crossings")
    log: bool = False
    signed_log: bool = False
    correlations: Literal["none", "all"] | Pairs = "none"
    autocorrelation: tuple[Annotated[int, msgspec.Meta(ge=1)], ...] = ()
    channels: tuple[str, ...] = ()
    floor: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 1e-3
    noise: Noise = None


@dataclass(eq=False, repr=False)
class Statistics(ChannelFeatures):
    """(n, channels, samples) -> (n, features), feature after feature, channels inside.

    Args:
        features: names of the measures.
        log: logarithms of the positive ones.
        signed_log: signed logarithms of those of either sign.
        pairs: places of the channels correlated.
        lags: of the autocorrelation.

    Attributes:
        guard_: variance added before a division, for each channel used.
        floors_: added before the logarithm, by feature, for each channel used.
    """

    kind = "statistics"

    guard_: NDArray[np.float32] = field(init=False)
    floors_: dict[str, NDArray[np.float32]] = field(init=False)

    features: tuple[str, ...] = ("mean", "std")
    log: bool = False
    pairs: tuple[tuple[int, int], ...] = ()
    lags: tuple[int, ...] = ()
    signed_log: bool = False

    def formula(self, x: Value) -> Value:
        """Each measure of all channels, then autocorrelations, then correlations."""
        moments = self._moments(x)
        parts = []
        for feature in self.features:
            value = MEASURES[feature](moments)
            if self.log and feature in POSITIVE:
                value = log(value + np.asarray(self.floors_[feature], np.float32))
            elif self.signed_log and feature in SIGNED:
                value = signed_log(value, np.asarray(self.floors_[feature], np.float32))
            parts.append(value)
        parts += [autocorrelation(moments, lag) for lag in self.lags]
        if self.pairs:
            left, right = (np.asarray(side, np.int64) for side in zip(*self.pairs, strict=True))
            together = mean(take(moments.centred, left, 1) * take(moments.centred, right, 1), 2)
            length = moments.deviation
            parts.append(together / (take(length, left, 1) * take(length, right, 1)))
        return join(parts, 1)

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - unused
        needed = max((2, *(lag + 1 for lag in self.lags)))
        if X.shape[2] < needed:
            raise StageSettingsError(f"windows of at least {needed} samples", str(X.shape[2]), self._where())
        bent = [f for f in self.features if (self.log and f in POSITIVE) or (self.signed_log and f in SIGNED)]
        if self.noise is not None:
            noise = np.asarray(self.noise, np.float64)
            self.guard_ = (noise**2).astype(np.float32)
            self.floors_ = {f: self.guard_ if f in POWERS else noise.astype(np.float32) for f in bent}
            return
        # A guard of 0 gives the plain measures, whose training means set the guard and the floors.
        self.guard_ = np.zeros(self._count(), np.float32)
        sums = {feature: np.zeros(self._count()) for feature in {*bent, "variance"}}
        for part in chunks(X):
            moments = self._moments(part)
            for feature in sums:
                sums[feature] += np.abs(MEASURES[feature](moments)).sum(axis=0)
        # 1 where a channel never moves: its share would be 0 and guard nothing.
        tiny = np.finfo(np.float32).tiny
        means = {f: np.where(value / len(X) > tiny, value / len(X), 1.0) for f, value in sums.items()}
        self.guard_ = (self.floor * means["variance"]).astype(np.float32)
        # A value of either sign that is near 0 is a difference of larger ones: below a thousandth it is rounding.
        shares = {feature: 1.0 if feature in SIGNED else self.floor for feature in bent}
        self.floors_ = {feature: (shares[feature] * means[feature]).astype(np.float32) for feature in bent}

    def _moments(self, x: Value) -> Moments:
        return Moments(self._chosen(x), np.asarray(self.guard_, np.float32), int(self.shape_[1]))

    def _names(self, names: tuple[str, ...]) -> list[str]:
        used = self._chosen_names(names)
        out = []
        for feature in self.features:
            bent = (self.log and feature in POSITIVE) or (self.signed_log and feature in SIGNED)
            words = ("log " if bent else "") + feature.replace("_", " ")
            out += [f"{name} {words}" for name in used]
        out += [f"{name} autocorrelation {lag}" for lag in self.lags for name in used]
        return out + [f"{used[a]}~{used[b]} correlation" for a, b in self.pairs]


def _build(config: StatisticsConfig, context: Context) -> Statistics:
    require(context, "statistics", (2,))
    for feature in config.features:
        if feature not in MEASURES:
            raise StageSettingsError(f"one of {', '.join(MEASURES)}", repr(feature), "stage statistics, key features")
    used = positions(config.channels, context.names, "statistics")
    labels = [context.names[i] for i in used]
    if config.correlations == "all":
        pairs = [(a, b) for a in range(len(used)) for b in range(a + 1, len(used))]
    elif config.correlations == "none":
        pairs = []
    else:
        pairs = [(_at(labels, a), _at(labels, b)) for a, b in config.correlations]
    if not (config.features or pairs or config.autocorrelation):
        raise StageSettingsError("at least one feature", "none", "stage statistics, key features")
    return made_of_channels(Statistics, config, context, pairs=tuple(pairs), lags=config.autocorrelation)


def _at(labels: list[str], name: str) -> int:
    return positions((name,), labels, "statistics, key correlations")[0]


def _why(estimator: Statistics) -> str:
    channels, samples = estimator.shape_
    out = len(estimator.get_feature_names_out())
    return (
        f"The shape of a window matters, not the position of a value in it: {channels} x {samples} values become "
        f"{out} numbers ({', '.join(f.replace('_', ' ') for f in estimator.features[:4])}"
        f"{' ...' if len(estimator.features) > 4 else ''})."
    )


def _read_back(given: Mapping[str, Any], context: Context) -> dict[str, Any]:
    used = named(given["channels"], context) or context.names
    pairs = [tuple(used[index] for index in pair if index < len(used)) for pair in given["pairs"]]
    return {**used_channels(given, context), "correlations": pairs or "none", "autocorrelation": given["lags"]}


STAGE = Stage(
    config=StatisticsConfig,
    build=_build,
    state=("shape_", "guard_", "floors_"),
    why=_why,
    formula=(
        "mean = sum(x)/S; c = x - mean; std = sqrt(sum(c^2)/S); skewness = mean(c^3)/s^3; kurtosis = mean(c^4)/s^4; "
        "correlation = mean(c_a c_b)/(s_a s_b), with s^2 = std^2 + guard; log y = log(y + floor)"
    ),
    read_back=_read_back,
)

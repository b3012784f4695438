"""What a window's values look like, whatever their order in frequency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.features._channels import ChannelFeatures, Noise, chunks, made_of_channels, used_channels
from edgewright.features._moments import MEASURES, POSITIVE, POWERS, SIGNED, Moments, autocorrelation, signed_log
from edgewright.graph.formula import Value, join, log, mean, take
from edgewright.graph.stage import Context, Stage, StageConfig
from edgewright.graph.transformer import named, positions, require
from edgewright.schema.errors import InputError

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
            raise InputError(f"windows of at least {needed} samples", str(X.shape[2]), self._where())
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
            raise InputError(f"one of {', '.join(MEASURES)}", repr(feature), "stage statistics, key features")
    used = positions(config.channels, context.names, "statistics")
    labels = [context.names[i] for i in used]
    if config.correlations == "all":
        pairs = [(a, b) for a in range(len(used)) for b in range(a + 1, len(used))]
    elif config.correlations == "none":
        pairs = []
    else:
        pairs = [(_at(labels, a), _at(labels, b)) for a, b in config.correlations]
    if not (config.features or pairs or config.autocorrelation):
        raise InputError("at least one feature", "none", "stage statistics, key features")
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
    pairs = [tuple(used[place] for place in pair if place < len(used)) for pair in given["pairs"]]
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

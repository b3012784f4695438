"""How often short random patterns occur in a window, counted in integers; only the counts that say most are kept.

The kernels are those of MiniRocket (Dempster, Schmidt & Webb, KDD 2021, https://arxiv.org/abs/2012.08791): nine
weights, three of them 2 and six -1, at several dilations, on rows with zeros around them. A feature counts at how many
samples the weighted sum exceeds a bias, which is a quantile of the sums in training windows. Each number from the
rounded sample on is an integer of 16 bits: Python, ONNX and C agree in every bit, and a core needs no float unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import StageSettingsError
from edgewright.features._channels import ChosenChannels, made_of_channels, used_channels
from edgewright.graph.builder import Term, Value, clip, cut, difference, fill, join, nearest, take, total
from edgewright.graph.stage import Context, Floats, SampleError, Stage, StageConfig

LENGTH, TAPS, HALF = 9, 3, 4
# Largest size of a rounded value. A row of sums of two differences reaches four times that, and a weighted sum of nine
# of its values twelve times that again: 32,736, which still fits into 16 bits.
LIMIT = 682
# Share of the values of a channel that lie beyond the limit and are clipped.
_BEYOND = 1e-3
# Training windows from which biases are taken, and how many of them give one bias.
_BIAS_POOL, _BIAS_WINDOWS = 256, 8
# Share of the features that one step of the elimination leaves out, and the ridge penalty a sample on standardised
# features: chosen on folds of the training people of HAPT and WISDM (docs/research/models.md).
_STEP, _RIDGE = 0.3, 0.03
# Values of a row computed at a time.
_CHUNK = 1 << 18
# The shift has four bits in C.
_LARGEST_SHIFT = 15
_TRIPLES = np.array(list(combinations(range(LENGTH), TAPS)), np.int64)

Integers = NDArray[np.int64]
Halves = NDArray[np.int16]


class KernelsConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Counts how often random patterns of nine values occur in the channels of a window and in their differences.

    A `linear` model after it suffices. Computed channels, such as a magnitude, may give another count in another form.

    Attributes:
        keep: number of features that are kept.
        pool: number of random features, from which recursive elimination with a ridge regression chooses.
        samples: largest number of training windows that the choice is made on.
        channels: used; all when left out. Only those that arrive from sensors give the same counts in every form.
    """

    keep: Annotated[int, msgspec.Meta(ge=1)] = 250
    pool: Annotated[int, msgspec.Meta(ge=1)] = 2000
    samples: Annotated[int, msgspec.Meta(ge=8)] = 3000
    channels: tuple[str, ...] = ()


def channel_range(X: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the level of each channel, and the distance from it that few values exceed."""
    values = np.moveaxis(X, 1, 0).reshape(X.shape[1], -1).astype(np.float64)
    level = np.median(values, axis=1)
    return level, np.quantile(np.abs(values - level[:, None]), 1.0 - _BEYOND, axis=1)


@dataclass(eq=False, repr=False)
class Kernels(ChosenChannels):
    """(n, channels, samples) -> (n, keep): a count less its mean, over a power of two near its deviation.

    Args:
        keep: number of features that are kept.
        pool: number of random features.
        samples: largest number of training windows that the choice is made on.
        task: 'classification' or 'regression'.
        seed: seed of the random number generator.
        channels: places of the channels used, None for all.
        names: of the channels that arrive.

    Attributes:
        offset_, factor_: of each channel, for the rounding to integers.
        kernels_: (features, 7) integers: dilation, two signals (a channel, or from the number of channels on a
            difference of one), the three places of the weights that are 2, and the bias. Sorted.
        centre_: whole number near the mean count of each feature.
        shift_: power of two near the deviation of each count.
    """

    kind = "kernels"
    needs_target = True

    offset_: Floats = field(init=False)
    factor_: Floats = field(init=False)
    kernels_: Integers = field(init=False)
    centre_: Integers = field(init=False)
    shift_: Integers = field(init=False)

    keep: int = 250
    pool: int = 2000
    samples: int = 3000
    task: str = "classification"
    seed: int = 0

    def formula(self, x: Value) -> Value:
        """Count what exceeds the bias of each kernel."""
        x = self._chosen(x)
        scale = np.exp2(-np.asarray(self.shift_, np.float64)).astype(np.float32)
        counts = self._terms(x) if isinstance(x, Term) else self._counts(self._signals(x), self.kernels_)
        return (counts - np.asarray(self.centre_, np.float32)) * scale

    def _rounded(self, x: Value) -> Value:
        """Return whole numbers up to the limit, in float32 in every form; 0 where a value is missing."""
        # Nothing that an engine can join or put in another order: a last digit would be another whole number.
        away = fill(x - self._broadcastable(self.offset_), np.float32(0.0))
        return clip(nearest(away * self._broadcastable(self.factor_)), -LIMIT, LIMIT)

    def _signals(self, x: NDArray[Any]) -> Halves:
        """(n, channels, samples) -> (n, 2 * channels, samples): channels as integers, then their differences."""
        rows = self._rounded(np.asarray(x, np.float32)).astype(np.int16)
        return np.concatenate([rows, np.diff(rows, axis=2, prepend=rows[:, :, :1])], axis=1)

    def _terms(self, x: Term) -> Value:
        """Append a convolution of the rows of all kernels of a dilation; its bias makes what is counted positive."""
        rows = self._rounded(x)
        signals = join([rows, join([cut(rows, 0, 1, 2) * np.float32(0.0), difference(rows, 2)], 2)], 1)
        builder, parts = x.builder, []
        for dilation, kernels in _by_dilation(self.kernels_):
            weights = np.full((len(kernels), 1, LENGTH), -1.0, np.float32)
            np.put_along_axis(weights[:, 0], kernels[:, 3:6], 2.0, axis=1)
            row = take(signals, kernels[:, 1], 1) + take(signals, kernels[:, 2], 1)
            sums = row.op(
                "Conv", builder.constant(weights), builder.constant(-kernels[:, 6].astype(np.float32)),
                group=len(kernels), dilations=(dilation,), pads=(HALF * dilation,) * 2, kernel_shape=(LENGTH,),
            )  # fmt: skip
            above = sums.op("Greater", builder.number(0.0))
            parts.append(total(above.op("Cast", to=1), 2))
        return join(parts, 1)

    def _counts(self, signals: Halves, kernels: Integers) -> Floats:
        """Return counts (n, features) of some kernels."""
        counts = np.empty((len(signals), len(kernels)), np.float32)
        step = max(1, _CHUNK // signals.shape[2])
        for start in range(0, len(signals), step):
            part = signals[start : start + step]
            for index, sums in _sums(part, kernels):
                counts[start : start + step, index] = np.count_nonzero(sums > kernels[index, 6], axis=1)
        return counts

    def _learn(self, X: Floats, y: Any) -> None:  # noqa: ANN401 - labels or numbers
        if self.keep > self.pool:
            raise StageSettingsError(f"keep of at most {self.pool}, the pool", str(self.keep), self._where())
        if y is None:
            raise SampleError(
                "a target to choose kernels by", "requires y to be passed, but the target y is None", self._where()
            )
        rng = np.random.default_rng(self.seed)
        labels = np.asarray(y)
        if len(X) > self.samples:
            chosen = np.sort(rng.choice(len(X), self.samples, replace=False))
            X, labels = X[chosen], labels[chosen]
        X = self._chosen(X)
        self._learn_range(X)
        signals = self._signals(X)
        pool = self._thresholds(signals, rng)
        counts = self._counts(signals, pool)
        kept = eliminate(counts, _targets(labels, self.task), self.keep)
        self.kernels_, counts = pool[kept], counts[:, kept].astype(np.float64)
        step = centre_step(signals.shape[2])
        self.centre_ = step * np.round(counts.mean(axis=0) / step).astype(np.int64)
        deviation = np.maximum(counts.std(axis=0), 1.0)
        self.shift_ = np.minimum(np.round(np.log2(deviation)), _LARGEST_SHIFT).astype(np.int64)

    def _learn_range(self, X: Floats) -> None:
        """Set the level of each channel to 0, and to the limit what few values exceed."""
        level, away = channel_range(X)
        if not away.all():
            away = np.where(away > 0, away, np.abs(X - level[:, None]).max(axis=(0, 2)))
        self.offset_ = level.astype(np.float32)
        constant = away <= np.abs(level) * 1e-6
        self.factor_ = np.where(constant, 0.0, LIMIT / np.where(constant, 1.0, away)).astype(np.float32)

    def _thresholds(self, signals: Halves, rng: np.random.Generator) -> Integers:
        """Draw the pool: rows, dilations and places of kernels, and biases that some windows give; sorted."""
        channels, samples = signals.shape[1] // 2, signals.shape[2]
        pairs = [(a, b) for a in range(channels) for b in range(a, channels)]
        rows = np.array([*pairs, *((a + channels, b + channels) for a, b in pairs)], np.int64)
        single = rows[:, 0] == rows[:, 1]
        dilations = [2**n for n in range(32) if n == 0 or (LENGTH - 1) * 2**n < samples]
        # As many rows of one channel as of two.
        chance = np.where(single, 1.0 / single.sum(), 1.0 / max(1, int((~single).sum())))
        pool = np.empty((self.pool, 7), np.int64)
        pool[:, 0] = rng.choice(dilations, self.pool)
        pool[:, 1:3] = rows[rng.choice(len(rows), self.pool, p=chance / chance.sum())]
        pool[:, 3:6] = _TRIPLES[rng.integers(len(_TRIPLES), size=self.pool)]
        pool = pool[np.lexsort(pool[:, 5::-1].T)]
        shares = rng.uniform(size=self.pool)
        windows = np.sort(rng.choice(len(signals), min(len(signals), _BIAS_POOL), replace=False))
        for index, sums in _sums(signals[windows], pool):
            chosen = sums[rng.integers(len(windows), size=_BIAS_WINDOWS)]
            pool[index, 6] = np.floor(np.quantile(chosen, shares[index]))
        return pool

    def _names(self, names: tuple[str, ...]) -> list[str]:
        used = self._chosen_names(names)
        signals = [*used, *(f"{name} difference" for name in used)]
        out = []
        for dilation, first, second, *places, bias in self.kernels_.tolist():
            row = signals[first] if first == second else f"{signals[first]} + {signals[second]}"
            out.append(f"{row} kernel {''.join(map(str, places))} by {dilation} above {bias}")
        return out


def centre_step(samples: int) -> int:
    """Return the power of two of which 255 reach the longest count: centres are multiples of it, in a byte in C."""
    return 1 << max(0, (samples - 1) // 255).bit_length()


def _by_dilation(kernels: Integers) -> Iterator[tuple[int, Integers]]:
    """Yield the kernels of each dilation."""
    for dilation in np.unique(kernels[:, 0]):
        yield int(dilation), kernels[kernels[:, 0] == dilation]


def _sums(signals: Halves, kernels: Integers) -> Iterator[tuple[int, Halves]]:
    """Yield (place, weighted sums (n, samples)) of each kernel; kernels are sorted, so that few rows are made."""
    samples = signals.shape[2]
    known: list[int] = []
    row = nine = signals[:, 0]
    for index, kernel in enumerate(kernels.tolist()):
        dilation, first, second = kernel[:3]
        if kernel[:3] != known:
            known, wide = kernel[:3], HALF * dilation
            row = np.zeros((len(signals), samples + 2 * wide), np.int16)
            np.add(signals[:, first], signals[:, second], out=row[:, wide : wide + samples])
            nine = row[:, :samples].copy()
            for tap in range(1, LENGTH):
                nine += row[:, tap * dilation : tap * dilation + samples]
        a, b, c = (row[:, tap * dilation : tap * dilation + samples] for tap in kernel[3:6])
        yield index, (a + b + c) * np.int16(3) - nine


def _targets(y: NDArray[Any], task: str) -> NDArray[np.float64]:
    """(n, outputs): -1 or 1 a class, or the numbers, less their means."""
    if task == "regression":
        wide = np.asarray(y, np.float64).reshape(len(y), -1)
        wide = wide / np.maximum(wide.std(axis=0), np.finfo(np.float64).tiny)
    else:
        classes, codes = np.unique(y, return_inverse=True)
        wide = 2.0 * np.eye(len(classes))[codes] - 1.0
    centred: NDArray[np.float64] = wide - wide.mean(axis=0)
    return centred


def eliminate(counts: Floats, targets: NDArray[np.float64], keep: int) -> Integers:
    """Return the indices of the features that a ridge regression needs most, in rising order.

    A feature is worth what the squared error grows by when it is left out and the other weights adapt:
    |w_j|^2 / (A^-1)_jj with A = X'X + ridge (Hassibi & Stork, "Optimal Brain Surgeon", 1993).

    Args:
        counts: (n, features).
        targets: (n, outputs), of mean 0.
        keep: number of features to return; fewer where fewer of them vary.
    """
    X = counts.astype(np.float64)
    spread = X.std(axis=0)
    kept = np.flatnonzero(spread > 0)
    X = (X[:, kept] - X[:, kept].mean(axis=0)) / spread[kept]
    gram, cross = X.T @ X, X.T @ targets
    if not len(kept):
        return np.arange(min(keep, counts.shape[1]))
    alive = np.arange(len(kept))
    while len(alive) > keep:
        matrix = gram[np.ix_(alive, alive)]
        matrix[np.diag_indices_from(matrix)] += _RIDGE * len(X)
        inverse = np.linalg.inv(matrix)
        weights = inverse @ cross[alive]
        worth = (weights**2).sum(axis=1) / np.diag(inverse)
        count = max(keep, int(len(alive) * (1.0 - _STEP)))
        alive = np.sort(alive[np.argsort(-worth, kind="stable")[:count]])
    return kept[alive]


def _why(estimator: Kernels) -> str:
    return (
        f"Patterns of nine values tell windows apart without features made by hand: "
        f"{len(estimator.offset_)} x {estimator.shape_[1]} values "
        f"become {len(estimator.kernels_)} counts of {estimator.pool:,} drawn, in integers."
    )


def _build(config: KernelsConfig, context: Context) -> Kernels:
    return made_of_channels(Kernels, config, context, task=context.task, seed=context.seed)


STAGE = Stage(
    config=KernelsConfig,
    build=_build,
    state=("shape_", "offset_", "factor_", "kernels_", "centre_", "shift_"),
    why=_why,
    formula=(
        "q = round((x - offset) * factor) within -682..682; r = sum of two channels or of their differences; "
        "y = (number of t with sum_k w[k] r[t + (k - 4) * dilation] > bias, w of -1 and 2, - centre) * 2^-shift"
    ),
    read_back=used_channels,
    taught=True,
)

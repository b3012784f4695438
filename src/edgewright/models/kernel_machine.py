"""A kernel machine: weighted sums of exp(-gamma d²) of the distances to some training samples, which are its centres.

The features are those of Nystroem's method (Williams and Seeger, 2001), with ridge or logistic regression behind them;
what makes them independent is folded into the weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.builder import Builder
from edgewright.models._plain import Floats, PlainModel
from edgewright.models.base import Model, softmax
from edgewright.models.linear import linear_head

# Fewest of a class, as a share of what it would have if all had as many.
_RARE = 0.1


def draw_rows(target: NDArray[Any], classes: int, count: int, seed: int) -> NDArray[np.int64]:
    """Draw so many samples, in their order: of every class its share, but not fewer than a tenth of an equal share.

    Args:
        target: (n,) class numbers, or amounts where `classes` is 0.
        classes: number of classes.
        count: how many; all are taken where there are not more.
        seed: seed of the generator.
    """
    if len(target) <= count:
        return np.arange(len(target))
    rng = np.random.default_rng(seed)
    if not classes:
        return np.sort(rng.choice(len(target), count, replace=False))
    counts = np.bincount(target, minlength=classes)
    wanted = np.maximum(counts / counts.sum(), _RARE / classes)
    sizes = np.minimum(np.floor(wanted / wanted.sum() * count), counts).astype(np.int64)
    chosen = [rng.choice(np.flatnonzero(target == c), int(sizes[c]), replace=False) for c in range(classes)]
    return np.sort(np.concatenate(chosen))


def draw_shares(target: NDArray[Any], count: int, seed: int) -> NDArray[np.int64]:
    """Draw about so many samples, in their order: of every class or size its share, and one of each rarer class.

    Args:
        target: (n,) class numbers or amounts.
        count: fewer than there are.
        seed: seed of the generator.
    """
    order = np.random.default_rng(seed).permutation(len(target))
    order = order[np.argsort(target[order], kind="stable")]
    chosen = order[np.arange(count) * len(order) // count]
    if np.issubdtype(target.dtype, np.integer):
        first = np.unique(target[order], return_index=True)[1]
        chosen = np.concatenate([chosen, order[first]])
    return np.unique(chosen)


def nearness(X: NDArray[Any], centres: NDArray[Any]) -> NDArray[Any]:
    """Return 2 x·c - |c|²: minus the squared distance, but for |x|², which is the same for all centres."""
    products = np.asarray(X @ (2.0 * centres.T))
    products -= (centres**2).sum(axis=1)
    return products


Wide = NDArray[np.float64]
# More centres than these take minutes to fit and gain little; the samples that choose gamma.
_MAX_CENTRES, _CHOOSING = 300, 2000
# Gammas that are compared, as shares of one over the median squared distance to a centre; penalties behind each.
_GAMMAS, _PENALTIES = (0.25, 0.5, 1.0, 2.0, 4.0), np.logspace(-4.0, 3.0, 15)
# Directions among the centres of a smaller share of the largest variance are left out: they are rounding.
_RANK = 1e-4
_PIECE = 512
# Bytes of the features of training samples: of more samples, so many are drawn.
_MOST_BYTES = 2**28


class KernelMachine(PlainModel):
    """Arguments and attributes as of `PlainModel`, and those below. Columns ought to be scaled.

    Of more training samples than memory holds the features of, some are drawn by chance: 111,848 with 300 centres.
    Gamma is the one of least error when each sample is answered by a ridge regression on the others.

    Args:
        task: 'classification' or 'regression'.
        seed: of whatever is drawn.
        size_bytes: of centres and weights, at most.

    Attributes:
        centres_: (centres, features), float32.
        weights_: (centres, outputs), float32.
        bias_: (outputs,), float32.
        gamma_: factor of the squared distance.
    """

    kind = "kernel_machine"
    draws = True
    learned = ("centres_", "weights_", "bias_", "gamma_")

    centres_: Floats
    weights_: Floats
    bias_: Floats
    gamma_: float

    def __init__(self, task: str = "classification", seed: int = 0, size_bytes: int = 64_000) -> None:
        super().__init__(task, seed)
        self.size_bytes = size_bytes

    def _fit(self, X: Floats, target: NDArray[Any], classes: int) -> None:
        fitting = self.size_bytes // (4 * (X.shape[1] + max(classes, 1) + 1))
        self.centres_ = X[draw_rows(target, classes, max(2, min(_MAX_CENTRES, fitting)), self.seed)]
        rows = draw_rows(target, classes, _CHOOSING, self.seed)
        goal = np.eye(classes)[target] if classes else np.asarray(target, np.float64)[:, None]
        goal = (goal - goal.mean(axis=0))[rows]
        middle = float(np.median(-self._exponents(X[rows], 1.0))) or 1.0
        errors = []
        for share in _GAMMAS:
            features = self._features(X[rows], self._independent(share / middle), share / middle)
            errors.append(float(leave_one_out_errors(features, goal, _PENALTIES).min()))
        self.gamma_ = float(np.float32(_GAMMAS[int(np.argmin(errors))] / middle))
        change = self._independent(self.gamma_)
        limit = _MOST_BYTES // (8 * len(self.centres_))
        if len(X) > limit:
            rows = draw_shares(target, limit, self.seed)
            X, target, self.fit_rows_ = X[rows], target[rows], len(rows)
        X = np.asarray(X)
        features = self._features(X, change, self.gamma_)
        level = features.mean(axis=0)
        features -= level
        head = linear_head(features, target, classes)
        weights = head.weights.astype(np.float64)
        self.weights_ = (change @ weights).astype(np.float32)
        self.bias_ = (head.bias - level @ weights).astype(np.float32)

    def _exponents(self, X: Floats, gamma: float) -> Wide:
        """Return -gamma d², shape (n, centres)."""
        wide, centres = X.astype(np.float64), self.centres_.astype(np.float64)
        squares = nearness(wide, centres)
        squares -= (wide**2).sum(axis=1, keepdims=True)
        np.minimum(squares, 0.0, out=squares)
        squares *= gamma
        return np.asarray(squares, np.float64)

    def _independent(self, gamma: float) -> Wide:
        """Return the matrix that makes kernels of the centres independent features, (centres, features)."""
        sizes, directions = np.linalg.eigh(np.exp(self._exponents(self.centres_, gamma)))
        kept = sizes > _RANK * sizes[-1]
        return np.asarray(directions[:, kept] / np.sqrt(sizes[kept]))

    def _features(self, X: Floats, change: Wide, gamma: float) -> Wide:
        features = np.empty((len(X), change.shape[1]))
        for n in range(0, len(X), _PIECE):
            exponents = self._exponents(X[n : n + _PIECE], gamma)
            features[n : n + _PIECE] = np.exp(exponents, out=exponents) @ change
        return features

    def _answers(self, X: Floats) -> Floats:
        pieces = [np.exp(self._exponents(X[n : n + _PIECE], self.gamma_)) for n in range(0, len(X), _PIECE)]
        # In float64 an answer does not depend on the rows that come with it.
        raw = np.concatenate([piece @ self.weights_.astype(np.float64) + self.bias_ for piece in pieces])
        return softmax(raw) if self.task == "classification" else raw.astype(np.float32)

    def _soften(self, heat: float) -> None:
        self.weights_, self.bias_ = self.weights_ / np.float32(heat), self.bias_ / np.float32(heat)

    def to_graph(self, builder: Builder, value: str) -> str:
        """Nearness less the square of the sample, exp, one dense layer, and softmax for classes."""
        gamma, centres = np.float32(self.gamma_), self.centres_
        products = builder.constant((2.0 * gamma * centres.T).astype(np.float32))
        squares = builder.constant((-gamma * (centres**2).sum(axis=1)).astype(np.float32))
        own = builder.op("ReduceSum", builder.op("Mul", value, value), builder.integers(1), keepdims=1)
        own = builder.op("Mul", own, builder.constant(np.array([[gamma]], np.float32)))
        exponents = builder.op("Sub", builder.op("Gemm", value, products, squares), own)
        kernels = builder.op("Exp", builder.op("Min", exponents, builder.constant(np.zeros((1, 1), np.float32))))
        raw = builder.op("Gemm", kernels, builder.constant(self.weights_), builder.constant(self.bias_))
        return builder.op("Softmax", raw, axis=1) if self.task == "classification" else raw

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return centres, weights and bias."""
        return {"centres": self.centres_, "weights": self.weights_, "bias": self.bias_}

    def macs(self) -> int:
        """Return one for each value of a centre, and one for each weight."""
        return int(self.centres_.size + self.weights_.size)

    def says(self, names: tuple[str, ...]) -> str:
        """Return how many centres there are, and how far each reaches."""
        reach = 1.0 / np.sqrt(2.0 * self.gamma_)
        return f"weighted bells of width {reach:.3g} around {len(self.centres_):,} samples, in {len(names)} columns"


def leave_one_out_errors(features: Wide, goal: Wide, penalties: Wide) -> Wide:
    """Return the mean squared error of ridge regressions when each sample is answered by a fit on the others.

    One eigendecomposition serves all penalties (Golub, Heath and Wahba, 1979).

    Args:
        features: (n, p).
        goal: (n, outputs), each of mean 0.
        penalties: of the squared weights, above 0.
    """
    centred = features - features.mean(axis=0)
    sizes, directions = np.linalg.eigh(centred.T @ centred)
    kept = sizes > np.finfo(np.float64).eps * len(sizes) * np.abs(sizes).max()
    sizes, basis = sizes[kept], centred @ (directions[:, kept] / np.sqrt(sizes[kept]))
    along, squares = basis.T @ goal, basis**2
    errors = []
    for penalty in penalties:
        share = sizes / (sizes + penalty)
        own = 1.0 / len(features) + squares @ share  # how much a sample's answer depends on its own target
        errors.append(float(np.mean(((goal - basis @ (share[:, None] * along)) / (1.0 - own)[:, None]) ** 2)))
    return np.asarray(errors)


MODEL = Model(
    build=lambda table, training, task, seed: KernelMachine(task, seed, table.size_bytes),
    state=("fitted_",),
    settings=("size_bytes",),
)

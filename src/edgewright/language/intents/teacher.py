"""The teacher: an encoder's vectors and a linear head on them; also the form for gateways, which hold an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from edgewright.language.embedding import Encoder
from edgewright.models.outputs import softmax

Floats = NDArray[np.float32]
# Inverse penalties that are tried, by the likelihood of what was held out.
_PENALTIES = (3.0, 10.0, 30.0)
_ITERATIONS = 300
# Rounds of learning from its own answers, and the share of each class's that it learns from.
_ROUNDS, SURE = 2, 0.7
_FEW = 40


class Teacher:
    """A linear head on the vectors of an encoder.

    Args:
        encoder: that gives the vectors.

    Attributes:
        weights: shape (d, k); bias: shape (k,).
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.weights: Floats = np.zeros((0, 0), np.float32)
        self.bias: Floats = np.zeros(0, np.float32)

    def fit(
        self, vectors: Floats, targets: NDArray[np.int64], *, seed: int = 0, penalty: float | None = None
    ) -> Teacher:
        """Fit the head.

        Args:
            vectors: shape (n, d).
            targets: class numbers, each of 0 to k - 1 at least once.
            seed: of what is held out to choose the penalty.
            penalty: inverse penalty; chosen where it is left out.
        """
        model = _fitted(vectors, targets, penalty or self._chosen(vectors, targets, seed))
        weights, bias = np.asarray(model.coef_, np.float32), np.asarray(model.intercept_, np.float32)
        if len(weights) == 1:
            # Two classes have one row in scikit-learn.
            weights, bias = np.concatenate([-weights / 2, weights / 2]), np.concatenate([-bias / 2, bias / 2])
        self.weights, self.bias = np.ascontiguousarray(weights.T), bias
        return self

    def fit_further(self, others: Floats, vectors: Floats, targets: NDArray[np.int64]) -> None:
        """Learn from its own surest answers to texts without labels, round by round (Yarowsky, 1995).

        Of every class the surer `SURE` of the answers count as labels, so that no class grows at another's cost.

        Args:
            others: vectors of texts without labels, shape (m, d).
            vectors: those given to `fit`.
            targets: those given to `fit`.
        """
        for _ in range(_ROUNDS):
            chances = softmax(self.logits(others))
            answers, sure = chances.argmax(axis=1), chances.max(axis=1)
            kept = np.zeros(len(others), bool)
            for number in range(len(self.bias)):
                own = np.flatnonzero(answers == number)
                kept[own[np.argsort(-sure[own], kind="stable")[: int(SURE * len(own))]]] = True
            self.fit(
                np.concatenate([vectors, others[kept]]),
                np.concatenate([targets, answers[kept]]),
                penalty=_PENALTIES[-1],
            )

    def logits(self, vectors: Floats) -> Floats:
        """Shape (n, k)."""
        return np.asarray(vectors @ self.weights + self.bias, np.float32)

    def encode(self, texts: Sequence[str]) -> Floats:
        """Return vectors of texts, shape (n, d)."""
        return self.encoder.encode(list(texts))

    @staticmethod
    def _chosen(vectors: Floats, targets: NDArray[np.int64], seed: int) -> float:
        """Choose the penalty with the largest likelihood on a held-out fifth; the middle one where data are few."""
        held = held_out(targets, 0.2, seed)
        if len(targets) < _FEW or not held.any():
            return _PENALTIES[1]
        # At most so many: the choice needs no more, and the fit takes its time.
        some = np.flatnonzero(~held)[: 20 * (int(targets.max()) + 1)]
        if len(np.unique(targets[some])) <= int(targets.max()):
            some = np.flatnonzero(~held)
        found = []
        for penalty in _PENALTIES:
            model = _fitted(vectors[some], targets[some], penalty)
            chances = model.predict_proba(vectors[held])
            truth = np.searchsorted(model.classes_, targets[held])
            found.append(float(np.mean(np.log(chances[np.arange(len(truth)), truth] + 1e-12))))
        return _PENALTIES[int(np.argmax(found))]


def held_out(targets: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_]:
    """Which samples are held out: about that share of each class, at least one of every class of three."""
    random = np.random.default_rng(seed)
    held = np.zeros(len(targets), bool)
    for number in np.unique(targets):
        where = np.flatnonzero(targets == number)
        count = max(round(share * len(where)), int(len(where) >= 3))
        held[random.choice(where, count, replace=False)] = True
    return held


def _fitted(vectors: Floats, targets: NDArray[np.int64], penalty: float) -> Any:  # noqa: ANN401 - scikit-learn is untyped
    return LogisticRegression(C=penalty, max_iter=_ITERATIONS).fit(vectors, targets)

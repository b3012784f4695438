"""The nearest stored example, and whether it is near enough."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.neighbours import Nearest, Space

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]
NONE = "none of these"
# Chosen on people of the public set HAPT who do not evaluate (docs/adr/0037-zero-shot.md).
LIMITS: dict[Space, float] = {"network": 1.5, "features": 1.0}
HEAT = 0.4
_LEAST = 1e-4
_PART = 1024


class Examples:
    """Stored vectors with their labels.

    Args:
        vectors: unit vectors, shape (n, d).
        owners: number of the label of each, shape (n,); each of 0 to k - 1 at least once.
        limit: times the usual distance, from which on a sample is none of the labels.
    """

    def __init__(self, vectors: Floats, owners: Numbers, limit: float) -> None:
        order = np.argsort(owners, kind="stable")
        self._vectors, self._owners, self._limit = vectors[order], owners[order], limit
        self.count = int(owners.max()) + 1
        self._starts = np.searchsorted(self._owners, np.arange(self.count))
        self.usual = self._usual()

    def _usual(self) -> Floats:
        """Of each label, the median distance between two examples of it; shape (k,).

        Labels with one example take the median of the others; where none has two, the median distance
        between labels stands for it.
        """
        made = np.full(self.count, np.nan)
        for number in range(self.count):
            own = self._vectors[self._owners == number]
            if len(own) > 1:
                apart = 1 - own @ own.T
                made[number] = np.median(apart[np.triu_indices(len(own), 1)])
        known = made[np.isfinite(made)]
        if not len(known):
            apart = 1 - self._vectors @ self._vectors.T
            apart[self._owners[:, None] == self._owners[None]] = np.inf
            known = apart.min(axis=1, keepdims=True) if self.count > 1 else np.ones((1, 1))
        made[~np.isfinite(made)] = np.median(known)
        return np.asarray(np.maximum(made, _LEAST), np.float32)

    def distances(self, things: Floats) -> Floats:
        """To the nearest example of each label: shape (n, k)."""
        parts = [
            np.minimum.reduceat(1 - things[at : at + _PART] @ self._vectors.T, self._starts, axis=1)
            for at in range(0, max(len(things), 1), _PART)
        ]
        return np.asarray(np.maximum(np.concatenate(parts), 0), np.float32)

    def chances(self, distances: Floats) -> Floats:
        """Probabilities of the labels and, last, of none of them: shape (n, k + 1).

        The logarithm of a distance in usual ones falls off linearly; the limit stands for one label more.
        """
        nearest = distances.argmin(axis=1)
        powers = -np.log(np.maximum(distances, _LEAST))
        none = -np.log(self._limit * self.usual[nearest])
        wide = np.concatenate([powers, none[:, None]], axis=1) / HEAT
        wide = np.exp(wide - wide.max(axis=1, keepdims=True))
        return np.asarray(wide / wide.sum(axis=1, keepdims=True), np.float32)

    def answers(self, things: Floats, labels: Sequence[str], places: Sequence[str]) -> list[Nearest]:
        """An answer to each of the samples' vectors, shape (n, d)."""
        distances = self.distances(things)
        chances = self.chances(distances)
        made = []
        for place, apart, chance in zip(places, distances, chances, strict=True):
            nearest, chosen = int(apart.argmin()), int(chance.argmax())
            made.append(
                Nearest(
                    place=place, label=NONE if chosen == len(labels) else labels[chosen],
                    confidence=float(chance[chosen]), nearest=labels[nearest], distance=float(apart[nearest]),
                    limit=float(self._limit * self.usual[nearest]),
                )
            )  # fmt: skip
        return made

"""From similarities of vectors to a label, a confidence, or 'none of these'.

Cosines of different encoders lie in different ranges, so they are counted in deviations of those that a background of
descriptions of all sorts of things has to itself. 'None of these' is one more label: its score is a constant, more
where there are more labels to be hit by chance, and more where something of the background lies near.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.schema.errors import InputError

Vectors = NDArray[np.float32]
NONE = "none of these"
# Fitted by likelihood on 20 training utterances a class of CLINC150 and its out-of-scope ones, over random sets of 2 to
# 150 labels, utterances within and without in equal weight (`python -m benchmarks.language.zero_shot_fit`).
HEAT, NONE_BASE, NONE_BACKGROUND, NONE_LABELS = 0.56, 0.89, 0.18, 0.49
# A background description this near to one of a label says the same as it.
_SAME = 0.6


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What was chosen for one thing.

    Attributes:
        label: or 'none of these'.
        confidence: probability of it.
        nearest: the label of the nearest description, also where it is none of these.
        description: that lies nearest.
        cosine: to it.
        limit: cosine below which this thing would have been none of these.
        probabilities: of the labels; what is missing to 1 is that of none of these.
    """

    label: str
    confidence: float
    nearest: str
    description: str
    cosine: float
    limit: float
    probabilities: dict[str, float]

    @property
    def none(self) -> bool:
        """Whether it is none of the labels."""
        return self.label == NONE


class Labels(msgspec.Struct, frozen=True):
    """Labels and their descriptions.

    Attributes:
        names: at least two, in the order of the file.
        descriptions: of all of them, each text once.
        owners: number of the label of each description.
        others: descriptions of what is none of the labels; may be none.
    """

    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    owners: tuple[int, ...]
    others: tuple[str, ...] = ()


class Chooser:
    """Labels that are ready to be compared with.

    Args:
        labels: as read.
        vectors: unit vectors of their descriptions, shape (n, d).
        others: of what `labels.others` describes, shape (m, d).
        around: of the background, shape (b, d).
        shift: added to the score of 'none of these', in deviations; more refuses more.

    Raises:
        InputError: an encoder to which all descriptions are alike.
    """

    def __init__(self, labels: Labels, vectors: Vectors, others: Vectors, around: Vectors, shift: float = 0.0) -> None:
        self.labels, self._vectors, self._shift = labels, vectors, shift
        between = (around @ around.T)[~np.eye(len(around), dtype=bool)]
        # What cosines are counted in.
        self._mean, self._deviation = float(between.mean()), float(between.std())
        if not (np.isfinite(vectors).all() and self._deviation > 1e-6):
            raise InputError("an encoder that separates descriptions", "equal vectors for all", "encoder")
        near = (around @ np.concatenate([vectors, others]).T).max(axis=1) > _SAME
        self._around = around[~near]
        self._others = others
        self._owners = np.array(labels.owners)
        self._starts = np.searchsorted(self._owners, np.arange(len(labels.names)))

    def choose(self, things: Vectors) -> list[Choice]:
        """Return a choice for each of the things, unit vectors of shape (n, d)."""
        cosines = things @ self._vectors.T
        best = np.maximum.reduceat(cosines, self._starts, axis=1)
        labels = (best - self._mean) / self._deviation
        none = self._none(things)
        powers = np.concatenate([labels, none[:, None]], axis=1) / HEAT
        powers = np.exp(powers - powers.max(axis=1, keepdims=True))
        chances = powers / powers.sum(axis=1, keepdims=True)
        limits = none * self._deviation + self._mean
        return [self._choice(*row) for row in zip(cosines, chances, limits, strict=True)]

    def _none(self, things: Vectors) -> Vectors:
        """Return the score of none of these for each, in deviations."""
        scores = np.full(len(things), NONE_BASE + self._shift + NONE_LABELS * math.log(len(self.labels.names)))
        if len(self._around):
            nearest = (things @ self._around.T).max(axis=1)
            scores += NONE_BACKGROUND * (nearest - self._mean) / self._deviation
        if len(self._others):
            # What somebody described counts as a label does.
            scores = np.maximum(scores, ((things @ self._others.T).max(axis=1) - self._mean) / self._deviation)
        return np.asarray(scores, np.float32)

    def _choice(self, cosines: Vectors, chances: Vectors, limit: np.float32) -> Choice:
        at, names = int(cosines.argmax()), self.labels.names
        chosen = int(chances.argmax())
        return Choice(
            label=NONE if chosen == len(names) else names[chosen],
            confidence=float(chances[chosen]),
            nearest=names[int(self._owners[at])],
            description=self.labels.descriptions[at],
            cosine=float(cosines[at]),
            limit=float(limit),
            probabilities={name: float(chance) for name, chance in zip(names, chances, strict=False)},
        )

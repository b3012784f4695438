"""The student of intents as a learner: utterances are its rows, a fifth of each intent judges."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgewright.language.intents.integers import shape_for
from edgewright.language.intents.train import How, fit_student, logits_of
from edgewright.schema.errors import InputError
from edgewright.schema.language import OUT_OF_SCOPE, Utterance

HELD_OUT = 5
"""One in so many utterances of each intent judges."""
_SIZE = 64_000
# A student that reads into fewer rows than that is no student any more.
_FEWEST_BYTES = 4_000


class OfText:
    """See `contract.Learner`; utterances out of scope are left out.

    Args:
        name: of the data.
        utterances: labelled, those out of scope among them.
        judges: that judge; a fifth of each intent is set apart where there are none.
        size: bytes of the student.
        seed: of all that is drawn.
    """

    share = True
    error = "error rate"
    unit = "utterance"
    scalable = True
    draws = 0.4

    def __init__(
        self,
        name: str,
        utterances: Sequence[Utterance],
        judges: Sequence[Utterance] = (),
        size: int = _SIZE,
        seed: int = 0,
    ) -> None:
        inside = [one for one in utterances if one.intent != OUT_OF_SCOPE]
        asked = [one for one in judges if one.intent != OUT_OF_SCOPE]
        self._intents = sorted({one.intent for one in inside})
        if len(self._intents) < 2:
            raise InputError("at least two intents", str(len(self._intents)), name)
        texts, targets = _of(inside, self._intents)
        rng = np.random.default_rng((seed, 2**20))
        if asked:
            self._texts, self._targets = texts, targets
            self._judges, self._truth = _of(asked, self._intents)
        else:
            values = np.array([not one.synthetic for one in inside])
            held = values & (_dealt(targets, rng) < 1 / HELD_OUT)
            self._texts = [text for text, out in zip(texts, held, strict=True) if not out]
            self._judges = [text for text, out in zip(texts, held, strict=True) if out]
            self._targets, self._truth = targets[~held], targets[held]
        self._pool = _dealt(self._targets, rng)
        self._size, self._seed = size, seed
        self.name = name
        self.model = f"a student of at most {size:,} bytes"
        self.samples = float(len(self._texts))
        self.pieces = len(self._texts)
        self.judges = len(self._truth)
        message = f"{name} {size} {self._intents}"
        self.fingerprint = hashlib.sha256(message.encode()).hexdigest()[:16]

    def judge(self, share: float, repeat: int, *, pool: float = 1.0, width: float = 1.0) -> float:
        """Measure the error of a model trained on a part of the texts."""
        inside = np.flatnonzero(self._pool < pool)
        location = _dealt(self._targets[inside], np.random.default_rng((self._seed, repeat)))
        chosen = np.sort(inside[np.argsort(location, kind="stable")[: round(share * len(self._texts))]])
        how = How(size=self._bytes(width), seed=self._seed + repeat)
        spec, arrays = fit_student([self._texts[i] for i in chosen], self._targets[chosen], len(self._intents), how)
        answers = logits_of(spec, arrays, self._judges).argmax(axis=1)
        return float((answers != self._truth).mean())

    def parameters(self, width: float) -> int:
        """Return the parameters of the model; a factor of the width is one of the bytes."""
        rows, hidden = shape_for(self._bytes(width), len(self._intents))
        return rows * hidden + hidden * len(self._intents) + len(self._intents)

    def _bytes(self, width: float) -> int:
        return max(_FEWEST_BYTES, round(self._size * width))


def _of(utterances: Sequence[Utterance], intents: list[str]) -> tuple[list[str], NDArray[np.int64]]:
    known = [one for one in utterances if one.intent in intents]
    return [one.text for one in known], np.array([intents.index(one.intent) for one in known], np.int64)


def _dealt(targets: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each; those below any share have the mix of intents of the whole."""
    location = np.empty(len(targets))
    for target in np.unique(targets):
        own = rng.permutation(np.flatnonzero(targets == target))
        location[own] = (np.arange(len(own)) + rng.random()) / len(own)
    return location

"""Which student a few examples carry: the linear one, unless the network makes clearly fewer mistakes.

Every sentence is judged by students that were fitted without it and without its repetitions: each is left out in turn
where there are few, else a fifth of them at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.nlp.utterance.normalise import normalised
from edgewright.schema.language import StudentSpec
from edgewright.training.permutation_test import sign_test

# Sentences up to which each is left out in turn, and parts beyond.
_ONE_BY_ONE, _PARTS = 20, 5
Fitted = tuple[StudentSpec, dict[str, NDArray[Any]]]
FitsText = Callable[[Sequence[str], NDArray[np.int64]], Fitted]
Logits = NDArray[np.float64]


class Rung(msgspec.Struct, frozen=True):
    """A student on the ladder.

    Attributes:
        name: of it.
        right: sentences that it answered right when they were left out.
        judged: sentences in all.
        p: of an exact sign test against the student that stood, over the sentences that only one of them answers
            right; None for the first.
    """

    name: str
    right: int
    judged: int
    p: float | None = None


def climb(
    students: Sequence[tuple[str, FitsText]],
    texts: Sequence[str],
    targets: NDArray[np.int64],
    logits_of: Callable[[Fitted, Sequence[str]], Logits],
    seed: int,
) -> tuple[FitsText, Logits, list[Rung]]:
    """Return the simplest student that no later one beats by more than a standard error of their difference.

    Args:
        students: names and fits, the simplest first.
        texts: sentences.
        targets: class numbers.
        logits_of: logits of a fitted student, shape (n, k).
        seed: of the parts.

    Returns:
        The fit that was chosen, its logits of each sentence when that was left out, shape (n, k), and the rungs tried.
    """
    parts = _parts(texts, targets, seed)
    shape = (len(texts), int(targets.max()) + 1)
    best, best_logits, best_right = students[0][1], np.zeros(shape), np.zeros(len(texts), np.bool_)
    rungs: list[Rung] = []
    for name, fit in students:
        if rungs and len(texts) - best_right.sum() <= 1:
            # Not even one without a mistake would be clearly better.
            break
        made = np.zeros(shape)
        for number in range(int(parts.max()) + 1):
            out = parts == number
            fitted = fit([text for text, gone in zip(texts, out, strict=True) if not gone], targets[~out])
            made[out] = logits_of(fitted, [text for text, gone in zip(texts, out, strict=True) if gone])
        right = made.argmax(axis=1) == targets
        won, lost = int((right & ~best_right).sum()), int((best_right & ~right).sum())
        p = sign_test(max(won, lost), won + lost) if rungs else None
        if not rungs or won - lost > math.sqrt(won + lost):
            best, best_logits, best_right = fit, made, right
        rungs.append(Rung(name, int(right.sum()), len(right), p))
    return best, best_logits, rungs


def _parts(texts: Sequence[str], targets: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return the part of each sentence: repetitions in one, and no intent wholly in one."""
    places: dict[str, int] = {}
    which = np.array([places.setdefault(normalised(text), len(places)) for text in texts], np.int64)
    kinds = np.zeros(len(places), np.int64)
    kinds[which] = targets
    order = np.random.default_rng(seed).permutation(len(places))
    order = order[np.argsort(kinds[order], kind="stable")]
    part = np.zeros(len(places), np.int64)
    part[order] = np.arange(len(places)) % (len(places) if len(places) <= _ONE_BY_ONE else _PARTS)
    return part[which]

"""Utterances to fit on and to evaluate on, the evaluation of every form, and the score that puts one in scope."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import UtterancesError
from edgewright.language.intents.material import held_out
from edgewright.language.utterances import check
from edgewright.nlp.records import OUT_OF_SCOPE, Utterance
from edgewright.nlp.utterance.values import normalised
from edgewright.training.losses import softmax_cross_entropy, temperature
from edgewright.training.metrics import student_t

HELD_OUT = 0.2
# Share of the right answers that may be refused: where nothing shows what is out of scope, and where examples do.
REJECT, REJECT_TOLD = 0.002, 0.02
# Share of the background that is refused where there are few utterances.
FOREIGN = 0.96
Scores = NDArray[Any]


class Parts(msgspec.Struct, frozen=True):
    """Texts and class numbers.

    Attributes:
        texts, targets: to fit on.
        judges, truth: to judge and calibrate by.
        outside: out of scope.
        held_out: whether the judges were held out of the training, and the last fit is on all.
    """

    intents: tuple[str, ...]
    texts: list[str]
    targets: NDArray[np.int64]
    judges: list[str]
    truth: NDArray[np.int64]
    outside: list[str]
    held_out: bool


class IntentEvaluation(msgspec.Struct, frozen=True):
    """What was answered on utterances that the judged model was not fitted on.

    Attributes:
        truth, answer: class numbers, shape (n,).
        confidence: calibrated, shape (n,).
        scores, outside: largest logits of utterances in and out of scope.
        refused, refused_outside: which of these are refused as out of scope.
        threshold: score below which an utterance is out of scope.
        reject: share of the right answers that it may refuse.
        refitted: whether the model was fitted on these utterances afterwards.
        texts: the utterances, where each is shown to the user that a model would refuse; else none.
    """

    truth: NDArray[np.int64]
    answer: NDArray[np.int64]
    confidence: NDArray[np.float64]
    scores: NDArray[np.float64]
    outside: NDArray[np.float64]
    refused: NDArray[np.bool_]
    refused_outside: NDArray[np.bool_]
    threshold: float
    reject: float
    refitted: bool
    texts: tuple[str, ...] = ()

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which utterances in scope are right as the model answers by default: a refusal is a mistake."""
        return np.asarray((self.truth == self.answer) & ~self.refused, np.bool_)


def parted(utterances: Sequence[Utterance], validation: Sequence[Utterance], seed: int) -> Parts:
    """Without `validation`, a fifth of every intent is held out, repeated sentences all on one side.

    Raises:
        InputError: as `check`.
    """
    intents = check(utterances)
    number = {name: k for k, name in enumerate(intents)}
    inside = [u for u in utterances if u.intent in number]
    outside = [u.text for u in (*utterances, *validation) if u.intent == OUT_OF_SCOPE]
    targets = np.array([number[u.intent] for u in inside], np.int64)
    given = [u for u in validation if u.intent in number and not u.synthetic]
    if given:
        truth = np.array([number[u.intent] for u in given], np.int64)
        return Parts(intents, [u.text for u in inside], targets, [u.text for u in given], truth, outside, False)
    held_out_rows = held_sentences([u.text for u in inside], targets, seed) & ~np.array(
        [u.synthetic for u in inside], np.bool_
    )
    if not held_out_rows.any():
        raise UtterancesError(
            "real sentences for validation", "only synthetic ones", "the utterances",
            "Add some real sentences",
        )  # fmt: skip
    kept = [u.text for u, out in zip(inside, held_out_rows, strict=True) if not out]
    judges = [u.text for u, out in zip(inside, held_out_rows, strict=True) if out]
    return Parts(intents, kept, targets[~held_out_rows], judges, targets[held_out_rows], outside, True)


def held_sentences(texts: Sequence[str], targets: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """Which texts are held out: a fifth of the different sentences of each class, with all their repetitions."""
    which, kinds = different_sentences(texts, targets)
    return held_out(kinds, HELD_OUT, seed)[which]


def different_sentences(
    texts: Sequence[str], targets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the number of the sentence of each text, the same for repetitions, and the class of each sentence."""
    places: dict[str, int] = {}
    which = np.array([places.setdefault(normalised(text), len(places)) for text in texts], np.int64)
    kinds = np.zeros(len(places), np.int64)
    kinds[which] = targets
    return which, kinds


def evaluate(
    raw: Scores,
    outside: Scores,
    truth: NDArray[np.int64],
    reject: float | None,
    refitted: bool,
    unknown: Scores | None = None,
    background: Scores | None = None,
) -> tuple[IntentEvaluation, float]:
    """Judge a model by utterances that it was not fitted on.

    Args:
        raw: logits of the judges, shape (n, k).
        outside: logits of the utterances out of scope, shape (m, k).
        truth: class numbers of the judges, shape (n,).
        reject: share of the right answers that may be refused; None for the default.
        refitted: as in `IntentEvaluation`.
        background: logits of sentences out of scope, shape (b, k), by a model fitted without them. They set the limit
            where there are few utterances: left-out ones of a few that differ on purpose look stranger than what users
            say.
        unknown: logits of a text without a known n-gram, shape (k,), which the answered intent must exceed.

    Returns:
        The judgement and the temperature.
    """
    heat = temperature(raw, truth, softmax_cross_entropy)
    scores, out_scores = raw.max(axis=1) / heat, outside.max(axis=1) / heat if len(outside) else np.zeros(0)
    share = reject if reject is not None else REJECT_TOLD if len(outside) else REJECT
    answer = raw.argmax(axis=1)
    right = answer == truth
    if background is not None:
        share = reject if reject is not None else 1.0
        threshold = float(np.quantile(background.max(axis=1) / heat, FOREIGN))
    if background is None or reject is not None:
        cautious = limit(scores[right] if right.sum() > 1 else scores, out_scores, share)
        threshold = cautious if background is None else min(threshold, cautious)
    refused, refused_outside = scores < threshold, out_scores < threshold
    if unknown is not None:
        refused |= raw.max(axis=1) <= unknown[answer]
        refused_outside |= outside.max(axis=1) <= unknown[outside.argmax(axis=1)]
    chances = np.exp((raw - raw.max(axis=1, keepdims=True)) / heat).sum(axis=1)
    return IntentEvaluation(
        truth, answer, 1.0 / chances, scores, out_scores, refused, refused_outside, threshold, share, refitted
    ), heat  # fmt: skip


def share_of(text: str) -> float:
    """Return the share of `--reject` as people write it: 2%, 2 % or 0.02.

    Raises:
        InputError: another text, or a share beyond 0 to 0.5.
    """
    match = re.fullmatch(r"([0-9]{0,3}(?:\.[0-9]{1,6})?)( ?%)?", text.strip())
    share = float(match[1]) / (100 if match[2] else 1) if match and match[1] else -1.0
    if not 0 <= share <= 0.5:
        raise UtterancesError("a share of 0 to 0.5, such as 2% or 0.02", repr(text[:40]), "--reject")
    return share


def limit(inside: Scores, outside: Scores, share: float) -> float:
    """Choose the score from which on an utterance is in scope.

    An utterance that is answered right lies below it with a probability of at most `share`: below the j-th smallest of
    n scores lies a further one with probability j / (n + 1) (conformal prediction; Vovk et al., 2005). To refuse one
    that is answered wrong costs nothing. With examples out of scope the limit is lower where that makes the mean of the
    shares that are right on either side larger.

    Args:
        inside: scores of held-out utterances in scope that are answered right, shape (n,), at least one.
        outside: scores of utterances out of scope, shape (m,), may be none.
        share: of `inside` that may be refused, 0..1.
    """
    index = int(share * (len(inside) + 1))
    highest = float(np.sort(inside)[max(index, 1) - 1])
    if index == 0:
        # Too few to see so small a share: below which a further one lies if scores are normal (prediction limit).
        count = len(inside)
        spread = float(inside.std(ddof=1)) * (1 + 1 / count) ** 0.5 if count > 1 else 0.0
        depth = student_t(max(count - 1, 1), 1 - 2 * min(max(share, 1e-6), 0.5))
        highest = min(highest, float(inside.mean()) - depth * spread)
    return min(highest, _balanced(inside, outside)) if len(outside) else highest


def _balanced(inside: Scores, outside: Scores) -> float:
    ordered = np.unique(np.concatenate([inside, outside]))
    kept = 1.0 - np.searchsorted(np.sort(inside), ordered) / len(inside)
    refused = np.searchsorted(np.sort(outside), ordered) / len(outside)
    best = int(np.argmax(kept + refused))
    # Half-way to the next score below: on either side of a gap, the next utterance may fall into it.
    return float(ordered[max(best - 1, 0)] + ordered[best]) / 2

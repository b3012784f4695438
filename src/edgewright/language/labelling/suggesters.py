"""Suggesters of labels: from labels of people, descriptions of classes, or a language model."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from edgewright.cluster.mapping import each
from edgewright.core.errors import EncoderMissingError, LabelProjectError, UnknownNameError
from edgewright.core.formatting import seconds_text
from edgewright.core.records.data import Floats
from edgewright.language.language_models.intents import language_model_parser
from edgewright.language.utterances import Labelled
from edgewright.nlp.records import OUT_OF_SCOPE, Utterance
from edgewright.nlp.utterance.student import Encodes
from edgewright.nlp.utterance.values import LONGEST

Scores = NDArray[np.float64]


class Given(msgspec.Struct, frozen=True):
    """What suggestions are made from.

    Attributes:
        vectors: of all items, shape (n, d), of length 1.
        targets: class number of each item by people, -1 where nobody said.
        classes: names; descriptions: one line each, empty where there is none.
        encoder: that understands the descriptions, where there is one.
        seed: of what is drawn.
        texts: of all items; empty where they are no texts.
        language_model: GGUF file of a model that people brought; None without one.
        ahead: gets the estimate of long work before it begins.
    """

    vectors: Floats
    targets: NDArray[np.int64]
    classes: tuple[str, ...]
    descriptions: tuple[str, ...]
    encoder: Encodes | None = None
    seed: int = 0
    texts: tuple[str, ...] = ()
    language_model: Path | None = None
    ahead: Callable[[str], None] = lambda _: None


@dataclass(frozen=True)
class Suggester:
    """A way to suggest labels.

    Attributes:
        description: for people, one line.
        needs: 'labels' by people, 'descriptions' of classes, or a 'language model'.
        scores: natural logarithms of belief up to a constant for each row, shape (n, classes). The score of a labelled
            item must not rest on its own label.
        heat: temperature that turns scores into shares before anything is known of how right they are.
    """

    description: str
    needs: str
    scores: Callable[[Given], Scores]
    heat: float = 1.0


def suggester_of(name: str, where: str = "") -> Suggester:
    """Return the suggester of a name.

    Raises:
        UnknownNameError: with the known names.
    """
    if name not in SUGGESTERS:
        raise UnknownNameError("suggester", name, SUGGESTERS, where)
    return SUGGESTERS[name]


FOLDS = 5
PENALTY = 10.0
# Classes that nobody has labelled yet: less likely than any other.
_ABSENT = -20.0


def logits(vectors: Floats, targets: NDArray[np.int64], values: Floats, classes: int) -> Scores:
    """Return scores of `values` by a head that was fitted on `vectors`, shape (n, classes)."""
    scores = np.full((len(values), classes), _ABSENT)
    present = np.unique(targets)
    if len(present) < 2:
        scores[:, present] = 0.0
        return scores
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        # Nearly as many classes as items are what the first labels are like.
        warnings.filterwarnings("ignore", "The number of unique classes")
        head = LogisticRegression(C=PENALTY, max_iter=200).fit(vectors, targets)
    scores[:, present] = head.predict_log_proba(values)
    return scores


def out_of_fold(
    vectors: Floats, targets: NDArray[np.int64], classes: int, groups: NDArray[np.int64], seed: int = 0
) -> Scores:
    """Return scores of labelled items by heads that saw none of the same group, shape (n, classes)."""
    names = np.random.default_rng(seed).permutation(np.unique(groups))
    scores = np.full((len(targets), classes), _ABSENT)
    folds = [np.isin(groups, part) for part in np.array_split(names, min(FOLDS, len(names)))]
    folds = [fold for fold in folds if not fold.all()]
    for fold, own in zip(folds, each(_of_fold, (vectors, targets, classes), folds), strict=True):
        scores[fold] = own
    return scores


def _of_fold(shared: tuple[Floats, NDArray[np.int64], int], fold: NDArray[np.bool_]) -> Scores:
    vectors, targets, classes = shared
    return logits(vectors[~fold], targets[~fold], vectors[fold], classes)


def _by_head(given: Given) -> Scores:
    """Score by a linear head; a labelled item is judged by a head that did not see it."""
    known = np.flatnonzero(given.targets >= 0)
    targets = given.targets[known]
    scores = logits(given.vectors[known], targets, given.vectors, len(given.classes))
    if len(known) >= 2 * FOLDS:
        scores[known] = out_of_fold(
            given.vectors[known], targets, len(given.classes), np.arange(len(known)), given.seed
        )
    return scores


NEAREST = 5
# Of cosine: how fast a vote fades with distance.
_FADE = 0.1
_BLOCK = 2048


def _by_neighbours(given: Given) -> Scores:
    """Let the nearest labelled items vote, nearer ones more; a labelled item is judged by the others."""
    known = np.flatnonzero(given.targets >= 0)
    base, targets = given.vectors[known], given.targets[known]
    weights = np.zeros((len(given.vectors), len(given.classes)))
    own = np.full(len(given.vectors), -1)
    own[known] = np.arange(len(known))
    for begin in range(0, len(given.vectors), _BLOCK):
        near = given.vectors[begin : begin + _BLOCK] @ base.T
        mine = own[begin : begin + _BLOCK]
        near[np.flatnonzero(mine >= 0), mine[mine >= 0]] = -2.0
        count = min(NEAREST, len(known))
        best = np.argpartition(-near, count - 1, axis=1)[:, :count]
        cosine = np.take_along_axis(near, best, axis=1).astype(np.float64)
        votes = np.exp((cosine - 1.0) / _FADE) * (cosine > -1.5)
        rows = np.repeat(np.arange(len(near)), count)
        np.add.at(weights, (begin + rows, targets[best].reshape(-1)), votes.reshape(-1))
    # A little of every class, so that far neighbours make nobody sure.
    return np.asarray(np.log(weights + np.exp(-0.9 / _FADE)), np.float64)


def _by_description(given: Given) -> Scores:
    """Score by the one-line descriptions of the classes, with an encoder of text: the nearest description wins."""
    if given.encoder is None:
        raise EncoderMissingError("an encoder of text for descriptions", "none", "--encoder", "Pass its directory")
    lines = [line or name.replace("_", " ") for name, line in zip(given.classes, given.descriptions, strict=True)]
    return np.asarray(given.vectors @ given.encoder.encode(lines).T, np.float64)


_TIMED = 3


def _by_language_model(given: Given) -> Scores:
    """Score by the probability that the model gives to the class it writes; `none` leaves all classes alike.

    The examples it sees are the classes' descriptions and the texts that people labelled, never the text itself.
    """
    if given.language_model is None or not given.texts:
        got = "none" if given.language_model is None else "items that are no texts"
        raise LabelProjectError(
            "a language model and texts", got, "--by", "Pass --by NAME of a model of yours, or a .gguf file"
        )
    examples = [
        Utterance(text=line or name.replace("_", " "), intent=name)
        for name, line in zip(given.classes, given.descriptions, strict=True)
    ]
    examples += [
        Utterance(text=text, intent=given.classes[target])
        for text, target in zip(given.texts, given.targets.tolist(), strict=True)
        if target >= 0 and len(text) <= LONGEST
    ]
    scores = np.zeros((len(given.texts), len(given.classes)))
    began = time.monotonic()
    with language_model_parser(given.language_model, Labelled(tuple(examples)), "the classes") as parser:
        for number, text in enumerate(given.texts):
            parsed = parser.parse(text[:LONGEST], left_out=True)
            if parsed.intent != OUT_OF_SCOPE:
                scores[number] = class_scores(given.classes.index(parsed.intent), parsed.score, len(given.classes))
            if number + 1 == _TIMED:
                left = (time.monotonic() - began) / _TIMED * (len(given.texts) - _TIMED)
                given.ahead(f"the language model labels {len(given.texts):,} texts in about {seconds_text(left)}")
    return scores


def class_scores(chosen: int, score: float, count: int) -> Scores:
    """Return a score a class: the others share what probability is left, and none of them exceeds the chosen one.

    Args:
        chosen: number of the class that was written.
        score: natural logarithm of the probability of its name before the grammar.
        count: of classes.
    """
    rest = -math.expm1(score) / max(1, count - 1)
    scores = np.full(count, min(math.log(max(rest, 1e-12)), score))
    scores[chosen] = score
    return scores


SUGGESTERS = {
    "linear": Suggester("a linear head on the labelled items", "labels", _by_head),
    "neighbours": Suggester(f"the {NEAREST} nearest labelled items vote", "labels", _by_neighbours),
    "descriptions": Suggester("the nearest description", "descriptions", _by_description, heat=0.03),
    "language-model": Suggester("a language model of yours", "language model", _by_language_model),
}
"""Suggesters by name."""

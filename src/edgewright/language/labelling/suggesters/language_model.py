"""A language model that people brought: it writes one of the classes, and nothing else."""

from __future__ import annotations

import math
import time

import numpy as np

from edgewright.core.formatting import seconds_text
from edgewright.language.labelling.suggesters import Given, Scores, Suggester, suggester
from edgewright.language.language_models.intents import language_model_parser
from edgewright.language.utterances.read import Labelled
from edgewright.nlp.utterance.normalise import LONGEST
from edgewright.schema.errors import InputError
from edgewright.schema.language import OUT_OF_SCOPE, Utterance

_TIMED = 3


def _by_language_model(given: Given) -> Scores:
    """Score by the probability that the model gives to the class it writes; `none` leaves all classes alike.

    The examples it sees are the classes' descriptions and the texts that people labelled, never the text itself.
    """
    if given.language_model is None or not given.texts:
        got = "none" if given.language_model is None else "items that are no texts"
        raise InputError(
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


suggester("language-model")(Suggester("a language model of yours", "language model", _by_language_model))

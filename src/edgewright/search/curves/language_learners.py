"""Learning curves of language: of models of text by whole articles, and of the intent student by utterances."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgewright.language.intents.network import shape_for
from edgewright.language.intents.train import How, fit_student, logits_of
from edgewright.language.texts.corpus import Article, joined
from edgewright.language.texts.counting import ORDER, count, count_bits
from edgewright.language.texts.recurrent import GruTraining, train_gru
from edgewright.nlp.texts.contract import SYMBOLS, Codes
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.language import OUT_OF_SCOPE, Utterance
from edgewright.search.curves.measure import stratified_order

MODELS = ("ngram", "gru")
_TEST, _TEST_CHARACTERS = 0.25, 8000
_VALIDATION, _VALIDATION_CHARACTERS = 0.1, 4000
_HOW = GruTraining(units=48, steps=500, batch=16)


class TextLearner:
    """Learner for a model of text; see `measure.Learner`.

    Args:
        name: name of the data.
        articles: of all texts.
        model: 'ngram' or 'gru'.
        seed: which articles are left out, and in which order the others come.

    Raises:
        UnknownNameError: another model.
    """

    share = False
    error = "bits per byte"
    unit = "article"
    judges = 0

    def __init__(self, name: str, articles: Sequence[Article], model: str = "ngram", seed: int = 0) -> None:
        if model not in MODELS:
            raise UnknownNameError("model of text", model, MODELS)
        shuffled = [articles[i] for i in np.random.default_rng((seed, 2**20)).permutation(len(articles))]
        test, validation = (max(1, round(part * len(shuffled))) for part in (_TEST, _VALIDATION))
        self._test = _some(shuffled[:test], _TEST_CHARACTERS)
        self._validation = _some(shuffled[test : test + validation], _VALIDATION_CHARACTERS)
        self._articles = shuffled[test + validation :]
        self._kind, self._seed = model, seed
        self.scalable = model == "gru"
        self.draws = 0.34 if model == "ngram" else 0.17
        self.name = name
        self.model = f"a GRU of {_HOW.units} units" if model == "gru" else f"n-grams of up to {ORDER + 1} characters"
        self.pieces = len(self._articles)
        self.samples = float(sum(len(article.codes) for article in self._articles))
        digest = hashlib.sha256(joined(shuffled).tobytes())
        digest.update(f"{model} {seed} {_HOW}".encode())
        self.fingerprint = digest.hexdigest()[:16]

    def judge(self, share: float, repeat: int, *, pool: float = 1.0, width: float = 1.0) -> float:
        """Return the bits per byte of a model that was trained on a part of the articles, the last one cut."""
        inside = self._articles[: max(1, round(pool * len(self._articles)))]
        order = np.random.default_rng((self._seed, repeat)).permutation(len(inside))
        codes = joined([inside[i] for i in order])[: max(ORDER + 2, round(share * self.samples))]
        if self._kind == "ngram":
            return count_bits(count(codes), self._test)
        how = _HOW._replace(units=self._units(width))
        return train_gru(codes, self._validation, how, self._seed * 1000 + repeat)[0].bits(self._test)

    def parameters(self, width: float) -> int:
        """Return the number of parameters of the network."""
        units = self._units(width)
        return 3 * units * (SYMBOLS + units + 1) + units * (SYMBOLS + 1) + SYMBOLS

    def _units(self, width: float) -> int:
        return max(8, round(_HOW.units * width))


def _some(articles: Sequence[Article], characters: int) -> Codes:
    """Return the beginnings of articles, as much of each, up to a number of characters in all."""
    each = max(1, characters // len(articles))
    return np.concatenate([article.codes[:each] for article in articles])


HELD_OUT = 5
"""One of this many utterances of each intent is in the test set."""
_SIZE = 64_000
# Minimum size of a student.
_FEWEST_BYTES = 4_000


class IntentLearner:
    """Learner for an intent student; see `measure.Learner`. Out-of-scope utterances are ignored.

    Args:
        name: name of the data.
        utterances: labelled utterances, including out-of-scope ones.
        judges: test utterances; if empty, one fifth of each intent is held out.
        size: size of the student in bytes.
        seed: random seed.
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
        inside = [utterance for utterance in utterances if utterance.intent != OUT_OF_SCOPE]
        in_scope = [utterance for utterance in judges if utterance.intent != OUT_OF_SCOPE]
        self._intents = sorted({utterance.intent for utterance in inside})
        if len(self._intents) < 2:
            raise InputError("at least two intents", str(len(self._intents)), name)
        texts, targets = _of(inside, self._intents)
        rng = np.random.default_rng((seed, 2**20))
        if in_scope:
            self._texts, self._targets = texts, targets
            self._judges, self._truth = _of(in_scope, self._intents)
        else:
            values = np.array([not utterance.synthetic for utterance in inside])
            held_out = values & (stratified_order(targets, rng) < 1 / HELD_OUT)
            self._texts = [text for text, out in zip(texts, held_out, strict=True) if not out]
            self._judges = [text for text, out in zip(texts, held_out, strict=True) if out]
            self._targets, self._truth = targets[~held_out], targets[held_out]
        self._pool = stratified_order(self._targets, rng)
        self._size, self._seed = size, seed
        self.name = name
        self.model = f"a student of at most {size:,} bytes"
        self.samples = float(len(self._texts))
        self.pieces = len(self._texts)
        self.judges = len(self._truth)
        message = f"{name} {size} {self._intents}"
        self.fingerprint = hashlib.sha256(message.encode()).hexdigest()[:16]

    def judge(self, share: float, repeat: int, *, pool: float = 1.0, width: float = 1.0) -> float:
        """Return the error rate of a student trained on a subset of the texts."""
        inside = np.flatnonzero(self._pool < pool)
        location = stratified_order(self._targets[inside], np.random.default_rng((self._seed, repeat)))
        chosen = np.sort(inside[np.argsort(location, kind="stable")[: round(share * len(self._texts))]])
        how = How(size=self._bytes(width), seed=self._seed + repeat)
        spec, arrays = fit_student([self._texts[i] for i in chosen], self._targets[chosen], len(self._intents), how)
        answers = logits_of(spec, arrays, self._judges).argmax(axis=1)
        return float((answers != self._truth).mean())

    def parameters(self, width: float) -> int:
        """Return the number of parameters of the student; the width factor scales its size in bytes."""
        rows, hidden = shape_for(self._bytes(width), len(self._intents))
        return rows * hidden + hidden * len(self._intents) + len(self._intents)

    def _bytes(self, width: float) -> int:
        return max(_FEWEST_BYTES, round(self._size * width))


def _of(utterances: Sequence[Utterance], intents: list[str]) -> tuple[list[str], NDArray[np.int64]]:
    known = [item for item in utterances if item.intent in intents]
    return [item.text for item in known], np.array([intents.index(item.intent) for item in known], np.int64)

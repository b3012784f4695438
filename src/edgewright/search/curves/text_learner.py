"""Learning curves of models of text: bits per byte against characters; whole articles are drawn and left out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from edgewright.language.texts.corpus import Article, joined
from edgewright.language.texts.counting import ORDER, count, count_bits
from edgewright.language.texts.recurrent import GruTraining, train_gru
from edgewright.nlp.texts.alphabet import SYMBOLS, Codes
from edgewright.schema.errors import UnknownNameError

MODELS = ("ngram", "gru")
_TEST, _TEST_CHARACTERS = 0.25, 8000
_VALIDATION, _VALIDATION_CHARACTERS = 0.1, 4000
_HOW = GruTraining(units=48, steps=500, batch=16)


class TextLearner:
    """Learner for a model of text; see `measure.Learner`.

    Args:
        name: of the data.
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

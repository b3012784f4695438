"""Training of a model of text: n-grams and a network of one size, chosen on some articles, judged on others once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from edgewright.language.texts.corpus import Article, joined
from edgewright.language.texts.counting import ngram_model
from edgewright.language.texts.keystrokes import Saved, by_model, by_word_list, type_words, word_list
from edgewright.language.texts.recurrent import Arrays, GruTraining, train_gru
from edgewright.nlp.texts.alphabet import SYMBOLS, decode, encode
from edgewright.nlp.texts.contract import TextModel
from edgewright.schema.texts import TextSpec, TextVector
from edgewright.schema.trace import Interval

KINDS = ("ngram", "gru")
_TEST, _VALIDATION = 0.2, 0.1
_LARGEST_UNITS = 128
_JUDGED = 20_000
_CHOOSING = 8000
_WORDS = 150
_DRAWS = 1000


class TextTraining(NamedTuple):
    """What is trained.

    Attributes:
        size: bytes of the model's arrays at most.
        kinds: of models that are tried; the better one on validation articles is written.
        steps: of the network's optimiser.
        words: that are typed to count keystrokes; 0 for none.
        seed: of everything.
    """

    size: int = 40_000
    kinds: tuple[str, ...] = KINDS
    steps: int = 1500
    words: int = _WORDS
    seed: int = 0


class JudgedModel(NamedTuple):
    """A model and what it reached on articles that neither trained nor chose.

    Attributes:
        name: of the kind, or 'ngram without a limit' or 'word list' beside them.
        bytes: of its arrays, or of its words.
        bits: per byte, with its 95 % interval over articles; None of a word list.
        saved: keystrokes; None where they were not counted.
    """

    name: str
    bytes: int
    bits: Interval | None
    saved: Saved | None


class TrainedText(NamedTuple):
    """A model of text.

    Attributes:
        spec, arrays: of the file.
        model: itself.
        judged: all that were tried, the chosen one first, then what is beside them.
        typed: text of the articles that judged.
    """

    spec: TextSpec
    arrays: Arrays
    model: TextModel
    judged: tuple[JudgedModel, ...]
    typed: str


def units_for(size: int) -> int:
    """Return the largest state whose network takes no more bytes."""
    fits = [units for units in range(8, _LARGEST_UNITS + 1, 4) if _gru_bytes(units) <= size]
    return fits[-1] if fits else 8


def _gru_bytes(units: int) -> int:
    rows = SYMBOLS + 3 * units + SYMBOLS
    return 3 * units * SYMBOLS + 3 * units * units + SYMBOLS * units + 4 * (rows + 3 * units + units + SYMBOLS)


def train_text(
    articles: Sequence[Article],
    how: TextTraining,
    name: str,
    say: Callable[[str], None] = lambda _: None,
) -> TrainedText:
    """Train, choose and judge.

    Args:
        articles: of a corpus; a fifth judges, a tenth chooses.
        how: what is tried.
        name: of the model.
        say: hears what is being done.
    """
    shuffled = [articles[i] for i in np.random.default_rng(how.seed).permutation(len(articles))]
    tests, choosing = (max(1, round(part * len(shuffled))) for part in (_TEST, _VALIDATION))
    judging = _first(shuffled[:tests], _JUDGED)
    test = joined(judging)
    validation = joined(shuffled[tests : tests + choosing])[:_CHOOSING]
    training = joined(shuffled[tests + choosing :])
    tried: list[tuple[float, TextModel, Arrays]] = []
    for kind in how.kinds:
        say(f"Training {kind} on {len(training):,} characters")
        if kind == "ngram":
            model, arrays = ngram_model(training, size=how.size)
            tried.append((model.bits(validation), model, arrays))
        else:
            network, arrays = train_gru(
                training, validation, GruTraining(units=units_for(how.size), steps=how.steps), how.seed
            )
            tried.append((network.bits(validation), network, arrays))
    tried.sort(key=lambda one: one[0])
    say(f"Judging on {len(test):,} characters of {tests} other articles")
    typed = "".join(map(decode, test.tolist()))
    judged = [_judged(model.kind, model, judging, typed, how) for _, model, _ in tried]
    judged.append(_judged("ngram without a limit", ngram_model(training)[0], judging, typed, how))
    if how.words:
        words = word_list("".join(map(decode, training.tolist())))
        saved = type_words(typed, by_word_list(words), how.words, how.seed)
        judged.append(JudgedModel("word list", sum(len(word) + 1 for word in words), None, saved))
    _, chosen, arrays = tried[0]
    vectors = [TextVector(text=text, bits=chosen.bits(encode(text))) for text in _pieces(typed)]
    spec = TextSpec(
        name=name,
        kind=chosen.kind,
        vectors=tuple(vectors),
        trained={
            "characters": len(training), "articles": len(articles), "test_articles": tests,
            "parameters": chosen.parameters, "bytes": chosen.bytes,
            "bits_per_byte": msgspec.to_builtins(judged[0].bits),
        },
    )  # fmt: skip
    return TrainedText(spec, arrays, chosen, tuple(judged), typed)


def _first(articles: Sequence[Article], characters: int) -> list[Article]:
    """Return the first articles with so many characters in all, the last one cut."""
    found: list[Article] = []
    for article in articles:
        left = characters - sum(len(one.codes) for one in found)
        if left > 0:
            found.append(article._replace(codes=article.codes[:left]))
    return found


def _bits(model: TextModel, articles: Sequence[Article], seed: int) -> Interval:
    """Return bits per byte over articles, each from its beginning, with a bootstrap over articles."""
    lengths = np.array([len(article.codes) for article in articles])
    bits = lengths * [model.bits(article.codes) for article in articles]
    draws = np.random.default_rng(seed).integers(0, len(articles), (_DRAWS, len(articles)))
    low, high = np.quantile(bits[draws].sum(axis=1) / lengths[draws].sum(axis=1), (0.025, 0.975))
    method = f"bootstrap of {len(articles)} articles, 95 %"
    return Interval(value=float(bits.sum() / lengths.sum()), low=float(low), high=float(high), method=method)


def _judged(name: str, model: TextModel, articles: Sequence[Article], typed: str, how: TextTraining) -> JudgedModel:
    saved = type_words(typed, by_model(model), how.words, how.seed) if how.words else None
    return JudgedModel(name, model.bytes, _bits(model, articles, how.seed), saved)


def _pieces(text: str) -> list[str]:
    """Return a few short texts of the beginning, for test vectors."""
    return [text[begin : begin + 60] for begin in range(0, min(len(text), 240), 60)]

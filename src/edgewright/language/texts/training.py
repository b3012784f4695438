"""Training of a model of text: n-grams and a network of one size, chosen on some articles, judged on others once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from edgewright.language.texts.corpus import Article, joined
from edgewright.language.texts.counting import ngram_model
from edgewright.language.texts.recurrent import Arrays, GruTraining, train_gru
from edgewright.nlp.texts.contract import SYMBOLS, TextModel, decode, encode
from edgewright.nlp.texts.suggest import suggest
from edgewright.schema.language import TextSpec, TextVector
from edgewright.schema.trace import Interval

Suggest = Callable[[str], Sequence[str]]
"""Text so far -> words."""
_WORD = re.compile(r"[A-Za-z0-9']+")


class Saved(NamedTuple):
    """Keystrokes of the words of a text.

    Attributes:
        share: of keystrokes saved, where one choice costs one.
        next_word: share of words that were suggested before their first character.
        words: that were typed.
    """

    share: float
    next_word: float
    words: int


def type_words(text: str, suggesting: Suggest, words: int, seed: int = 0) -> Saved:
    """Type words of a text and take a suggestion as soon as it is right.

    Args:
        text: that is typed.
        suggesting: suggests words.
        words: at most so many, drawn at random.
        seed: seed of the draw.
    """
    matches = [match for match in _WORD.finditer(text) if match.start() > 0]
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.choice(len(matches), min(words, len(matches)), replace=False).tolist())
    needed = typed = first = 0
    for match in (matches[index] for index in chosen):
        # The word and the space after it, which a suggestion brings along.
        needed += len(match[0]) + 1
        for count in range(len(match[0]) + 1):
            if count < len(match[0]) and match[0] in suggesting(text[: match.start() + count]):
                first += count == 0
                typed += count + 1
                break
        else:
            typed += len(match[0]) + 1
    return Saved(1 - typed / max(needed, 1), first / max(len(chosen), 1), len(chosen))


def by_model(model: TextModel) -> Suggest:
    """Return three suggestions of a model."""
    return lambda text: [suggestion.word for suggestion in suggest(model, text)]


def word_list(text: str) -> list[str]:
    """Return the words of a text, the most frequent first."""
    return [word for word, _ in Counter(_WORD.findall(text)).most_common()]


def by_word_list(ordered: Sequence[str]) -> Suggest:
    """Return the three most frequent words that begin as what is typed: what a word list can do."""

    def suggesting(typed: str) -> list[str]:
        begun = re.search(r"[A-Za-z0-9']*$", typed)
        start = begun[0] if begun else ""
        return [word for word in ordered if word.startswith(start) and word != start][:3]

    return suggesting


KINDS = ("ngram", "gru")
_TEST, _VALIDATION = 0.2, 0.1
_LARGEST_UNITS = 128
_MAX_TESTS = 20_000
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
        name: name of the kind, or 'ngram without a limit' or 'word list' beside them.
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
        results: all that were tried, the chosen one first, then what is beside them.
        typed: text of the articles that judged.
    """

    spec: TextSpec
    arrays: Arrays
    model: TextModel
    results: tuple[JudgedModel, ...]
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
        name: name of the model.
        say: hears what is being done.
    """
    shuffled = [articles[i] for i in np.random.default_rng(how.seed).permutation(len(articles))]
    tests, choosing = (max(1, round(part * len(shuffled))) for part in (_TEST, _VALIDATION))
    judging = _first(shuffled[:tests], _MAX_TESTS)
    test = joined(judging)
    validation = joined(shuffled[tests : tests + choosing])[:_CHOOSING]
    training = joined(shuffled[tests + choosing :])
    candidates: list[tuple[float, TextModel, Arrays]] = []
    for kind in how.kinds:
        say(f"Training {kind} on {len(training):,} characters")
        if kind == "ngram":
            model, arrays = ngram_model(training, size=how.size)
            candidates.append((model.bits(validation), model, arrays))
        else:
            network, arrays = train_gru(
                training, validation, GruTraining(units=units_for(how.size), steps=how.steps), how.seed
            )
            candidates.append((network.bits(validation), network, arrays))
    candidates.sort(key=lambda candidate: candidate[0])
    say(f"Judging on {len(test):,} characters of {tests} other articles")
    typed = "".join(map(decode, test.tolist()))
    results = [_result(model.kind, model, judging, typed, how) for _, model, _ in candidates]
    results.append(_result("ngram without a limit", ngram_model(training)[0], judging, typed, how))
    if how.words:
        words = word_list("".join(map(decode, training.tolist())))
        saved = type_words(typed, by_word_list(words), how.words, how.seed)
        results.append(JudgedModel("word list", sum(len(word) + 1 for word in words), None, saved))
    _, chosen, arrays = candidates[0]
    vectors = [TextVector(text=text, bits=chosen.bits(encode(text))) for text in _pieces(typed)]
    spec = TextSpec(
        name=name,
        kind=chosen.kind,
        vectors=tuple(vectors),
        trained={
            "characters": len(training), "articles": len(articles), "test_articles": tests,
            "parameters": chosen.parameters, "bytes": chosen.bytes,
            "bits_per_byte": msgspec.to_builtins(results[0].bits),
        },
    )  # fmt: skip
    return TrainedText(spec, arrays, chosen, tuple(results), typed)


def _first(articles: Sequence[Article], characters: int) -> list[Article]:
    """Return the first articles with so many characters in all, the last one cut."""
    kept: list[Article] = []
    for article in articles:
        left = characters - sum(len(shortened.codes) for shortened in kept)
        if left > 0:
            kept.append(article._replace(codes=article.codes[:left]))
    return kept


def _bits(model: TextModel, articles: Sequence[Article], seed: int) -> Interval:
    """Return bits per byte over articles, each from its beginning, with a bootstrap over articles."""
    lengths = np.array([len(article.codes) for article in articles])
    bits = lengths * [model.bits(article.codes) for article in articles]
    draws = np.random.default_rng(seed).integers(0, len(articles), (_DRAWS, len(articles)))
    low, high = np.quantile(bits[draws].sum(axis=1) / lengths[draws].sum(axis=1), (0.025, 0.975))
    method = f"bootstrap of {len(articles)} articles, 95 %"
    return Interval(value=float(bits.sum() / lengths.sum()), low=float(low), high=float(high), method=method)


def _result(name: str, model: TextModel, articles: Sequence[Article], typed: str, how: TextTraining) -> JudgedModel:
    saved = type_words(typed, by_model(model), how.words, how.seed) if how.words else None
    return JudgedModel(name, model.bytes, _bits(model, articles, how.seed), saved)


def _pieces(text: str) -> list[str]:
    """Return a few short texts of the beginning, for test vectors."""
    return [text[begin : begin + 60] for begin in range(0, min(len(text), 240), 60)]

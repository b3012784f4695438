"""What tells the sentence that answers from the others: figures of each candidate, from word numbers alone.

BM25 is that of Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009, with k1 1.2 and b 0.75, divided by
the sum of the question's weights, so that figures of short and long questions compare.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.nlp.documents.media import Integers, Vectors
from edgewright.nlp.documents.words import (
    STOP,
    WEAK,
    asks_for,
    fold,
    is_instruction,
    is_task,
    is_trouble,
    others,
    stems,
    without_frame,
)

K1, B = 1.2, 0.75
BACKGROUND = 1000
TITLE = 3.0
"""What a word of a heading counts against one of the text, for a whole passage."""
NAMES = ("sentence", "titled", "window", "covered", "passage_covered", "pairs", "passage", "kind", "length",
         "title_covered", "led_to", "title_both", "passage_pairs", "window_covered", "early", "trouble",
         "title_asked", "meaning", "passage_meaning", "title_meaning", "meaning_before")  # fmt: skip
"""Columns of the figures; the last four need vectors and are 0 without."""
Figures = NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """A passage that may answer, as the index holds it.

    Attributes:
        passage: its number.
        section: number of its section.
        heading: the innermost heading; '' without.
        title: word numbers of all headings.
        words: word numbers of all sentences.
        counts: words of each sentence, shape (sentences,).
        first: number of its first sentence in the whole index.
        page, text, spans: as `schema.documents.Passage` has them, spans of shape (sentences, 2).
        meaning: scalar products with the question's vector, shape (sentences,); None without vectors.
        title_meaning: that of the headings.
    """

    passage: int
    section: int
    heading: str
    title: Integers
    words: Integers
    counts: Integers
    first: int
    page: int
    text: str
    spans: Integers
    meaning: Vectors | None = None
    title_meaning: float = 0.0


@dataclass(frozen=True)
class Weighed:
    """Weights of the question's words among sentences, or among passages with their headings.

    Attributes:
        weights: of each; inverse document frequency.
        total: their sum, words that the index does not know included.
        mean: words of a mean sentence or passage.
    """

    weights: NDArray[np.float64]
    total: float
    mean: float


@dataclass(frozen=True)
class QuestionWords:
    """The question's words that the index knows.

    Attributes:
        terms: word numbers, each once, in the order of the question.
        sentences, passages: what they weigh.
        trouble: whether something does not work.
        forms: for each word of the whole question, verbs and the words around it included, its numbers in the index.
    """

    terms: Sequence[int]
    sentences: Weighed
    passages: Weighed
    trouble: bool
    forms: Sequence[frozenset[int]]


def weight(holding: int, of: int) -> float:
    """Inverse document frequency of a word that `holding` of `of` texts hold, as if `BACKGROUND` more were without it.

    In a leaflet of ten sentences every word would else be common, and one that it lacks would outweigh all others.
    """
    return math.log(1 + (of + BACKGROUND - holding + 0.5) / (holding + 0.5))


def figures(question_words: QuestionWords, candidates: Sequence[Candidate]) -> tuple[Figures, Integers]:
    """Return figures of every sentence of the candidates.

    Returns:
        Shape (sentences, len(NAMES)), and the candidate of each sentence, shape (sentences,).
    """
    counts = np.concatenate([c.counts for c in candidates])
    owner = np.repeat(np.arange(len(candidates), dtype=np.int32), [len(c.counts) for c in candidates])
    words = np.concatenate([c.words for c in candidates])
    terms, last = question_words.terms, max(len(question_words.terms) - 1, 1)
    sentence = np.repeat(np.arange(len(counts)), counts)
    best_match, pairs, rights = _matches(terms, words, sentence, len(counts))
    sizes = np.array([len(c.title) for c in candidates])
    of = np.repeat(np.arange(len(candidates)), sizes)
    titled, _, titled_rights = _matches(terms, np.concatenate([c.title for c in candidates]), of, len(candidates))
    weights, total, mean = (
        question_words.sentences.weights,
        max(question_words.sentences.total, 1e-9),
        question_words.sentences.mean,
    )
    mean_titled = mean + float(sizes.mean())
    table = np.zeros((len(counts), len(NAMES)))
    table[:, 0] = weights @ _bm25(best_match, counts, mean) / total
    table[:, 1] = weights @ _bm25(best_match + titled[:, owner], counts + sizes[owner], mean_titled) / total
    around, wide = _window(best_match, owner), _window(counts[None].astype(np.float64), owner)[0]
    table[:, 2] = weights @ _bm25(around, wide, 3 * mean) / total
    table[:, 3] = weights @ (best_match > 0) / total
    whole = np.zeros((len(terms), len(candidates)))
    starts = np.searchsorted(owner, np.arange(len(candidates)))
    if len(terms):
        whole = np.add.reduceat(best_match, starts, axis=1) + titled
    table[:, 4] = (weights @ (whole > 0) / total)[owner]
    lengths = np.add.reduceat(counts, starts) + sizes
    ranks = question_words.passages.weights @ _bm25(whole + (TITLE - 1) * titled, lengths, question_words.passages.mean)
    table[:, 6] = (ranks / max(question_words.passages.total, 1e-9))[owner]
    table[:, 5] = pairs / last
    table[:, 8] = np.log1p(counts) / 3
    precise = np.count_nonzero(titled, axis=0) / np.maximum(sizes, 1)
    table[:, 9] = precise[owner]
    # 'It is ...': what the sentence before says of the question and this one does not.
    same = owner[1:] == owner[:-1]
    table[1:, 10] = weights @ ((best_match[:, :-1] > 0) & (best_match[:, 1:] == 0)) / total * same
    # The title is the question: each has the words of the other.
    share = weights @ (titled > 0) / total
    table[:, 11] = (2 * share * precise / np.maximum(share + precise, 1e-9))[owner]
    seen = np.zeros((len(terms) + 1, len(candidates)), bool)
    seen[rights[0], owner[rights[1]]] = True
    seen[titled_rights] = True
    table[:, 12] = seen.sum(axis=0)[owner] / last
    table[:, 13] = weights @ (around > 0) / total
    table[:, 14] = 1 / (1 + np.arange(len(owner)) - starts[owner])
    if question_words.trouble:
        table[:, 15] = np.array([is_trouble(c.heading) for c in candidates])[owner]
    # 'Connecting to the app' before 'Using the app' where somebody wants to connect: a verb counts like any word.
    headings = [{*c.title.tolist()} for c in candidates]
    shared = [sum(not heading.isdisjoint(numbers) for numbers in question_words.forms) for heading in headings]
    table[:, 16] = (np.array(shared) / max(len(question_words.forms), 1))[owner]
    if candidates[0].meaning is not None:
        table[:, 17] = np.concatenate([c.meaning for c in candidates if c.meaning is not None])
        table[:, 18] = np.maximum.reduceat(table[:, 17], starts)[owner]
        table[:, 19] = np.array([c.title_meaning for c in candidates])[owner]
        table[1:, 20] = table[:-1, 17] * same
    return table, owner


def _matches(
    terms: Sequence[int], words: Integers, sentence: NDArray[np.intp], sentences: int
) -> tuple[Figures, Figures, tuple[NDArray[np.int32], NDArray[np.intp]]]:
    """How often each sentence holds each term, and the neighbours of the question that stand side by side in it.

    Returns:
        Counts of shape (terms, sentences), neighbours of each sentence, and of each pair of neighbours the term that
        stands right and its sentence.
    """
    matches = np.zeros((len(terms), sentences))
    location = np.full(len(words), -2, np.int32)
    for number, term in enumerate(terms):
        at = np.flatnonzero(words == term)
        if len(at):
            location[at] = number
            matches[number] = np.bincount(sentence[at], minlength=sentences)
    side = (location[1:] == location[:-1] + 1) & (location[1:] > 0) & (sentence[1:] == sentence[:-1])
    pairs = np.bincount(sentence[1:][side], minlength=sentences).astype(np.float64)
    return matches, pairs, (location[1:][side], sentence[1:][side])


def _bm25(frequencies: Figures, sizes: NDArray[np.int32] | Figures, mean: float) -> Figures:
    return np.asarray(frequencies * (K1 + 1) / (frequencies + K1 * (1 - B + B * sizes / max(mean, 1e-9))))


def _window(values: Figures, owner: Integers) -> Figures:
    """Each sentence with the one before and the one after it, where they are of the same passage."""
    summed = values.copy()
    same = owner[1:] == owner[:-1]
    summed[:, 1:] += values[:, :-1] * same
    summed[:, :-1] += values[:, 1:] * same
    return summed


ANSWER_NAMES = (
    "passage_covered", "passage", "trouble", "window_covered", "rival",
    "rival_passage", "unknown",
    "unknown_name", "missing_name", "as_written", "other_kind", "task", "topic_only", "passage_meaning",
    "title_meaning",
)  # fmt: skip
"""Pieces of evidence; the last two need vectors and are 0 without."""
_OF_FIGURES = [NAMES.index(name) for name in ANSWER_NAMES if name in NAMES]
_AT = [ANSWER_NAMES.index(name) for name in ANSWER_NAMES if name in NAMES]
_WINDOW, _PASSAGE, TOPIC_ONLY = (
    NAMES.index("window_covered"),
    NAMES.index("passage_covered"),
    ANSWER_NAMES.index("topic_only"),
)
TOPIC = 0.1
"""Probability where a passage holds one word of a task: 'View how battery power is used' changes no batteries."""
# In the order of ANSWER_NAMES, and a constant.
WORDS = np.array([1.83, 1.65, 1.61, 0.93, -2.07, -1.72, -1.92, -0.93, -0.76, 2.42, -0.18, -0.4, -0.96, 0.0, 0.0, -0.42])
HYBRID = np.array([3.64, 0.72, 0.91, 0.19, -1.99, -1.17, -0.94, -0.53, -0.81, 1.17, -0.6, -0.12, -0.33, 5.74, -0.36,
                   -2.97])  # fmt: skip
LIMIT_WORDS, LIMIT_HYBRID = 0.61, 0.61
# A name: a capital that does not begin the question.
_NAME = re.compile(r"(?<=\S )[\"'\u201c(]?[A-Z][\w.\u2019'-]*")
_WORD = re.compile(r"[^\W_]+")


def evidence(
    question: str,
    terms: Sequence[int],
    unknown: Collection[str],
    table: Figures,
    owner: Integers,
    candidates: Sequence[Candidate],
    row: int,
) -> Figures:
    """Return what speaks for and against the sentence that answers best.

    Args:
        question: as it was asked.
        terms: numbers of its words.
        unknown: stems of it that the index does not know.
        table: figures of all candidate sentences, shape (sentences, len(features.NAMES)).
        owner: candidate of each sentence, shape (sentences,).
        candidates: passages.
        row: of the sentence.

    Returns:
        Shape (len(ANSWER_NAMES),).
    """
    candidate = candidates[owner[row]]
    at, last = row - int(np.searchsorted(owner, owner[row])), len(candidate.spans) - 1
    begin, end = candidate.spans[max(at - 1, 0), 0], candidate.spans[min(at + 1, last), 1]
    around = candidate.text[begin:end]
    elsewhere = np.array([other.section != candidate.section for other in candidates])[owner]
    named = {stem for name in _NAME.findall(question) for stem in stems(name)}
    asked_for = without_frame(question)
    words = set(stems(asked_for))
    written = set(_WORD.findall(fold(f"{around} {candidate.heading}")))
    content = [word for word in _WORD.findall(fold(asked_for)) if word not in STOP]
    task = is_task(question)
    test = asks_for(question) or (is_instruction if task else None)
    known = len({*terms}.intersection((*candidate.words.tolist(), *candidate.title.tolist())))
    lone = task and len(words) > 1 and known < 2
    # Most questions need no stems of the whole passage, which take a tenth of a millisecond.
    passage = {*stems(candidate.text), *stems(candidate.heading)} if named or lone else set()
    pieces = np.zeros(len(ANSWER_NAMES))
    pieces[_AT] = table[row, _OF_FIGURES]
    pieces[4] = table[elsewhere, _WINDOW].max(initial=0.0)
    pieces[5] = table[elsewhere, _PASSAGE].max(initial=0.0)
    pieces[6] = len(set(unknown) - WEAK) / max(len(words), 1)
    pieces[7] = not named.isdisjoint(unknown)
    pieces[8] = not named <= passage
    pieces[9] = sum(word in written for word in content) / max(len(content), 1)
    pieces[10] = test is not None and not test(around)
    pieces[11] = task
    pieces[12] = lone and sum(not passage.isdisjoint((word, *others(word))) for word in words) < 2
    return pieces


def probability(pieces: Figures, hybrid: bool) -> float:
    """Probability that the documents answer.

    Args:
        pieces: shape (len(ANSWER_NAMES),).
        hybrid: whether the question had a vector.
    """
    if pieces[TOPIC_ONLY]:
        return TOPIC
    chosen = HYBRID if hybrid else WORDS
    return float(1 / (1 + np.exp(-(pieces @ chosen[:-1] + chosen[-1]))))

"""Whether a passage answers a question: a logistic regression on evidence, not on the score alone.

`benchmarks/language/weights.py` learns the weights, on questions whose section was taken out of the document, too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import numpy as np

from edgewright.nlp.documents.features import NAMES as FIGURES
from edgewright.nlp.documents.features import Candidate, Figures
from edgewright.nlp.documents.index_file import Integers
from edgewright.nlp.documents.questions import asks_for, is_instruction, is_task, without_frame
from edgewright.nlp.documents.words import STOP, WEAK, fold, others, stems

NAMES = ("passage_covered", "passage", "trouble", "window_covered", "rival", "rival_passage", "unknown", "unknown_name",
         "missing_name", "as_written", "other_kind", "task", "topic_only", "passage_meaning",
         "title_meaning")  # fmt: skip
"""Pieces of evidence; the last two need vectors and are 0 without."""
_OF_FIGURES = [FIGURES.index(name) for name in NAMES if name in FIGURES]
_AT = [NAMES.index(name) for name in NAMES if name in FIGURES]
_WINDOW, _PASSAGE, TOPIC_ONLY = (
    FIGURES.index("window_covered"),
    FIGURES.index("passage_covered"),
    NAMES.index("topic_only"),
)
TOPIC = 0.1
"""Probability where a passage holds one word of a task: 'View how battery power is used' changes no batteries."""
# In the order of NAMES, and a constant.
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
        Shape (len(NAMES),).
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
    pieces = np.zeros(len(NAMES))
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
        pieces: shape (len(NAMES),).
        hybrid: whether the question had a vector.
    """
    if pieces[TOPIC_ONLY]:
        return TOPIC
    chosen = HYBRID if hybrid else WORDS
    return float(1 / (1 + np.exp(-(pieces @ chosen[:-1] + chosen[-1]))))

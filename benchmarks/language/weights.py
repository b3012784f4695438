"""Learns the weights of `nlp/documents/search.py`: `python -m benchmarks.language.weights [ENCODER]`.

Ranking: pairwise logistic regression, the best right sentence against the thirty best wrong ones, on the questions that
are there to choose on; which sentence of a manual's section is the right one is not marked, so it is the best by the
weights so far.

Whether the answer is there: logistic regression on the figures of the best sentence and the document's size, on the
sources of `benchmarks/language/answerable.py`, each source equal but for those that lack a section, which differ least
from an answer. Nine questions of ten are taken to have one. The limit is the highest at which the 95 % CI of the share
of answerable questions refused ends below `MOST` in every kind of document, as weights judge them that were learnt
without their article or section.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from benchmarks.language.answerable import MAX_REFUSED, sets, sources
from benchmarks.language.document_sets import Question, index_of, interval, truths
from edgewright.language.embedding import load
from edgewright.nlp.documents import search
from edgewright.nlp.documents.features import NAMES
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.nlp.utterance.head import Encodes

ROUNDS, RIVALS, STRENGTH = 4, 30, 0.05
# The manual's sections do not say which of their sentences answers, so they count for less.
MANUAL = 0.25
WORDS_ONLY = NAMES.index("meaning")
# Of all questions those that have an answer, and the weight of documents whose section was taken out against others.
ANSWERABLE, LACKING = 0.9, 0.05
Floats = NDArray[np.float64]
Case = tuple[Floats, NDArray[np.bool_]]


class Remembered:
    """An encoder that makes each vector once."""

    def __init__(self, encoder: Encodes) -> None:
        self.name, self.dimensions = encoder.name, encoder.dimensions
        self._encoder, self._built = encoder, dict[str, NDArray[np.float32]]()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape (n, d)."""
        new = [text for text in dict.fromkeys(texts) if text not in self._built]
        if new:
            self._built.update(zip(new, self._encoder.encode(new), strict=True))
        return np.stack([self._built[text] for text in texts])


def cases(index: Path, questions: Sequence[Question], encoder: Encodes | None) -> list[Case]:
    """Return figures of the candidates of each question, and which of them are right."""
    answered_rows = []
    with DocumentIndex(index) as opened:
        for question, right in zip(questions, truths(index, questions), strict=True):
            looked = opened.look(question.text, None if encoder is None else encoder.encode([question.text])[0])
            if looked is not None:
                answered_rows.append((looked[0], np.isin(looked[1], list(right))))
    return answered_rows


def ranking(sets: Sequence[tuple[Sequence[Case], float]], columns: int, start: Floats) -> Floats:
    """Return weights by pairs."""
    learnt = start.copy()
    for _ in range(ROUNDS):
        pairs, shares = [], []
        for some, share in sets:
            rows = [_pairs(figures, right, learnt) for figures, right in some if right.any() and not right.all()]
            pairs += rows
            shares += [np.full(len(row), share / sum(map(len, rows)) * 1e4) for row in rows]
        differences, share_of = np.concatenate(pairs)[:, :columns], np.concatenate(shares)
        model = LogisticRegression(C=STRENGTH, fit_intercept=False, max_iter=5000)
        model.fit(
            np.concatenate([differences, -differences]),
            np.repeat([1, 0], len(differences)),
            sample_weight=np.concatenate([share_of, share_of]),
        )
        learnt = np.zeros(len(NAMES))
        learnt[:columns] = model.coef_[0]
    return learnt


def _pairs(figures: Floats, right: NDArray[np.bool_], learnt: Floats) -> Floats:
    scores = figures @ learnt
    best = np.flatnonzero(right)[np.argmax(scores[right])]
    wrong = np.flatnonzero(~right)
    return np.asarray(figures[best] - figures[wrong[np.argsort(-scores[wrong], kind="stable")[:RIVALS]]])


def tops(index: Path, questions: Sequence[Question], encoder: Encodes | None, learnt: Floats) -> Floats:
    """Return figures of the best sentence of each question, shape (questions, figures)."""
    feature_rows = []
    with DocumentIndex(index) as opened:
        for question in questions:
            looked = opened.look(question.text, None if encoder is None else encoder.encode([question.text])[0])
            feature_rows.append(np.zeros(len(NAMES)) if looked is None else looked[0][np.argmax(looked[0] @ learnt)])
    return np.stack(feature_rows)


def main() -> None:
    """Print the weights: of words, and of words and vectors where an encoder is named."""
    encoder = Remembered(load(Path(sys.argv[1]))) if len(sys.argv) > 1 else None
    every = sets()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, using, columns, start in (
            ("WORDS", None, WORDS_ONLY, search.WORDS),
            *((("HYBRID", encoder, len(NAMES), search.HYBRID),) if encoder else ()),
        ):
            of = {}
            for part, (blocks, questions) in every.items():
                whole = index_of(folder / f"{part}.index", blocks, using)
                of[part] = cases(whole, [q for q in questions if q.chosen_on], using)
                whole.unlink()
            learnt = np.round(ranking([(of["manual"], MANUAL), (of["xquad"], 1.0)], columns, start), 2)
            print(f"{name} = np.array({learnt.tolist()})")
            _there(name, folder, using, learnt, columns)


def _there(name: str, folder: Path, encoder: Encodes | None, learnt: Floats, columns: int) -> None:
    """Print the weights of whether the answer is there, and the limit."""
    tables, names, groups, truth = [], [], [], []
    for source in sources(folder, True, encoder):
        top_hits = tops(source.index, source.questions, encoder, learnt)
        with DocumentIndex(source.index) as opened:
            size = np.full(len(top_hits), np.log(opened.contents.sentences))
        tables.append(np.column_stack([top_hits[:, :columns], size]))
        names += [source.name] * len(top_hits)
        truth += [source.answerable] * len(top_hits)
        # With an article's document goes all that was asked of it.
        groups += [source.group or question.group for question in source.questions]
    table, kind, right = np.concatenate(tables), np.array(names), np.array(truth)
    sure = np.zeros(len(table))
    for kept, out in GroupKFold(5).split(table, groups=groups):
        sure[out] = _fitted(table[kept], right[kept], kind[kept]).predict_proba(table[out])[:, 1]
    is_evaluated = [right & (kind == one) for one in ("xquad article", "xquad whole", "manual whole")]
    group = np.array(groups)
    limit = 0.01 * max(
        step for step in range(1, 100)
        if all(interval([*(sure[some] < 0.01 * step)], [*group[some]])[1] < MAX_REFUSED for some in is_evaluated)
    )  # fmt: skip
    for source_name in dict.fromkeys(names):
        for answerable in (True, False):
            some = (kind == source_name) & (right == answerable)
            if some.any():
                text = f"{source_name}, {'answerable' if answerable else 'not'}"
                print(f"# {text}: {np.mean(sure[some] < limit):.3f} refused")
    model = _fitted(table, right, kind)
    weights = np.zeros(len(NAMES) + 2)
    weights[:columns], weights[-2:] = model.coef_[0][:-1], (model.coef_[0][-1], model.intercept_[0])
    print(f"THERE_{name} = np.array({np.round(weights, 2).tolist()})")
    print(f"THRESHOLD_{name} = {limit:.2f}")


def _fitted(table: Floats, right: NDArray[np.bool_], kind: NDArray[np.str_]) -> LogisticRegression:
    shares = np.zeros(len(table))
    for answerable, prior in ((True, ANSWERABLE), (False, 1 - ANSWERABLE)):
        for name in np.unique(kind):
            some = (kind == name) & (right == answerable)
            shares[some] = (LACKING if "lacking" in name else 1.0) / max(some.sum(), 1)
        side = right == answerable
        shares[side] *= prior * len(table) / shares[side].sum()
    return LogisticRegression(C=1.0, max_iter=5000).fit(table, right, sample_weight=shares)


if __name__ == "__main__":
    main()

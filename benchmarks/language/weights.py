"""Learns the weights of documents: `python -m benchmarks.language.weights [ENCODER]`.

Ranking (`nlp/documents/search.py`): the softmax over all candidate sentences should lie on those that are right, on the
questions that are there to choose on; which sentence of a manual's section answers is not marked, so any may. By words,
questions whose own section is not in the manual's file are left out: the section above it, which counts as right,
seldom answers. With vectors they stay and `title_asked` weighs nothing: both put fewer right sections first (ADR 33).

Whether the answer is there (`nlp/documents/answerability.py`): logistic regression on the evidence for the best
sentence, on the sources of `benchmarks/language/answerable.py`. In every kind of document the questions that lack an
answer count alike; nine questions of ten are taken to have one. The limit is the highest at which the share of
answerable questions refused stays below `MARGIN`, the mean of all kinds of document, as weights judge them that were
learnt without their article or section.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from benchmarks.language.answerable import sets, sources
from benchmarks.language.document_sets import Question, Remembered, index_of, truths
from edgewright.language.embedding import load
from edgewright.nlp.documents import search
from edgewright.nlp.documents.answerability import TOPIC, TOPIC_ONLY
from edgewright.nlp.documents.features import NAMES as FIGURES
from edgewright.nlp.documents.features import WORDS_ONLY
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.nlp.utterance.head import Encodes

STRENGTH = 0.03
# The manual's sections do not say which of their sentences answers, so they count for less.
MANUAL = 0.4
# Of all questions those that are taken to have an answer, and of those the share that may be refused.
ANSWERABLE, MARGIN = 0.9, 0.03
# Whether the document answers, and its kind: the questions of one kind of document with and without weigh alike.
SHARES = {
    (True, "whole"): 1.0, (False, "whole"): 0.15, (False, "section"): 0.6, (False, "lacking"): 0.25,
    (True, "leaflet"): 0.5, (False, "leaflet"): 0.25, (False, "leaflet section"): 0.25,
    (True, "article"): 0.7, (False, "article"): 0.35, (False, "article section"): 0.35,
}  # fmt: skip
Floats = NDArray[np.float64]
Case = tuple[Floats, NDArray[np.bool_]]


def cases(index: Path, questions: Sequence[Question], encoder: Encodes | None) -> list[Case]:
    """Return figures of the candidates of each question, and which of them are right."""
    answered_rows = []
    with DocumentIndex(index) as opened:
        for question, right in zip(questions, truths(index, questions), strict=True):
            looked = opened.look(question.text, None if encoder is None else encoder.encode([question.text])[0])
            if looked is not None:
                answered_rows.append((looked[0], np.isin(looked[1], list(right))))
    return answered_rows


def ranking(sets: Sequence[tuple[Sequence[Case], float]], columns: list[int]) -> Floats:
    """Return weights of figures, 0 for those not in `columns`; each set counts by its share."""
    kept, shares = [], []
    for some, share in sets:
        useful = [case for case in some if case[1].any() and not case[1].all()]
        kept += useful
        shares += [share / len(useful)] * len(useful)
    table, right = np.concatenate([case[0][:, columns] for case in kept]), np.concatenate([case[1] for case in kept])
    sizes = np.array([len(case[1]) for case in kept])
    starts, owner = np.r_[0, np.cumsum(sizes)[:-1]], np.repeat(np.arange(len(kept)), sizes)
    share_of, strength = np.array(shares), STRENGTH * table.var(axis=0)

    def loss(weights: Floats) -> tuple[float, Floats]:
        scores = table @ weights
        likely = np.exp(scores - np.maximum.reduceat(scores, starts)[owner])
        every, those = np.add.reduceat(likely, starts), np.add.reduceat(likely * right, starts) + 1e-300
        slope = (likely / every[owner] - likely * right / those[owner]) * share_of[owner]
        value = -(share_of * np.log(those / every)).sum() + (strength * weights**2).sum()
        return float(value), slope @ table + 2 * strength * weights

    learnt = np.zeros(len(FIGURES))
    learnt[columns] = minimize(loss, np.zeros(len(columns)), jac=True, method="L-BFGS-B").x
    return learnt


def main() -> None:
    """Print the weights: of words, and of words and vectors where an encoder is named."""
    encoder = Remembered(load(Path(sys.argv[1]))) if len(sys.argv) > 1 else None
    every = sets()
    with_vectors = [column for column, name in enumerate(FIGURES) if name != "title_asked"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, using, columns, weights in (
            ("WORDS", None, list(range(WORDS_ONLY)), search.WORDS),
            *((("HYBRID", encoder, with_vectors, search.HYBRID),) if encoder else ()),
        ):
            of = {}
            for part, (blocks, questions) in every.items():
                whole = index_of(folder / f"{part}.index", blocks, using)
                of[part] = cases(whole, [q for q in questions if q.chosen_on and (q.exact or using is not None)], using)
                whole.unlink()
            weights[:] = np.round(ranking([(of["manual"], MANUAL), (of["xquad"], 1 - MANUAL)], columns), 2)
            print(f"search.{name} = np.array({weights.tolist()})")
            _answerability(name, folder, using)


def _answerability(name: str, folder: Path, encoder: Encodes | None) -> None:
    """Print the weights of whether the answer is there, and the limit."""
    tables, names, groups, truth = [], [], [], []
    for source in sources(folder, True, encoder):
        with DocumentIndex(source.index) as opened:
            for question in source.questions:
                vector = None if encoder is None else encoder.encode([question.text])[0]
                pieces = opened.evidence(question.text, vector)
                if pieces is not None:
                    tables.append(pieces)
                    names.append(source.name)
                    truth.append(source.answerable)
                    # With an article's document goes all that was asked of it.
                    groups.append(source.group or question.group)
    table, kind, right, group = np.stack(tables), np.array(names), np.array(truth), np.array(groups)
    sure = np.zeros(len(table))
    for kept, out in GroupKFold(5).split(table, groups=group):
        sure[out] = _fitted(table[kept], right[kept], kind[kept]).predict_proba(table[out])[:, 1]
    sure[table[:, TOPIC_ONLY] > 0] = TOPIC
    rows = [(one, right & (kind == one)) for one in dict.fromkeys(kind[right])]
    limit = 0.01 * max(
        step for step in range(1, 100) if np.mean([np.mean(sure[some] < 0.01 * step) for _, some in rows]) < MARGIN
    )
    for text, some in (*rows, *((f"{one}, not", ~right & (kind == one)) for one in dict.fromkeys(kind[~right]))):
        print(f"# {text}: {np.mean(sure[some] < limit):.3f} refused")
    model = _fitted(table, right, kind)
    print(f"answerability.{name} = np.array({np.round([*model.coef_[0], model.intercept_[0]], 2).tolist()})")
    print(f"LIMIT_{name} = {limit:.2f}")


def _fitted(table: Floats, right: NDArray[np.bool_], kind: NDArray[np.str_]) -> LogisticRegression:
    shares = np.zeros(len(table))
    for name in np.unique(kind):
        for answerable in (True, False):
            some = (kind == name) & (right == answerable)
            if some.any():
                shares[some] = SHARES[answerable, str(name).split(" ", 1)[1]] / some.sum()
    for answerable, part in ((True, ANSWERABLE), (False, 1 - ANSWERABLE)):
        shares[right == answerable] *= part / shares[right == answerable].sum()
    return LogisticRegression(C=1.0, max_iter=5000).fit(table, right, sample_weight=shares * len(table))


if __name__ == "__main__":
    main()

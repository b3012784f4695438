"""Learns the weights of `runtime/documents/weights.py`: `python -m benchmarks.language.weights ENCODER`.

Ranking: pairwise logistic regression, the best right sentence against the thirty best wrong ones, on the questions that
are there to choose on; which sentence of a manual's section is the right one is not marked, so it is the best by the
weights so far. Whether the answer is there: logistic regression on the figures of the best sentence. Questions without
an answer are those of the choosing part put to an index that lacks their section or article, and those of the other
set; and small documents of a few sections, with questions to them and to others.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from benchmarks.language.document_sets import Question, index_of, leaflets, manual, truths, without, xquad
from benchmarks.language.row import DATA
from edgewright.language.documents.index import Encodes
from edgewright.language.embedding import load
from edgewright.runtime.documents import weights
from edgewright.runtime.documents.features import NAMES
from edgewright.runtime.documents.search import DocumentIndex

ROUNDS, RIVALS, STRENGTH = 4, 30, 0.05
# The manual's sections do not say which of their sentences answers, so they count for less.
MANUAL = 0.25
WORDS_ONLY = NAMES.index("meaning")
Floats = NDArray[np.float64]
Case = tuple[Floats, NDArray[np.bool_]]


class Remembered:
    """An encoder that makes each vector once."""

    def __init__(self, encoder: Encodes) -> None:
        self.name, self.dimensions = encoder.name, encoder.dimensions
        self._encoder, self._made = encoder, dict[str, NDArray[np.float32]]()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, shape (n, d)."""
        new = [text for text in dict.fromkeys(texts) if text not in self._made]
        if new:
            self._made.update(zip(new, self._encoder.encode(new), strict=True))
        return np.stack([self._made[text] for text in texts])


def cases(index: Path, questions: Sequence[Question], encoder: Encodes | None) -> list[Case]:
    """Figures of the candidates of each question, and which of them are right."""
    made = []
    with DocumentIndex(index) as opened:
        for question, right in zip(questions, truths(index, questions), strict=True):
            looked = opened.look(question.text, None if encoder is None else encoder.encode([question.text])[0])
            if looked is not None:
                made.append((looked[0], np.isin(looked[1], list(right))))
    return made


def ranking(sets: Sequence[tuple[Sequence[Case], float]], columns: int, start: Floats) -> Floats:
    """Weights by pairs."""
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
    """Figures of the best sentence of each question, shape (questions, figures)."""
    made = []
    with DocumentIndex(index) as opened:
        for question in questions:
            looked = opened.look(question.text, None if encoder is None else encoder.encode([question.text])[0])
            made.append(np.zeros(len(NAMES)) if looked is None else looked[0][np.argmax(looked[0] @ learnt)])
    return np.stack(made)


def main() -> None:
    """Prints the weights."""
    encoder = Remembered(load(Path(sys.argv[1])))
    sets = {"manual": manual(DATA / "emanual-qa"), "xquad": xquad(DATA / "xquad-en")}
    chosen = {name: [q for q in questions if q.chosen_on] for name, (_, questions) in sets.items()}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        whole = {n: index_of(folder / f"{n}.index", blocks, encoder) for n, (blocks, _) in sets.items()}
        lacking = {
            n: index_of(folder / f"{n}-lacking.index", without(blocks, chosen[n]), encoder)
            for n, (blocks, _) in sets.items()
        }
        for name, using, columns, start in (
            ("WORDS", None, WORDS_ONLY, weights.WORDS),
            ("HYBRID", encoder, len(NAMES), weights.HYBRID),
        ):
            of = {n: cases(whole[n], chosen[n], using) for n in sets}
            learnt = np.round(ranking([(of["manual"], MANUAL), (of["xquad"], 1.0)], columns, start), 2)
            print(f"{name} = np.array({learnt.tolist()})")
            yes = [tops(whole[n], chosen[n], using, learnt) for n in sets]
            no = [tops(lacking[n], chosen[n], using, learnt) for n in sets]
            for name_of, (blocks, _) in sets.items():
                for blocks_of, own, others in leaflets(blocks, chosen[name_of]):
                    leaflet = index_of(folder / "leaflet.index", blocks_of, encoder)
                    yes.append(tops(leaflet, own, using, learnt))
                    no.append(tops(leaflet, others, using, learnt))
            no += [tops(whole[n], chosen[o], using, learnt) for n, o in (("manual", "xquad"), ("xquad", "manual"))]
            _there(name, np.concatenate(yes), np.concatenate(no))


def _there(name: str, yes: Floats, no: Floats) -> None:
    figures, truth = np.concatenate([yes, no]), np.repeat([1, 0], [len(yes), len(no)])
    model = LogisticRegression(C=1.0, class_weight="balanced", max_iter=5000).fit(figures, truth)
    learnt = np.round(np.append(model.coef_[0], model.intercept_[0]), 2)
    sure = 1 / (1 + np.exp(-(figures @ learnt[:-1] + learnt[-1])))
    cuts = np.linspace(0.05, 0.95, 91)
    balanced = [(np.mean(sure[truth == 1] >= c) + np.mean(sure[truth == 0] < c)) / 2 for c in cuts]
    best = float(cuts[int(np.argmax(balanced))])
    print(f"THERE_{name} = np.array({learnt.tolist()})")
    print(f"THRESHOLD_{name} = {best:.2f}  # balanced accuracy {max(balanced):.3f} on what it was chosen on")


if __name__ == "__main__":
    main()

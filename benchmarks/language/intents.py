"""SNIPS intents: five folds of the full files, seed 0; n-grams were chosen on the training part of the first.

A student answers as `language train` leaves it: its limit comes from a fifth of the fold's training part, and an
utterance that it refuses counts as wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from benchmarks.language.row import DATA, Row, encoder_directory, left_out
from edgewright.language.embedding import load
from edgewright.language.intents.parts import parted
from edgewright.language.intents.train import How, TrainedHead, logits_of, train_student
from edgewright.language.utterances import read
from edgewright.nlp.records import StudentSpec, Utterance
from edgewright.nlp.utterance.student import Student

SIZE, LESS, MIN_ACCURACY = 64_000, 0.003, 0.980
TASK = "SNIPS intents, 5 folds, right"
Folds = list[tuple[NDArray[np.int64], NDArray[np.int64]]]


def utterances() -> list[Utterance]:
    """All of the full files, in the order of their names."""
    return [one for path in sorted((DATA / "snips").glob("train_*_full.json")) for one in read(path).utterances]


def folds(intents: Sequence[str]) -> Folds:
    """Five, of which each is judged once."""
    return list(StratifiedKFold(5, shuffle=True, random_state=0).split(np.zeros(len(intents)), list(intents)))


def rows() -> list[Row]:
    """Return the student, and its peers in the same run."""
    given = utterances()
    texts = np.array([one.text for one in given], object)
    targets = np.unique([one.intent for one in given], return_inverse=True)[1]
    parts = folds([one.intent for one in given])
    ours, named, size = [], [], 0
    for train, test in parts:
        trained = train_student(parted([given[k] for k in train], (), 0), How(size=SIZE))
        size = trained.bytes
        right, refused = answers(trained, list(texts[test]), targets[test])
        ours.append(float(np.mean(right & ~refused)))
        named.append(float(np.mean(right)))
    svm, length = _svm(texts, targets, parts)
    minimum = float(np.mean(svm)) - LESS
    rows_made = [
        Row(TASK, "int8 student, as answered", _summary(ours), f"{size / 1000:.1f} kB",
            f"{100 * MIN_ACCURACY:.1f}; 64 kB",
            float(np.mean(ours)) >= MIN_ACCURACY and size <= SIZE),
        Row(TASK, "the same, were nothing refused", _summary(named), "", f"SVM less .3: {100 * minimum:.2f}",
            float(np.mean(named)) >= minimum),
        Row(TASK, "TF-IDF (1, 2) + linear SVM, scikit-learn", _summary(svm), f"{length / 1e6:.1f} MB"),
    ]  # fmt: skip
    return rows_made + _encoder(list(texts), targets, parts)


def answers(
    trained: TrainedHead, texts: list[str], truth: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of which texts the likeliest intent is right, and which are refused, each of shape (n,)."""
    if not isinstance(trained.spec, StudentSpec):
        raise TypeError("a student")
    logits = logits_of(trained.spec, trained.arrays, texts)
    return logits.argmax(axis=1) == truth, refusals(trained, logits)


def refusals(trained: TrainedHead, logits: NDArray[Any]) -> NDArray[np.bool_]:
    """Which texts a student refuses, shape (n,), by their integer logits."""
    if not isinstance(trained.spec, StudentSpec):
        raise TypeError("a student")
    limits = Student(trained.spec, trained.arrays, len(trained.intents), "the student").limits
    return np.asarray(logits.max(axis=1) < limits[logits.argmax(axis=1)], np.bool_)


def _svm(texts: NDArray[np.object_], targets: NDArray[np.int64], parts: Folds) -> tuple[list[float], int]:
    accuracies, length = [], 0
    for train, test in parts:
        model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LinearSVC())
        model.fit(texts[train], targets[train])
        length = model[-1].coef_.nbytes + sum(len(word) for word in model[0].vocabulary_)
        accuracies.append(float(np.mean(model.predict(texts[test]) == targets[test])))
    return accuracies, length


def _encoder(texts: list[str], targets: NDArray[np.int64], parts: Folds) -> list[Row]:
    path = encoder_directory()
    if path is None:
        return [left_out(TASK, "MiniLM + logistic regression", "no encoder; EDGEWRIGHT_ENCODER names one")]
    encoder = load(path)
    vectors = encoder.encode(texts)
    accuracies = []
    for train, test in parts:
        model = LogisticRegression(C=10, max_iter=300).fit(vectors[train], targets[train])
        accuracies.append(float(np.mean(model.predict(vectors[test]) == targets[test])))
    return [Row(TASK, "MiniLM + logistic regression", _summary(accuracies), f"{encoder.bytes / 1e6:.0f} MB")]


def _summary(values: Sequence[float]) -> str:
    return f"{100 * np.mean(values):.2f} % ({100 * min(values):.2f} to {100 * max(values):.2f})"

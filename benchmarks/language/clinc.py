"""CLINC150: trained on train, judged on val; with all labels, and with ten a class and the rest without labels."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from benchmarks.language.row import DATA, Row, encoder_directory, left_out
from edgewright.language.embedding import Encoder, load
from edgewright.language.embedding.remembering import Remembering
from edgewright.language.intents.integers import size_in_bytes
from edgewright.language.intents.limit import auroc, auroc_interval
from edgewright.language.intents.teacher import Teacher
from edgewright.language.intents.train import How, fit_student, logits_of
from edgewright.schema.language import StudentSpec
from edgewright.training.metrics import wilson

SIZE, LEAST, LEAST_AREA, LEAST_FEW, FEW = 600_000, 0.94, 0.965, 0.90, 10
TASK = "CLINC150, in scope / out-of-scope AUROC"
FEW_TASK = "CLINC150, ten labels a class"
Texts = list[str]
Scores = NDArray[Any]


class Given(msgspec.Struct, frozen=True):
    """Texts and class numbers of train and val, and texts out of scope."""

    train: Texts
    targets: NDArray[np.int64]
    val: Texts
    truth: NDArray[np.int64]
    outside: Texts
    classes: int


def rows() -> list[Row]:
    """The student with and without a teacher, and the peers."""
    given = read()
    made = [_row("TF-IDF (1, 2) + linear SVM, scikit-learn", *_svm(given), given)]
    path = encoder_directory()
    if path is None:
        spec, arrays = fit_student(given.train, given.targets, given.classes, How(size=SIZE))
        absent = "no encoder; EDGEWRIGHT_ENCODER names one"
        missing = [left_out(task, "MiniLM + logistic regression", absent) for task in (TASK, FEW_TASK)]
        return [*made, _student(given, spec, arrays), *missing]
    encoder = Remembering(load(path))
    head = LogisticRegression(C=10, max_iter=300).fit(encoder.encode(given.train), given.targets)
    known, unknown = (head.decision_function(encoder.encode(texts)) for texts in (given.val, given.outside))
    made.append(_row("MiniLM + logistic regression", known, unknown, f"{encoder.bytes / 1e6:.0f} MB", given))
    spec, arrays = fit_student(given.train, given.targets, given.classes, How(size=SIZE), Teacher(encoder))
    return [_student(given, spec, arrays), *made, *few(given, encoder)]


def read() -> Given:
    """The parts that there are."""
    found = msgspec.json.decode(
        (DATA / "clinc150" / "data_full.json").read_bytes(), type=dict[str, list[tuple[str, str]]]
    )
    names, targets = np.unique([intent for _, intent in found["train"]], return_inverse=True)
    truth = np.searchsorted(names, [intent for _, intent in found["val"]])
    texts = {part: [text for text, _ in pairs] for part, pairs in found.items()}
    return Given(texts["train"], targets, texts["val"], truth, texts["oos_val"], len(names))


def few(given: Given, encoder: Encoder) -> list[Row]:
    """Ten labels a class, drawn with seed 0; the other texts of train are without labels."""
    random = np.random.default_rng(0)
    chosen = np.concatenate([
        random.choice(np.flatnonzero(given.targets == k), FEW, replace=False) for k in range(given.classes)
    ])  # fmt: skip
    texts, targets = [given.train[k] for k in chosen], given.targets[chosen]
    picked = set(chosen.tolist())
    others = [text for k, text in enumerate(given.train) if k not in picked]
    teacher = Teacher(encoder)
    spec, arrays = fit_student(texts, targets, given.classes, How(size=SIZE), teacher, others)
    alone = fit_student(texts, targets, given.classes, How(size=SIZE))
    size = size_in_bytes(arrays)

    def right(logits: Scores) -> float:
        return float(np.mean(logits.argmax(axis=1) == given.truth))

    found, taught = right(logits_of(spec, arrays, given.val)), right(teacher.logits(encoder.encode(given.val)))
    return [
        Row(FEW_TASK, "int8 student of pseudo-labels", _share(found, given), f"{size / 1000:.0f} kB", "90 %; 600 kB",
            found >= LEAST_FEW and size <= SIZE),
        Row(FEW_TASK, "its teacher", _share(taught, given), f"{encoder.bytes / 1e6:.0f} MB"),
        Row(FEW_TASK, "int8 student of the labels alone", _share(right(logits_of(*alone, given.val)), given), ""),
    ]  # fmt: skip


def _student(given: Given, spec: StudentSpec, arrays: dict[str, Scores]) -> Row:
    known, unknown = (logits_of(spec, arrays, texts) for texts in (given.val, given.outside))
    size = size_in_bytes(arrays)
    row = _row("int8 student", known, unknown, f"{size / 1000:.0f} kB", given)
    right = float(np.mean(known.argmax(axis=1) == given.truth))
    within = right >= LEAST and auroc(known.max(axis=1), unknown.max(axis=1)) >= LEAST_AREA and size <= SIZE
    return Row(row.task, row.model, row.reached, row.takes, "94.0 % / .965; 600 kB", within)


def _row(model: str, known: Scores, unknown: Scores, takes: str, given: Given) -> Row:
    right = float(np.mean(known.argmax(axis=1) == given.truth))
    area = auroc(known.max(axis=1), unknown.max(axis=1))
    low, high = auroc_interval(known.max(axis=1), unknown.max(axis=1))
    return Row(TASK, model, f"{_share(right, given)} / {area:.3f} ({low:.3f} to {high:.3f})", takes)


def _share(value: float, given: Given) -> str:
    found = wilson(round(value * len(given.truth)), len(given.truth))
    return f"{100 * value:.2f} % ({100 * found.low:.1f} to {100 * found.high:.1f})"


def _svm(given: Given) -> tuple[Scores, Scores, str]:
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LinearSVC())
    model.fit(given.train, given.targets)
    length = model[-1].coef_.nbytes + sum(len(word) for word in model[0].vocabulary_)
    return model.decision_function(given.val), model.decision_function(given.outside), f"{length / 1e6:.0f} MB"

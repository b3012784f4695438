"""CLINC150: trained on train, judged on half of val; with all labels, and with ten a class and the rest without labels.

Things were chosen on the other half of val and of its sentences out of scope. These also set the limit of a student, as
`language train --validation` does, with the sentences out of scope of train. A refusal in scope counts as wrong.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from benchmarks.language.intents import answers, refusals
from benchmarks.language.row import DATA, Row, encoder_directory, left_out
from edgewright.language.embedding import Encoder, load
from edgewright.language.embedding.directory import Remembering
from edgewright.language.intents.material import Teacher
from edgewright.language.intents.network import size_in_bytes
from edgewright.language.intents.parts import Parts
from edgewright.language.intents.train import How, fit_student, logits_of, train_student
from edgewright.nlp.records import StudentSpec
from edgewright.training.metrics import auroc_interval, wilson

SIZE, LEAST_FEW, FEW = 600_000, 0.90, 10
# Right as answered, were nothing refused, and area.
MIN_ANSWERED, LEAST_NAMED, LEAST_AREA = 0.91, 0.94, 0.97
TASK = "CLINC150, half of val, in scope / out-of-scope AUROC"
FEW_TASK = "CLINC150, ten labels a class"
Texts = list[str]
Scores = NDArray[Any]


class Given(msgspec.Struct, frozen=True):
    """Texts and class numbers of train and of both halves of val, and texts out of scope.

    Attributes:
        train, targets: to fit on.
        judges, judged: the half that things are chosen on, with class numbers.
        known_outside: out of scope, of train and of that half.
        val, truth, outside: the other half, which is reported.
        names: of the intents.
    """

    train: Texts
    targets: NDArray[np.int64]
    judges: Texts
    judged: NDArray[np.int64]
    known_outside: Texts
    val: Texts
    truth: NDArray[np.int64]
    outside: Texts
    names: tuple[str, ...]

    @property
    def classes(self) -> int:
        """Number of intents."""
        return len(self.names)


def rows() -> list[Row]:
    """Return the student with and without a teacher, and the peers."""
    given = read()
    rows = [*student(given), alone(given), _row("TF-IDF (1, 2) + linear SVM, scikit-learn", *_svm(given), given)]
    path = encoder_directory()
    if path is None:
        absent = "no encoder; EDGEWRIGHT_ENCODER names one"
        return [*rows, *(left_out(task, "MiniLM + logistic regression", absent) for task in (TASK, FEW_TASK))]
    encoder = Remembering(load(path))
    head = LogisticRegression(C=10, max_iter=300).fit(encoder.encode(given.train), given.targets)
    known, unknown = (head.decision_function(encoder.encode(texts)) for texts in (given.val, given.outside))
    rows.append(_row("MiniLM + logistic regression", known, unknown, f"{encoder.bytes / 1e6:.0f} MB", given))
    return [*rows, *student(given, Teacher(encoder)), *taught(given, encoder)]


def read() -> Given:
    """Return the parts that there are."""
    document = msgspec.json.decode(
        (DATA / "clinc150" / "data_full.json").read_bytes(), type=dict[str, list[tuple[str, str]]]
    )
    names, targets = np.unique([intent for _, intent in document["train"]], return_inverse=True)
    truth = np.searchsorted(names, [intent for _, intent in document["val"]])
    texts = {part: [text for text, _ in pairs] for part, pairs in document.items()}
    random = np.random.default_rng(17)
    chosen = np.zeros(len(truth), np.bool_)
    for k in range(len(names)):
        own = np.flatnonzero(truth == k)
        chosen[random.permutation(own)[: len(own) // 2]] = True
    is_validation = np.zeros(len(texts["oos_val"]), np.bool_)
    is_validation[random.permutation(len(is_validation))[: len(is_validation) // 2]] = True
    return Given(
        texts["train"], targets, _kept(texts["val"], chosen), truth[chosen],
        [*texts["oos_train"], *_kept(texts["oos_val"], is_validation)],
        _kept(texts["val"], ~chosen), truth[~chosen], _kept(texts["oos_val"], ~is_validation), tuple(map(str, names)),
    )  # fmt: skip


def _kept(texts: Texts, which: NDArray[np.bool_]) -> Texts:
    return [text for text, keep in zip(texts, which, strict=True) if keep]


def few(given: Given) -> tuple[Texts, NDArray[np.int64], Texts]:
    """Ten labels a class, drawn with seed 0, with their class numbers; and the other texts of train, without labels."""
    random = np.random.default_rng(0)
    chosen = np.concatenate([
        random.choice(np.flatnonzero(given.targets == k), FEW, replace=False) for k in range(given.classes)
    ])  # fmt: skip
    picked = set(chosen.tolist())
    others = [text for k, text in enumerate(given.train) if k not in picked]
    return [given.train[k] for k in chosen], given.targets[chosen], others


def alone(given: Given) -> Row:
    """Return what `language train` makes of the few labels alone."""
    texts, targets, _ = few(given)
    parts = Parts(given.names, texts, targets, given.judges, given.judged, given.known_outside, False)
    trained = train_student(parts, How(size=SIZE))
    right, refused = answers(trained, given.val, given.truth)
    shown = f"{_share(float(np.mean(right)), given)}, as answered {100 * np.mean(right & ~refused):.1f} %"
    form = "linear" if isinstance(trained.spec, StudentSpec) and trained.spec.hidden == given.classes else "network"
    return Row(FEW_TASK, f"int8 student of the labels alone ({form})", shown, f"{trained.bytes / 1000:.0f} kB")


def taught(given: Given, encoder: Encoder) -> list[Row]:
    """Return what the other texts add without labels, by a teacher."""
    texts, targets, others = few(given)
    teacher = Teacher(encoder)
    spec, arrays = fit_student(texts, targets, given.classes, How(size=SIZE), teacher, others)
    size = size_in_bytes(arrays)

    def right(logits: Scores) -> float:
        return float(np.mean(logits.argmax(axis=1) == given.truth))

    student_share, best = right(logits_of(spec, arrays, given.val)), right(teacher.logits(encoder.encode(given.val)))
    return [
        Row(
            FEW_TASK,
            "int8 student of pseudo-labels",
            _share(student_share, given),
            f"{size / 1000:.0f} kB",
            "90 %; 600 kB",
            student_share >= LEAST_FEW and size <= SIZE,
        ),
        Row(FEW_TASK, "its teacher", _share(best, given), f"{encoder.bytes / 1e6:.0f} MB"),
    ]


def student(given: Given, teacher: Teacher | None = None) -> list[Row]:
    """Return what a user gets by default, and what the likeliest intent alone would give."""
    parts = Parts(given.names, given.train, given.targets, given.judges, given.judged, given.known_outside, False)
    trained = train_student(parts, How(size=SIZE), teacher=teacher)
    if not isinstance(trained.spec, StudentSpec):
        raise TypeError("a student")
    known, unknown = (logits_of(trained.spec, trained.arrays, texts) for texts in (given.val, given.outside))
    right, refused = answers(trained, given.val, given.truth)
    area = auroc_interval(known.max(axis=1), unknown.max(axis=1))
    shown = f"{area.value:.3f} ({area.low:.3f} to {area.high:.3f})"
    answered, name = float(np.mean(right & ~refused)), "int8 student" if teacher is None else "int8 student, taught"
    gone = float(np.mean(refusals(trained, unknown)))
    return [
        Row(TASK, f"{name}, as answered",
            f"{_share(answered, given)} / {shown}; {100 * np.mean(refused):.1f} % refused, out of scope "
            f"{100 * gone:.0f} %", f"{trained.bytes / 1000:.0f} kB",
            f"{100 * MIN_ANSWERED:.0f} % / {LEAST_AREA}; 600 kB",
            answered >= MIN_ANSWERED and area.value >= LEAST_AREA and trained.bytes <= SIZE),
        Row(TASK, "the same, were nothing refused", _share(float(np.mean(right)), given), "",
            f"{100 * LEAST_NAMED:.0f} %", float(np.mean(right)) >= LEAST_NAMED),
    ]  # fmt: skip


def _row(model: str, known: Scores, unknown: Scores, takes: str, given: Given) -> Row:
    right = float(np.mean(known.argmax(axis=1) == given.truth))
    area = auroc_interval(known.max(axis=1), unknown.max(axis=1))
    return Row(TASK, model, f"{_share(right, given)} / {area.value:.3f} ({area.low:.3f} to {area.high:.3f})", takes)


def _share(value: float, given: Given) -> str:
    interval = wilson(round(value * len(given.truth)), len(given.truth))
    return f"{100 * value:.2f} % ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def _svm(given: Given) -> tuple[Scores, Scores, str]:
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LinearSVC())
    model.fit(given.train, given.targets)
    length = model[-1].coef_.nbytes + sum(len(word) for word in model[0].vocabulary_)
    return model.decision_function(given.val), model.decision_function(given.outside), f"{length / 1e6:.0f} MB"

"""From labelled utterances to a student or a head: fitted on one part, judged and calibrated on the other.

Every sentence is judged by students that were fitted without it and without its repetitions: each is left out in turn
where there are few, else a fifth of them at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags
from sklearn.linear_model import LogisticRegression

from edgewright.language.intents.material import Material, Say, Teacher, labelled, taught
from edgewright.language.intents.network import Fit, Network, integers, shape_for, size_in_bytes
from edgewright.language.intents.parts import IntentEvaluation, Parts, evaluate
from edgewright.nlp.utterance.head import STEP
from edgewright.nlp.utterance.normalise import normalised
from edgewright.nlp.utterance.student import Student, rows_of
from edgewright.pipeline.cost.duration_estimate import told_by_first
from edgewright.schema.language import HeadSpec, StudentSpec
from edgewright.training.permutation_test import sign_test

# Sentences up to which each is left out in turn, and parts beyond.
_ONE_BY_ONE, _PARTS = 20, 5
Fitted = tuple[StudentSpec, dict[str, NDArray[Any]]]
FitsText = Callable[[Sequence[str], NDArray[np.int64]], Fitted]
Logits = NDArray[np.float64]


class Rung(msgspec.Struct, frozen=True):
    """A student on the ladder.

    Attributes:
        name: of it.
        right: sentences that it answered right when they were left out.
        sentences: how many in all.
        p: of an exact sign test against the student that stood, over the sentences that only one of them answers
            right; None for the first.
    """

    name: str
    right: int
    sentences: int = msgspec.field(name="judged")
    p: float | None = None


def climb(
    students: Sequence[tuple[str, FitsText]],
    texts: Sequence[str],
    targets: NDArray[np.int64],
    logits_of: Callable[[Fitted, Sequence[str]], Logits],
    seed: int,
) -> tuple[FitsText, Logits, list[Rung]]:
    """Return the simplest student that no later one beats by more than a standard error of their difference.

    Args:
        students: names and fits, the simplest first.
        texts: sentences.
        targets: class numbers.
        logits_of: logits of a fitted student, shape (n, k).
        seed: seed of the parts.

    Returns:
        The fit that was chosen, its logits of each sentence when that was left out, shape (n, k), and the rungs tried.
    """
    parts = _parts(texts, targets, seed)
    shape = (len(texts), int(targets.max()) + 1)
    best, best_logits, best_right = students[0][1], np.zeros(shape), np.zeros(len(texts), np.bool_)
    rungs: list[Rung] = []
    for name, fit in students:
        if rungs and len(texts) - best_right.sum() <= 1:
            # Not even one without a mistake would be clearly better.
            break
        logits = np.zeros(shape)
        for number in range(int(parts.max()) + 1):
            out = parts == number
            fitted = fit([text for text, gone in zip(texts, out, strict=True) if not gone], targets[~out])
            logits[out] = logits_of(fitted, [text for text, gone in zip(texts, out, strict=True) if gone])
        right = logits.argmax(axis=1) == targets
        won, lost = int((right & ~best_right).sum()), int((best_right & ~right).sum())
        p = sign_test(max(won, lost), won + lost) if rungs else None
        if not rungs or won - lost > math.sqrt(won + lost):
            best, best_logits, best_right = fit, logits, right
        rungs.append(Rung(name, int(right.sum()), len(right), p))
    return best, best_logits, rungs


def _parts(texts: Sequence[str], targets: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return the part of each sentence: repetitions in one, and no intent wholly in one."""
    places: dict[str, int] = {}
    which = np.array([places.setdefault(normalised(text), len(places)) for text in texts], np.int64)
    kinds = np.zeros(len(places), np.int64)
    kinds[which] = targets
    order = np.random.default_rng(seed).permutation(len(places))
    order = order[np.argsort(kinds[order], kind="stable")]
    part = np.zeros(len(places), np.int64)
    part[order] = np.arange(len(places)) % (len(places) if len(places) <= _ONE_BY_ONE else _PARTS)
    return part[which]


def bags(texts: Sequence[str], characters: tuple[int, ...], words: tuple[int, ...], rows: int) -> csr_matrix:
    """Return n-gram counts of texts over the rows of the table, shape (n, rows), float32.

    Args:
        texts: as they are written.
        characters: sizes of the n-grams of characters.
        words: sizes of the n-grams of words.
        rows: of the table.
    """
    rows_of_texts = [rows_of(normalised(text), characters, words, rows) for text in texts]
    lengths = np.array([len(hashed) for hashed in rows_of_texts], np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    columns = np.concatenate(rows_of_texts) if rows_of_texts else np.zeros(0, np.int64)
    weights = np.repeat(1.0 / np.sqrt(np.maximum(lengths, 1)), lengths)
    return csr_matrix(
        (weights.astype(np.float32), columns.astype(np.int32), starts.astype(np.int32)), shape=(len(texts), rows)
    )


# Inverse penalty; chosen on half of CLINC150's intents (docs/adr/0057-language-as-answered.md).
_PENALTY, _ITERATIONS = 10.0, 300
# By how much the hidden values of new sentences may exceed those of the training.
_ROOM = 1.5
# Of a table below which n-grams fall together too often.
_FEWEST_ROWS = 1_000


def rows_for(size: int, classes: int) -> int:
    """Return rows of a linear student of at most so many bytes; 0 where that is too few for a table.

    Never more than the network's: in .tflite and ONNX each takes a byte of memory.
    """
    rows = (size - classes * (classes + 8)) // classes
    return min(rows, shape_for(size, classes)[0]) if rows >= _FEWEST_ROWS else 0


def fit_linear(
    texts: Sequence[str],
    targets: NDArray[np.int64],
    classes: int,
    rows: int,
    characters: tuple[int, ...],
    words: tuple[int, ...],
) -> tuple[StudentSpec, dict[str, NDArray[Any]]]:
    """One fit, without a temperature or a limit.

    Args:
        texts: sentences.
        targets: class numbers, each of 0 to classes - 1 at least once.
        classes: number of intents.
        rows: of the table, as `rows_for` gives them.
        characters: sizes of the n-grams of characters.
        words: sizes of the n-grams of words.
    """
    counts = bags(texts, characters, words, rows)
    counts.sum_duplicates()
    document_counts = np.bincount(counts.indices, minlength=rows)
    rarity = np.log((1 + len(texts)) / (1 + document_counts)) + 1
    weighed = csr_matrix(counts @ diags(rarity))
    model = LogisticRegression(C=_PENALTY, max_iter=_ITERATIONS, class_weight="balanced").fit(weighed, targets)
    weights, offsets = model.coef_.T, model.intercept_
    if classes == 2:
        # Two classes have one column in scikit-learn.
        weights, offsets = np.hstack([-weights / 2, weights / 2]), np.concatenate([-offsets / 2, offsets / 2])
    table = np.asarray(rarity[:, None] * weights, np.float32)
    network = Network(rows, classes, Fit(hidden=classes))
    raised = max(float(np.abs(counts @ table).max()), 1e-3) * _ROOM
    network.weights = {
        "table": table, "bias": np.full(classes, raised, np.float32),
        "head": np.eye(classes, dtype=np.float32), "last": np.asarray(offsets - raised, np.float32),
    }  # fmt: skip
    network.set_scales(counts)
    network.top = 2 * raised
    return integers(network, characters, words)


Arrays = dict[str, NDArray[Any]]
# Steps of training; few texts are gone through more often.
_STEPS, _FEWEST_EPOCHS, _MOST_EPOCHS = 3_500, 10, 200
# Sentences an intent, in the mean, and in all, up to which simpler students are tried, too.
_FEW, _FEW_IN_ALL = 40, 1_000
# Bytes from which on n-grams of four lengths do better than of two (docs/adr/0057-language-as-answered.md).
_LARGE = 256_000
# Numbers of words of the n-grams.
WORDS = (1, 2)


class How(msgspec.Struct, frozen=True):
    """What a student is to be.

    Attributes:
        size: bytes of its arrays at most.
        epochs: passes; judged by the number of texts when 0.
        reject: share of the right answers that may be refused; None for the default.
        seed: of all that is drawn.
    """

    size: int = 64_000
    epochs: int = 0
    reject: float | None = None
    seed: int = 0

    @property
    def read(self) -> tuple[int, ...]:
        """Lengths of the n-grams of characters: more of them take twice the time and need the room."""
        return (2, 3, 4, 5) if self.size >= _LARGE else (3, 4)


class TrainedHead(msgspec.Struct, frozen=True):
    """A trained student, or a head for gateways; the ladder of students where there were few examples."""

    intents: tuple[str, ...]
    spec: StudentSpec | HeadSpec
    arrays: Arrays
    evaluation: IntentEvaluation
    bytes: int
    ladder: tuple[Rung, ...] = ()


def train_student(
    parts: Parts,
    how: How,
    *,
    teacher: Teacher | None = None,
    unlabelled: Sequence[str] = (),
    say: Say | None = None,
) -> TrainedHead:
    """Fit on one part, judges and calibrates on the other; where that was held out, the last fit is on both.

    Args:
        parts: of the utterances; those out of scope set the limit, and are never a class.
        how: size and n-grams.
        teacher: whose answers it learns, too.
        unlabelled: texts that only a teacher can use.
        say: told what is done.

    Raises:
        InputError: a size without room.
    """
    classes = len(parts.intents)
    network = partial(fit_student, classes=classes, how=how, teacher=teacher, unlabelled=unlabelled)
    everything = [*parts.texts, *parts.judges] if parts.held_out else parts.texts
    targets = np.concatenate([parts.targets, parts.truth]) if parts.held_out else parts.targets
    rows = rows_for(how.size, classes)
    if teacher is None and rows and len(everything) <= min(_FEW * classes, _FEW_IN_ALL):
        return _laddered(parts, everything, targets, how, rows, network, say)
    if say:
        source = "a fifth of each intent is held out" if parts.held_out else "the validation"
        say(f"{source}: {len(parts.truth):,} for validation")
    spec, arrays = network(parts.texts, parts.targets, say=say)
    raw, outside, unknown = (_scaled((spec, arrays), texts) for texts in (parts.judges, parts.outside, [""]))
    evaluation, heat = evaluate(raw, outside, parts.truth, how.reject, parts.held_out, unknown[0])
    if parts.held_out:
        if say:
            say("fitting on all of them")
        spec, arrays = network(everything, targets)
    return _trained(parts, (spec, arrays), evaluation, heat)


def train_head(parts: Parts, how: How, teacher: Teacher, unlabelled: Sequence[str] = ()) -> TrainedHead:
    """Return a head fitted on one part, judged on the other and, where that part was held out, then fitted on both.

    Args:
        parts: of the utterances.
        how: its seed.
        teacher: an encoder; its head is fitted here.
        unlabelled: texts that it learns from by its own surest answers, where they are more than the labelled ones.
    """
    others = teacher.encode(list(unlabelled)) if len(unlabelled) > len(parts.texts) else None

    def fit(texts: list[str], targets: NDArray[np.int64]) -> Arrays:
        vectors = teacher.encode(texts)
        teacher.fit(vectors, targets, seed=how.seed)
        if others is not None:
            teacher.fit_further(others, vectors, targets)
        return {"weights": teacher.weights, "offsets": teacher.bias}

    arrays = fit(parts.texts, parts.targets)
    raw = teacher.logits(teacher.encode(parts.judges)).astype(np.float64)
    outside = teacher.logits(teacher.encode(parts.outside)).astype(np.float64) if parts.outside else raw[:0]
    evaluation, heat = evaluate(raw, outside, parts.truth, how.reject, parts.held_out)
    if parts.held_out:
        arrays = fit([*parts.texts, *parts.judges], np.concatenate([parts.targets, parts.truth]))
    scale = STEP / heat
    spec = HeadSpec(encoder=teacher.encoder.name, dimensions=teacher.encoder.dimensions, scale=scale,
                    threshold=round(evaluation.threshold / scale))  # fmt: skip
    return TrainedHead(parts.intents, spec, arrays, evaluation, sum(array.nbytes for array in arrays.values()))


def _laddered(
    parts: Parts,
    texts: list[str],
    targets: NDArray[np.int64],
    how: How,
    rows: int,
    network: FitsText,
    say: Say | None,
) -> TrainedHead:
    """Return the student of a few examples: all of them are judged, each by a student that did not see it."""
    linear = partial(fit_linear, classes=len(parts.intents), rows=rows, characters=how.read, words=WORDS)
    fit, crossed, rungs = climb([("linear", linear), ("network", network)], texts, targets, _scaled, how.seed)
    if say:
        text = ", ".join(f"{rung.name} {rung.right} of {rung.sentences} right{_tested(rung)}" for rung in rungs)
        name = "linear" if fit is linear else "network"
        say(f"few examples, so cross-validation compares models: {text}; {name} is chosen")
    fitted = fit(texts, targets)
    truth = targets if parts.held_out else parts.truth
    raw = crossed if parts.held_out else _scaled(fitted, parts.judges)
    outside, unknown = (_scaled(fitted, some) for some in (parts.outside, [""]))
    evaluation, heat = evaluate(raw, outside, truth, how.reject, parts.held_out, unknown[0])
    return _trained(parts, fitted, evaluation, heat, tuple(rungs))


def _tested(rung: Rung) -> str:
    return "" if rung.p is None else f" (exact sign test: p {rung.p:.2g})"


def _trained(
    parts: Parts, fitted: Fitted, evaluation: IntentEvaluation, heat: float, ladder: tuple[Rung, ...] = ()
) -> TrainedHead:
    spec, arrays = fitted
    scale = spec.scale / heat
    spec = msgspec.structs.replace(spec, scale=scale, threshold=round(evaluation.threshold / scale))
    return TrainedHead(parts.intents, spec, arrays, evaluation, size_in_bytes(arrays), ladder)


def _scaled(fitted: Fitted, texts: Sequence[str]) -> NDArray[np.float64]:
    return logits_of(*fitted, texts) * fitted[0].scale


def fit_student(
    texts: Sequence[str],
    targets: NDArray[np.int64],
    classes: int,
    how: How,
    teacher: Teacher | None = None,
    unlabelled: Sequence[str] = (),
    say: Say | None = None,
) -> tuple[StudentSpec, Arrays]:
    """One fit, without a temperature or a limit; arguments as of `train_student`, with class numbers as targets."""
    material = (
        labelled(texts, targets, classes)
        if teacher is None
        else taught(texts, targets, classes, teacher, unlabelled=unlabelled, seed=how.seed, say=say)
    )
    return fit_material(material, classes, how, say)


def fit_material(material: Material, classes: int, how: How, say: Say | None = None) -> tuple[StudentSpec, Arrays]:
    """Return the student of what was put together."""
    rows, hidden = shape_for(how.size, classes)
    batch = 256 if len(material.texts) > 20_000 else 64 if len(material.texts) > 2_000 else 16
    epochs = how.epochs or int(np.clip(_STEPS * batch // len(material.texts), _FEWEST_EPOCHS, _MOST_EPOCHS))
    fit = Fit(hidden=hidden, epochs=epochs, batch=batch, seed=how.seed)
    network = Network(rows, classes, fit)
    every = max(1, epochs // 4)

    # The first epoch also counts the n-grams of all texts.
    step = told_by_first(lambda _: None, say or (lambda _: None), "Training the student", epochs, skipped=1)

    def on_epoch(epoch: int, loss: float) -> None:
        step(1)
        if say and (epoch + 1) % every == 0:
            say(f"  epoch {epoch + 1} of {epochs}: loss {loss:.4f}")

    network.train(bags(material.texts, how.read, WORDS, rows), material.targets, on_epoch)
    return integers(network, how.read, WORDS)


def logits_of(spec: StudentSpec, arrays: Arrays, texts: Sequence[str]) -> NDArray[np.float64]:
    """Return what the device computes, shape (n, k)."""
    classes = arrays["head"].shape[1]
    student = Student(spec, arrays, classes, "the student")
    return np.array([student.logits(text) for text in texts], np.float64).reshape(-1, classes)

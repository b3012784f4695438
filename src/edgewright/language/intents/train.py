"""From labelled utterances to a student or a head: fitted on one part, judged and calibrated on the other.

Every sentence is judged by students that were fitted without it and without its repetitions: each is left out in turn
where there are few, else a fifth of them at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags
from sklearn.linear_model import LogisticRegression

from edgewright.language.intents.material import Material, Say, Teacher, labelled, taught
from edgewright.language.intents.network import Fit, Network, integers, outside_of, shape_for, size_in_bytes
from edgewright.language.intents.parts import IntentEvaluation, Parts, different_sentences, evaluate
from edgewright.nlp.records import HeadSpec, StudentSpec
from edgewright.nlp.utterance.student import STEP, Student, rows_of
from edgewright.nlp.utterance.values import normalised
from edgewright.pipeline.cost import told_by_first

# Sentences up to which each is left out in turn, and parts beyond.
_ONE_BY_ONE, _PARTS = 20, 5
Fitted = tuple[StudentSpec, dict[str, NDArray[Any]]]
# Of texts, their class numbers and, by name, `outside`.
FitsText = Callable[..., Any]
Logits = NDArray[np.float64]


class Rung(msgspec.Struct, frozen=True):
    """How a student of few examples did.

    Attributes:
        name: of it.
        right: sentences that it answered right when they were left out.
        sentences: how many in all.
        p: of no test, because only one student is tried; kept for readers of the record.
    """

    name: str
    right: int
    sentences: int = msgspec.field(name="judged")
    p: float | None = None


class LeftOut(msgspec.Struct, frozen=True):
    """Logits of sentences by students that were fitted without them.

    Attributes:
        inside: of sentences with an intent, shape (n, k).
        outside: of sentences out of scope, shape (m, k).
    """

    inside: Logits
    outside: Logits


def leave_out(
    fit: FitsText,
    texts: Sequence[str],
    targets: NDArray[np.int64],
    outside: Sequence[str],
    logits_of: Callable[[Any, Sequence[str]], Logits],
    seed: int,
) -> LeftOut:
    """Fit without each part in turn.

    Args:
        fit: texts, their class numbers and texts out of scope to a fitted student.
        texts: sentences.
        targets: class numbers.
        outside: sentences out of scope.
        logits_of: logits of a fitted student, shape (n, k).
        seed: seed of the parts.
    """
    parts = _parts(texts, targets, seed)
    classes = int(targets.max()) + 1
    inside_logits, outside_logits = np.zeros((len(texts), classes)), np.zeros((len(outside), classes))
    outside_parts = np.arange(len(outside)) % (int(parts.max()) + 1)
    for number in range(int(parts.max()) + 1):
        out, away = parts == number, outside_parts == number
        fitted = fit(_kept(texts, ~out), targets[~out], outside=_kept(outside, ~away))
        inside_logits[out] = logits_of(fitted, _kept(texts, out))
        outside_logits[away] = logits_of(fitted, _kept(outside, away))
    return LeftOut(inside_logits, outside_logits)


def _kept(texts: Sequence[str], which: NDArray[np.bool_]) -> list[str]:
    return [text for text, keep in zip(texts, which, strict=True) if keep]


def _parts(texts: Sequence[str], targets: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return the part of each sentence: repetitions in one, and no intent wholly in one."""
    which, kinds = different_sentences(texts, targets)
    order = np.random.default_rng(seed).permutation(len(kinds))
    order = order[np.argsort(kinds[order], kind="stable")]
    part = np.zeros(len(kinds), np.int64)
    part[order] = np.arange(len(kinds)) % (len(kinds) if len(kinds) <= _ONE_BY_ONE else _PARTS)
    return part[which]


def bags(texts: Sequence[str], characters: tuple[int, ...], words: tuple[int, ...], rows: int) -> csr_matrix:
    """Return n-gram counts of texts over the rows of the table, shape (n, rows), float32.

    Args:
        texts: as they are written.
        characters: sizes of the n-grams of characters.
        words: sizes of the n-grams of words.
        rows: of the table.
    """
    rows_of_texts = [_rows(text, characters, words, rows) for text in texts]
    lengths = np.array([len(hashed) for hashed in rows_of_texts], np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    columns = np.concatenate(rows_of_texts) if rows_of_texts else np.zeros(0, np.int64)
    weights = np.repeat(1.0 / np.sqrt(np.maximum(lengths, 1)), lengths)
    return csr_matrix(
        (weights.astype(np.float32), columns.astype(np.int32), starts.astype(np.int32)), shape=(len(texts), rows)
    )


@lru_cache(maxsize=4_096)
def _rows(text: str, characters: tuple[int, ...], words: tuple[int, ...], rows: int) -> NDArray[np.int64]:
    """Return `rows_of`, which every fit of a few sentences and the background asks for again."""
    return rows_of(normalised(text), characters, words, rows)


# Inverse penalty; chosen on half of CLINC150's intents (docs/research/language.md).
_PENALTY, _ITERATIONS = 10.0, 300
# Of a class: below it, a text counts for nothing.
_SLIGHT = 0.02
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
    material: Material, classes: int, rows: int, characters: tuple[int, ...], words: tuple[int, ...]
) -> tuple[StudentSpec, dict[str, NDArray[Any]]]:
    """One fit, without a temperature or a limit.

    What is out of scope is one more class; its logit is taken from every intent's, so that it needs no memory. Each
    class weighs as much as the mean intent.

    Args:
        material: texts with probabilities of the intents and, last, of what is out of scope; each has a likely text.
        classes: number of intents.
        rows: of the table, as `rows_for` gives them.
        characters: sizes of the n-grams of characters.
        words: sizes of the n-grams of words.
    """
    everything = bags(material.texts, characters, words, rows)
    everything.sum_duplicates()
    document_counts = np.bincount(everything.indices, minlength=rows)
    rarity = np.log((1 + everything.shape[0]) / (1 + document_counts)) + 1
    weighed = csr_matrix(everything @ diags(rarity))
    targets = np.where(material.targets > _SLIGHT, material.targets, 0).astype(np.float64)
    sums = targets.sum(axis=0)
    targets *= sums[:-1].sum() / classes / sums
    samples, kinds = np.nonzero(targets)
    model = LogisticRegression(C=_PENALTY, max_iter=_ITERATIONS)
    model.fit(weighed[samples], kinds, sample_weight=targets[samples, kinds])
    weights, offsets = (part[:-1] - part[-1:] for part in (model.coef_, model.intercept_))
    table = np.asarray(rarity[:, None] * weights.T, np.float32)
    counts = everything[material.targets[:, -1] < 0.5]
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
# Times that a network sees an utterance out of scope where it sees a sentence of the background once.
_REPEATS = 3
# Sentences up to which a linear student is fitted, and the background sets the limit.
_FEW = 1_000
# Bytes from which on n-grams of four lengths do better than of two (docs/research/language.md).
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
    """A trained student, or a head for gateways; the ladder of students where there were few examples.

    Attributes:
        note: which of a taught and an untaught student this is, and why; empty where only one was fitted.
    """

    intents: tuple[str, ...]
    spec: StudentSpec | HeadSpec
    arrays: Arrays
    evaluation: IntentEvaluation
    bytes: int
    ladder: tuple[Rung, ...] = ()
    note: str = ""


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
        teacher: whose answers it learns, too; of few examples only where that pays on those left out.
        unlabelled: texts that only a teacher can use; more than there are examples are learnt from in any case.
        say: told what is done.

    Raises:
        InputError: a size without room.
    """
    classes = len(parts.intents)
    rows = rows_for(how.size, classes)
    if rows and _few(parts) and (teacher is None or len(set(unlabelled)) <= len(_all(parts)[0])):
        untaught = _linear(parts, how, rows, None, (), say)
        if teacher is None:
            return untaught
        return _chosen(untaught, _linear(parts, how, rows, teacher, unlabelled, say), teacher.encoder.name)
    if say:
        source = "a fifth of each intent is held out" if parts.held_out else "the validation"
        say(f"{source}: {len(parts.truth):,} for validation")
    network = partial(fit_student, classes=classes, how=how, teacher=teacher, unlabelled=unlabelled, say=say)
    return _trained(parts, *_evaluated(parts, how, network, _scaled, each=False))


def _all(parts: Parts) -> tuple[list[str], NDArray[np.int64]]:
    """Return all utterances that the last fit is on, and their class numbers."""
    if not parts.held_out:
        return parts.texts, parts.targets
    return [*parts.texts, *parts.judges], np.concatenate([parts.targets, parts.truth])


def _few(parts: Parts) -> bool:
    return len(_all(parts)[0]) <= _FEW


def train_head(parts: Parts, how: How, teacher: Teacher, unlabelled: Sequence[str] = ()) -> TrainedHead:
    """Return a head fitted on all utterances, and judged by heads that were fitted without them, or the validation.

    Args:
        parts: of the utterances.
        how: its seed.
        teacher: an encoder; its head is fitted here.
        unlabelled: texts that it learns from by its own surest answers, where they are more than the labelled ones.
    """
    others = teacher.encode(list(unlabelled)) if len(unlabelled) > len(parts.texts) else None

    def fit(texts: Sequence[str], targets: NDArray[np.int64], outside: Sequence[str]) -> Arrays:
        vectors, away = teacher.encode(texts), teacher.encode(outside)
        teacher.fit(vectors, targets, seed=how.seed, outside=away)
        if others is not None:
            teacher.fit_further(others, vectors, targets, outside=away)
        return {"weights": teacher.weights, "offsets": teacher.bias}

    def logits(arrays: Arrays, texts: Sequence[str]) -> Logits:
        encoded = teacher.encode(texts) if len(texts) else np.zeros((0, len(arrays["weights"])), np.float32)
        return np.asarray(encoded @ arrays["weights"] + arrays["offsets"], np.float64)

    arrays, evaluation, heat = _evaluated(parts, how, fit, logits, each=_few(parts), empty=False)
    scale = STEP / heat
    spec = HeadSpec(encoder=teacher.encoder.name, dimensions=teacher.encoder.dimensions, scale=scale,
                    threshold=round(evaluation.threshold / scale),
                    encoder_sha256=getattr(teacher.encoder, "sha256", "") or msgspec.UNSET)  # fmt: skip
    return TrainedHead(parts.intents, spec, arrays, evaluation, sum(array.nbytes for array in arrays.values()))


def _evaluated(
    parts: Parts,
    how: How,
    fit: FitsText,
    logits: Callable[[Any, Sequence[str]], Logits],
    *,
    each: bool,
    empty: bool = True,
) -> tuple[Any, IntentEvaluation, float]:
    """Return what was fitted on all utterances, what it answers to sentences that were left out, and the temperature.

    Args:
        parts: of the utterances.
        how: its seed and share of refusals.
        fit: as of `leave_out`.
        logits: as of `leave_out`.
        each: whether each utterance is left out in turn, those out of scope, too; else a fifth of the utterances, half
            of those out of scope and, where utterances are few, half of the background are held out.
        empty: whether an intent needs more than a text without a known n-gram gives it.
    """
    texts, targets = _all(parts)
    around = outside_of([*texts, *parts.judges])
    judges, truth = parts.judges, parts.truth
    if each:
        around = [*parts.outside, *around]
        left_out = leave_out(fit, texts, targets, around, logits, how.seed)
        fitted = fit(texts, targets, outside=around)
        raw, outside, away = left_out.inside, left_out.outside[: len(parts.outside)], left_out.outside
        if parts.held_out:
            judges, truth = texts, targets
        else:
            raw = logits(fitted, judges)
    else:
        held_background = around[1::2] if _few(parts) else []
        known = (around[::2] if held_background else around) + _REPEATS * parts.outside[::2]
        fitted = fit(parts.texts, parts.targets, outside=known)
        raw, outside, away = (logits(fitted, some) for some in (judges, parts.outside[1::2], held_background))
    unknown = logits(fitted, [""])[0] if empty else None
    evaluation, heat = evaluate(raw, outside, truth, how.reject, parts.held_out, unknown, away if _few(parts) else None)
    if parts.held_out and not each:
        fitted = fit(texts, targets, outside=around + _REPEATS * parts.outside)
    return fitted, msgspec.structs.replace(evaluation, texts=tuple(judges)), heat


def _linear(
    parts: Parts, how: How, rows: int, teacher: Teacher | None, unlabelled: Sequence[str], say: Say | None
) -> TrainedHead:
    """Return the student of a few examples: all of them are judged, each by a student that did not see it."""
    classes = len(parts.intents)

    def fit(texts: Sequence[str], targets: NDArray[np.int64], outside: Sequence[str]) -> Fitted:
        material = (
            labelled(texts, targets, classes, outside, spread=0)
            if teacher is None
            else taught(texts, targets, classes, teacher, unlabelled=unlabelled, outside=outside, seed=how.seed)
        )
        return fit_linear(material, classes, rows, how.read, WORDS)

    fitted, evaluation, heat = _evaluated(parts, how, fit, _scaled, each=True)
    right = int((evaluation.truth == evaluation.answer).sum())
    if say:
        by = f" taught by {teacher.encoder.name}" if teacher else ""
        say(f"few examples, so a linear model{by} is fitted: {right} of {len(evaluation.truth)} right when left out")
    name = "taught" if teacher else "linear"
    return _trained(parts, fitted, evaluation, heat, (Rung(name, right, len(evaluation.truth)),))


def _chosen(untaught: TrainedHead, taught: TrainedHead, encoder: str) -> TrainedHead:
    """Return the taught student where it answers more left-out sentences right by over a standard error."""
    gain = taught.evaluation.answered.astype(int) - untaught.evaluation.answered
    # The standard error of a sum of paired differences that are -1, 0 or 1 (McNemar, 1947).
    pays = bool(gain.sum() > np.abs(gain).sum() ** 0.5)
    counts = [int(student.evaluation.answered.sum()) for student in (taught, untaught)]
    note = (
        f"taught by {encoder}, {counts[0]} of {len(gain)} left-out sentences are right with refusals, untaught "
        f"{counts[1]}: {'the taught' if pays else 'teaching shows no gain, and the untaught'} model is kept"
    )
    ladder = (*untaught.ladder, *taught.ladder)
    return msgspec.structs.replace(taught if pays else untaught, ladder=ladder, note=note)


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
    outside: Sequence[str] = (),
    say: Say | None = None,
) -> tuple[StudentSpec, Arrays]:
    """One fit, without a temperature or a limit; arguments as of `train_student`, with class numbers as targets."""
    material = (
        labelled(texts, targets, classes, outside)
        if teacher is None
        else taught(texts, targets, classes, teacher, unlabelled=unlabelled, outside=outside, seed=how.seed, say=say)
    )
    return fit_material(material, classes, how, say)


def fit_material(material: Material, classes: int, how: How, say: Say | None = None) -> tuple[StudentSpec, Arrays]:
    """Return the student of what was put together."""
    rows, hidden = shape_for(how.size, classes)
    batch = 256 if len(material.texts) > 20_000 else 64 if len(material.texts) > 2_000 else 16
    epochs = how.epochs or int(np.clip(_STEPS * batch // len(material.texts), _FEWEST_EPOCHS, _MOST_EPOCHS))
    fit = Fit(hidden=hidden, epochs=epochs, batch=batch, seed=how.seed)
    network = Network(rows, material.targets.shape[1], fit)
    every = max(1, epochs // 4)

    # The first epoch also counts the n-grams of all texts.
    step = told_by_first(lambda _: None, say or (lambda _: None), "Training the student", epochs, skipped=1)

    def on_epoch(epoch: int, loss: float) -> None:
        step(1)
        if say and (epoch + 1) % every == 0:
            say(f"  epoch {epoch + 1} of {epochs}: loss {loss:.4f}")

    network.train(bags(material.texts, how.read, WORDS, rows), material.targets, on_epoch)
    if material.targets.shape[1] > classes:
        network.drop_last_class()
    return integers(network, how.read, WORDS)


def logits_of(spec: StudentSpec, arrays: Arrays, texts: Sequence[str]) -> NDArray[np.float64]:
    """Return what the device computes, shape (n, k)."""
    classes = arrays["head"].shape[1]
    student = Student(spec, arrays, classes, "the student")
    return np.array([student.logits(text) for text in texts], np.float64).reshape(-1, classes)

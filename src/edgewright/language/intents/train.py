"""From labelled utterances to a student: fitted on one part, judged and calibrated on the other, then on all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.language.intents.bags import bags
from edgewright.language.intents.integers import integers, shape_for, size_in_bytes
from edgewright.language.intents.limit import limit
from edgewright.language.intents.material import Material, Say, Teaching, labelled, taught
from edgewright.language.intents.network import Fit, Network
from edgewright.language.intents.teacher import Teacher, held_out
from edgewright.language.utterances import check
from edgewright.runtime.utterance.student import Student
from edgewright.schema.language import OUT_OF_SCOPE, StudentSpec, Utterance
from edgewright.training.calibrate import temperature
from edgewright.training.losses import softmax_cross_entropy

Arrays = dict[str, NDArray[Any]]
HELD_OUT = 0.2
# Steps of training; few texts are gone through more often.
_STEPS, _FEWEST_EPOCHS, _MOST_EPOCHS = 2_000, 10, 200


class How(msgspec.Struct, frozen=True):
    """What a student is to be.

    Attributes:
        size: bytes of its arrays at most.
        characters, words: n-grams that it reads.
        teaching: how a teacher is used, where there is one.
        epochs: passes; judged by the number of texts when 0.
        seed: of all that is drawn.
    """

    size: int = 64_000
    characters: tuple[int, ...] = (3, 4)
    words: tuple[int, ...] = (1, 2)
    teaching: Teaching = Teaching()
    epochs: int = 0
    seed: int = 0


class Judged(msgspec.Struct, frozen=True):
    """What the student answered on utterances that it was not fitted on.

    Attributes:
        truth, answer: class numbers, shape (n,).
        confidence: calibrated, shape (n,).
        scores, outside: largest logits of utterances in and out of scope.
        refitted: whether the model was fitted on these utterances afterwards.
    """

    truth: NDArray[np.int64]
    answer: NDArray[np.int64]
    confidence: NDArray[np.float64]
    scores: NDArray[np.float64]
    outside: NDArray[np.float64]
    threshold: float
    refitted: bool


class Made(msgspec.Struct, frozen=True):
    """A trained student."""

    intents: tuple[str, ...]
    spec: StudentSpec
    arrays: Arrays
    judged: Judged
    bytes: int


def train_student(
    utterances: Sequence[Utterance],
    how: How,
    *,
    validation: Sequence[Utterance] = (),
    teacher: Teacher | None = None,
    unlabelled: Sequence[str] = (),
    say: Say | None = None,
) -> Made:
    """Trains, judges and calibrates; without `validation` a fifth is held out for that, and the last fit is on all.

    Args:
        utterances: labelled; those out of scope set the limit, and are never a class.
        how: size and n-grams.
        validation: to judge and calibrate by; never fitted on.
        teacher: whose answers it learns, too.
        unlabelled: texts that only a teacher can use.
        say: told what is done.

    Raises:
        InputError: as `check`, or a size without room.
    """
    intents = check(utterances)
    number = {name: k for k, name in enumerate(intents)}
    inside = [u for u in utterances if u.intent in number]
    outside = [u.text for u in (*utterances, *validation) if u.intent == OUT_OF_SCOPE]
    texts, targets = [u.text for u in inside], np.array([number[u.intent] for u in inside], np.int64)
    judges = [u for u in validation if u.intent in number]
    held = np.zeros(len(texts), bool) if judges else held_out(targets, HELD_OUT, how.seed)
    judge_texts = [u.text for u in judges] or [text for text, out in zip(texts, held, strict=True) if out]
    truth = np.array([number[u.intent] for u in judges], np.int64) if judges else targets[held]
    kept = [text for text, out in zip(texts, held, strict=True) if not out]
    if say:
        say(f"fitting on {len(kept):,} utterances of {len(intents)} intents, judging on {len(truth):,} others")
    spec, arrays = fit_student(kept, targets[~held], len(intents), how, teacher, unlabelled, say)
    raw = logits_of(spec, arrays, judge_texts)
    heat = temperature(raw * spec.scale, truth, softmax_cross_entropy)
    scores, out_scores = raw.max(axis=1) * spec.scale / heat, np.zeros(0)
    if outside:
        out_scores = logits_of(spec, arrays, outside).max(axis=1) * spec.scale / heat
    right = raw.argmax(axis=1) == truth
    least = limit(scores[right] if right.any() else scores, out_scores)
    chances = np.exp((raw - raw.max(axis=1, keepdims=True)) * (spec.scale / heat))
    judged = Judged(truth, raw.argmax(axis=1), 1.0 / chances.sum(axis=1), scores, out_scores, least, not judges)
    if not judges:
        if say:
            say("fitting on all of them")
        spec, arrays = fit_student(texts, targets, len(intents), how, teacher, unlabelled, None)
    scale = spec.scale / heat
    spec = msgspec.structs.replace(spec, scale=scale, threshold=round(least / scale))
    return Made(intents, spec, arrays, judged, size_in_bytes(arrays))


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
        else taught(texts, targets, classes, teacher, how.teaching, unlabelled=unlabelled, seed=how.seed, say=say)
    )
    return fit_material(material, classes, how, say)


def fit_material(material: Material, classes: int, how: How, say: Say | None = None) -> tuple[StudentSpec, Arrays]:
    """The student of what was put together."""
    rows, hidden = shape_for(how.size, classes)
    batch = 256 if len(material.texts) > 20_000 else 64 if len(material.texts) > 2_000 else 16
    epochs = how.epochs or int(np.clip(_STEPS * batch // len(material.texts), _FEWEST_EPOCHS, _MOST_EPOCHS))
    fit = Fit(hidden=hidden, epochs=epochs, batch=batch, seed=how.seed)
    network = Network(rows, classes, fit)
    every = max(1, epochs // 4)

    def told(epoch: int, loss: float) -> None:
        if say and (epoch + 1) % every == 0:
            say(f"  epoch {epoch + 1} of {epochs}: loss {loss:.4f}")

    network.train(bags(material.texts, how.characters, how.words, rows), material.targets, told)
    return integers(network, how.characters, how.words)


def logits_of(spec: StudentSpec, arrays: Arrays, texts: Sequence[str]) -> NDArray[np.float64]:
    """What the device computes, shape (n, k)."""
    classes = arrays["head"].shape[1]
    student = Student(spec, arrays, classes, "the student")
    return np.array([student.logits(text) for text in texts], np.float64).reshape(-1, classes)

"""What a student learns from: labelled texts, and further texts that a teacher answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.language.intents.augment import augmented
from edgewright.language.intents.synonyms import Synonyms, exchanged, synonyms
from edgewright.language.intents.teacher import Floats, Teacher, softmax

Say = Callable[[str], None]
# Least share of the teacher's probabilities in the target of a labelled text.
_OWN = 0.5
# Of a label, where there is no teacher that says how sure one may be.
_SPREAD = 0.1
# Of the words of a new sentence.
_EXCHANGED = 0.33


class Teaching(msgspec.Struct, frozen=True):
    """How a teacher is used.

    Attributes:
        made: new sentences for each labelled text or text without a label, at most `most`.
        heat: temperature of its probabilities.
    """

    made: int = 4
    most: int = 60_000
    heat: float = 1.0


class Material(msgspec.Struct, frozen=True):
    """Texts, and the probabilities of the classes that the student is to answer, shape (n, k)."""

    texts: list[str]
    targets: Floats


def labelled(texts: Sequence[str], targets: NDArray[np.int64], classes: int) -> Material:
    """The labelled texts alone, a share of each target spread over all classes (Szegedy et al., 2016)."""
    sure = np.eye(classes, dtype=np.float32)[targets]
    return Material(list(texts), (1 - _SPREAD) * sure + np.float32(_SPREAD / classes))


def taught(
    texts: Sequence[str],
    targets: NDArray[np.int64],
    classes: int,
    teacher: Teacher,
    how: Teaching,
    *,
    unlabelled: Sequence[str] = (),
    seed: int = 0,
    say: Say | None = None,
) -> Material:
    """Labelled texts, texts without labels and new sentences, the latter two as the teacher answers them.

    Args:
        texts, targets: that somebody labelled.
        classes: number of intents.
        teacher: is fitted here.
        how: how many new sentences.
        unlabelled: texts without labels.
        seed: of the new sentences.
        say: told what is done.
    """
    known = teacher.encode(texts)
    teacher.fit(known, targets, seed=seed)
    labelled_already = set(texts)
    others = [text for text in dict.fromkeys(unlabelled) if text not in labelled_already]
    other_vectors = teacher.encode(others) if others else known[:0]
    if len(others) > len(texts):
        teacher.fit_further(other_vectors, known, targets)
    own = _OWN * np.eye(classes, dtype=np.float32)[targets] + (1 - _OWN) * softmax(teacher.logits(known), how.heat)
    answers = teacher.logits(other_vectors).argmax(axis=1) if others else targets[:0]
    pool, names = [*texts, *others], [str(k) for k in (*targets.tolist(), *answers.tolist())]
    new = _new(pool, names, min(how.most, how.made * len(pool)), synonyms(teacher.encoder, pool), seed)
    if say:
        say(f"the teacher answers {len(others):,} texts without labels and {len(new):,} new sentences")
    new_vectors = teacher.encode(new) if new else known[:0]
    vectors = np.concatenate([known, other_vectors, new_vectors])
    soft = softmax(teacher.logits(vectors[len(texts) :]), how.heat)
    return Material([*texts, *others, *new], np.concatenate([own, soft]).astype(np.float32))


def _new(texts: Sequence[str], intents: Sequence[str], count: int, others: Synonyms, seed: int) -> list[str]:
    """New sentences: half of them made of parts of several, half of them one; words are exchanged in all."""
    random = np.random.default_rng(seed)
    parts = augmented(texts, intents, count // 2, seed)
    whole = [texts[int(random.integers(len(texts)))] for _ in range(count - len(parts))]
    return [exchanged(text, others, _EXCHANGED, random) for text in (*parts, *whole)]

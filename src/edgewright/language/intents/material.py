"""The teacher (an encoder with a linear head, also the form for gateways), and what a student learns from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from edgewright.language.embedding import Encoder
from edgewright.models.base import softmax

_LONGEST = 30
# Shares of: crossed within an intent, spliced with a few words of any other, crossed with any other, left as it is.
_CROSSED, _SPLICED, _MIXED = 0.35, 0.55, 0.62
_LEFT_OUT, _SWAPPED = 0.12, 0.15


def augmented(texts: Sequence[str], intents: Sequence[str], count: int, seed: int) -> list[str]:
    """So many new sentences; none where there is no sentence of two words.

    Args:
        texts: sentences that the new ones are made of.
        intents: of the texts.
        count: of new sentences.
        seed: of all choices.
    """
    random = np.random.default_rng(seed)
    words = [text.split() for text in texts]
    alike: dict[str, list[int]] = {}
    for number, intent in enumerate(intents):
        alike.setdefault(intent, []).append(number)
    sentences: list[str] = []
    for _ in range(2 * count if any(len(w) > 1 for w in words) else 0):
        if len(sentences) == count:
            break
        number = int(random.integers(len(words)))
        kind = alike[intents[number]]
        near = words[kind[int(random.integers(len(kind)))]]
        far = words[int(random.integers(len(words)))]
        new = _varied(words[number], near, far, random)
        if 1 <= len(new) <= _LONGEST:
            sentences.append(" ".join(new))
    return sentences


def _varied(own: list[str], near: list[str], far: list[str], random: np.random.Generator) -> list[str]:
    kind, new = random.random(), list(own)
    if not own or not near or not far:
        return new
    if kind < _CROSSED and len(own) > 2:
        new = own[: int(random.integers(1, len(own)))] + near[int(random.integers(len(near))) :]
    elif kind < _SPLICED:
        length = int(random.integers(1, 4))
        begin = int(random.integers(max(1, len(far) - length + 1)))
        index, lost = int(random.integers(len(own) + 1)), int(random.integers(3))
        new = own[:index] + far[begin : begin + length] + own[index + lost :]
    elif kind < _MIXED:
        new = own[: int(random.integers(len(own)))] + far[int(random.integers(len(far))) :]
    kept = random.random(len(new)) > _LEFT_OUT
    new = [word for word, keep in zip(new, kept, strict=True) if keep] or new
    if random.random() < _SWAPPED and len(new) > 2:
        at = int(random.integers(len(new) - 1))
        new[at], new[at + 1] = new[at + 1], new[at]
    return new


Synonyms = Mapping[str, Sequence[str]]
# The nearest so many words of at least that cosine stand in for a word.
_NEIGHBOURS, _NEAREST = 8, 0.5
_BLOCK = 500


def synonyms(encoder: Encoder, texts: Sequence[str]) -> dict[str, list[str]]:
    """For every word of the texts, those of the encoder's vocabulary and of the texts that are nearest to it.

    Args:
        encoder: whose vectors say what is near; one that tells no words has those of the texts alone.
        texts: whose words are looked at, split at spaces.
    """
    own = sorted({word for text in texts for word in text.lower().split() if word.isalpha()})
    known = sorted({*own, *encoder.words()})
    vectors = encoder.encode(known)
    location = {word: number for number, word in enumerate(known)}
    nearest: dict[str, list[str]] = {}
    for start in range(0, len(own), _BLOCK):
        block = own[start : start + _BLOCK]
        near = vectors[[location[word] for word in block]] @ vectors.T
        # One more than wanted: a word is its own nearest.
        count = min(_NEIGHBOURS + 1, len(known))
        top = np.argpartition(-near, count - 1, axis=1)[:, :count]
        for row, word in enumerate(block):
            neighbours = sorted((-float(near[row, k]), known[k]) for k in top[row] if known[k] != word)
            nearest[word] = [other for cosine, other in neighbours if -cosine >= _NEAREST][:_NEIGHBOURS]
    return nearest


def exchanged(text: str, others: Synonyms, share: float, random: np.random.Generator) -> str:
    """Return the text with about that share of its words exchanged."""
    words = []
    for word in text.split():
        choices = others.get(word.lower(), ())
        words.append(choices[int(random.integers(len(choices)))] if choices and random.random() < share else word)
    return " ".join(words)


Say = Callable[[str], None]
# Least share of the teacher's probabilities in the target of a labelled text.
_OWN = 0.5
# Of a label, where there is no teacher that says how sure one may be.
_SPREAD = 0.1
# New sentences for each labelled text or text without a label, and at most.
_NEW_SENTENCES, _MAX_SENTENCES = 4, 60_000
# Of the words of a new sentence.
_EXCHANGED = 0.33


class Material(msgspec.Struct, frozen=True):
    """Texts, and the probabilities of the classes that the student is to answer, shape (n, k)."""

    texts: list[str]
    targets: Floats


def labelled(
    texts: Sequence[str],
    targets: NDArray[np.int64],
    classes: int,
    outside: Sequence[str] = (),
    spread: float = _SPREAD,
) -> Material:
    """Return the labelled texts alone, a share of each target spread over all classes (Szegedy et al., 2016).

    Args:
        texts: labelled by people.
        targets: their class numbers.
        classes: number of intents.
        outside: texts out of scope, of one more class; may be none.
        spread: that share.
    """
    width = classes + bool(outside)
    sure = np.eye(width, dtype=np.float32)[[*targets, *[classes] * len(outside)]]
    return Material([*texts, *outside], (1 - spread) * sure + np.float32(spread / width))


def taught(
    texts: Sequence[str],
    targets: NDArray[np.int64],
    classes: int,
    teacher: Teacher,
    *,
    unlabelled: Sequence[str] = (),
    outside: Sequence[str] = (),
    seed: int = 0,
    say: Say | None = None,
) -> Material:
    """Labelled texts, texts without labels and new sentences, the latter two as the teacher answers them.

    Args:
        texts: labelled by people.
        targets: their class numbers.
        classes: number of intents.
        teacher: is fitted here.
        unlabelled: texts without labels.
        outside: texts out of scope, of one more class; may be none.
        seed: seed of the new sentences.
        say: told what is done.
    """
    known = teacher.encode(texts)
    away = teacher.encode(outside) if outside else None
    teacher.fit(known, targets, seed=seed, outside=away)
    labelled_already = set(texts)
    others = [text for text in dict.fromkeys(unlabelled) if text not in labelled_already]
    other_vectors = teacher.encode(others) if others else known[:0]
    if len(others) > len(texts):
        teacher.fit_further(other_vectors, known, targets, outside=away)
    sure = np.eye(classes + bool(outside), dtype=np.float32)
    own = _OWN * sure[targets] + (1 - _OWN) * teacher.chances(known)
    answers = teacher.logits(other_vectors).argmax(axis=1) if others else targets[:0]
    pool, names = [*texts, *others], [str(k) for k in (*targets.tolist(), *answers.tolist())]
    new = _new(pool, names, min(_MAX_SENTENCES, _NEW_SENTENCES * len(pool)), synonyms(teacher.encoder, pool), seed)
    if say:
        say(f"the teacher labels {len(others):,} texts without labels and {len(new):,} new sentences")
    new_vectors = teacher.encode(new) if new else known[:0]
    soft = teacher.chances(np.concatenate([other_vectors, new_vectors]))
    targets_of_all = np.concatenate([own, soft, sure[[classes] * len(outside)]])
    return Material([*texts, *others, *new, *outside], targets_of_all.astype(np.float32))


def _new(texts: Sequence[str], intents: Sequence[str], count: int, others: Synonyms, seed: int) -> list[str]:
    """Return new sentences: half of them made of parts of several, half of them one; words are exchanged in all."""
    random = np.random.default_rng(seed)
    parts = augmented(texts, intents, count // 2, seed)
    whole = [texts[int(random.integers(len(texts)))] for _ in range(count - len(parts))]
    return [exchanged(text, others, _EXCHANGED, random) for text in (*parts, *whole)]


Floats = NDArray[np.float32]
# Inverse penalties that are tried, by the likelihood of what was held out.
_PENALTIES = (3.0, 10.0, 30.0)
_ITERATIONS = 300
# Rounds of learning from its own answers, and the share of each class's that it learns from.
_ROUNDS, SURE = 2, 0.7
_FEW = 40


class Teacher:
    """A linear head on the vectors of an encoder.

    Args:
        encoder: that gives the vectors.

    Attributes:
        weights: shape (d, k); bias: shape (k,).
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.weights: Floats = np.zeros((0, 0), np.float32)
        self.bias: Floats = np.zeros(0, np.float32)
        self._rejects = False

    def fit(
        self,
        vectors: Floats,
        targets: NDArray[np.int64],
        *,
        seed: int = 0,
        penalty: float | None = None,
        outside: Floats | None = None,
    ) -> Teacher:
        """Fit the head; with `outside`, the logit of what is out of scope is 0.

        Args:
            vectors: shape (n, d).
            targets: class numbers, each of 0 to k - 1 at least once.
            seed: of what is held out to choose the penalty.
            penalty: inverse penalty; chosen where it is left out.
            outside: vectors of texts out of scope, shape (o, d).
        """
        penalty = penalty or self._chosen(vectors, targets, seed)
        self._rejects = outside is not None
        if outside is None:
            model = _fitted(vectors, targets, penalty)
        else:
            away = np.full(len(outside), int(targets.max()) + 1)
            targets = np.concatenate([targets, away])
            model = _fitted(np.concatenate([vectors, outside]), targets, penalty, _even_weights(targets))
        weights, bias = np.asarray(model.coef_, np.float32), np.asarray(model.intercept_, np.float32)
        if len(weights) == 1:
            # Two classes have one row in scikit-learn.
            weights, bias = np.concatenate([-weights / 2, weights / 2]), np.concatenate([-bias / 2, bias / 2])
        if outside is not None:
            weights, bias = weights[:-1] - weights[-1:], bias[:-1] - bias[-1:]
        self.weights, self.bias = np.ascontiguousarray(weights.T), bias
        return self

    def fit_further(
        self, others: Floats, vectors: Floats, targets: NDArray[np.int64], outside: Floats | None = None
    ) -> None:
        """Learn from its own surest answers to texts without labels, round by round (Yarowsky, 1995).

        Of every class the surer `SURE` of the answers count as labels, so that no class grows at another's cost.

        Args:
            others: vectors of texts without labels, shape (m, d).
            vectors: those given to `fit`.
            targets: those given to `fit`.
            outside: those given to `fit`.
        """
        for _ in range(_ROUNDS):
            chances = softmax(self.logits(others))
            answers, sure = chances.argmax(axis=1), chances.max(axis=1)
            kept = np.zeros(len(others), bool)
            for number in range(len(self.bias)):
                own = np.flatnonzero(answers == number)
                kept[own[np.argsort(-sure[own], kind="stable")[: int(SURE * len(own))]]] = True
            self.fit(
                np.concatenate([vectors, others[kept]]),
                np.concatenate([targets, answers[kept]]),
                penalty=_PENALTIES[-1],
                outside=outside,
            )

    def logits(self, vectors: Floats) -> Floats:
        """Shape (n, k)."""
        return np.asarray(vectors @ self.weights + self.bias, np.float32)

    def chances(self, vectors: Floats) -> Floats:
        """Probabilities of the classes and, where it was fitted with `outside`, of what is out of scope, last."""
        logits = self.logits(vectors)
        return softmax(np.pad(logits, ((0, 0), (0, 1))) if self._rejects else logits)

    def encode(self, texts: Sequence[str]) -> Floats:
        """Return vectors of texts, shape (n, d)."""
        return self.encoder.encode(list(texts))

    @staticmethod
    def _chosen(vectors: Floats, targets: NDArray[np.int64], seed: int) -> float:
        """Choose the penalty with the largest likelihood on a held-out fifth; the middle one where data are few."""
        validation = held_out(targets, 0.2, seed)
        if len(targets) < _FEW or not validation.any():
            return _PENALTIES[1]
        # At most so many: the choice needs no more, and the fit takes its time.
        some = np.flatnonzero(~validation)[: 20 * (int(targets.max()) + 1)]
        if len(np.unique(targets[some])) <= int(targets.max()):
            some = np.flatnonzero(~validation)
        likelihoods = []
        for penalty in _PENALTIES:
            model = _fitted(vectors[some], targets[some], penalty)
            chances = model.predict_proba(vectors[validation])
            truth = np.searchsorted(model.classes_, targets[validation])
            likelihoods.append(float(np.mean(np.log(chances[np.arange(len(truth)), truth] + 1e-12))))
        return _PENALTIES[int(np.argmax(likelihoods))]


def held_out(targets: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_]:
    """Which samples are held out: about that share of each class, at least one of every class of three."""
    random = np.random.default_rng(seed)
    chosen = np.zeros(len(targets), bool)
    for number in np.unique(targets):
        where = np.flatnonzero(targets == number)
        count = max(round(share * len(where)), int(len(where) >= 3))
        chosen[random.choice(where, count, replace=False)] = True
    return chosen


def _even_weights(targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return weights of samples, shape (n,): each class has that of the mean class without the last, out of scope."""
    counts = np.bincount(targets)
    return np.asarray((len(targets) - counts[-1]) / (len(counts) - 1) / counts[targets], np.float64)


def _fitted(
    vectors: Floats, targets: NDArray[np.int64], penalty: float, weights: NDArray[np.float64] | None = None
) -> Any:  # noqa: ANN401 - scikit-learn is untyped
    return LogisticRegression(C=penalty, max_iter=_ITERATIONS).fit(vectors, targets, sample_weight=weights)

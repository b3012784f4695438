"""The student in float while it learns, seeing the rounding of int8 in the last part of its training.

Two layers over sparse rows: a table whose rows are added up, a hidden layer of clipped linear units, logits. The rows
of a batch are gathered and their slopes scattered back, which on a processor takes XLA six times as long as SciPy's
sparse products (docs/research/language.md), so this one network does not train in JAX. Adam as of Kingma
and Ba, 2015; rounding as seen by training: Jacob et al., 2018 (straight-through).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from edgewright.compression.int8 import quantise
from edgewright.core.errors import LanguageModelError, TrainingDivergedError, UtterancesError
from edgewright.core.records.network import Graph
from edgewright.graph.builder import Builder
from edgewright.models.base import finish_outputs
from edgewright.nlp.records import LanguageSpec, StudentSpec
from edgewright.nlp.utterance.student import FRACTION, MAX_BYTE, UNIT, Student
from edgewright.nlp.utterance.values import normalised

Floats = NDArray[np.float32]
# So large an epsilon keeps the steps of rare n-grams small; Adam would else make them as large as those of common ones.
_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-3
TOP = 127
# Part of the logit of what is out of scope that is taken from every intent's; chosen on held-out parts of CLINC150 and
# SNIPS (docs/research/language.md).
_OUTSIDE = np.float32(0.25)
# Of the hidden values of training: the largest that int8 keeps apart.
_KEPT = 0.9995


class Fit(msgspec.Struct, frozen=True):
    """How the student is trained.

    Attributes:
        hidden: units between table and logits.
        epochs, batch, rate: passes, texts a step, and the first learning rate, which falls as a cosine.
        forget: share of the n-grams of a text that are left out of a step.
        rounded_from: part of the epochs after which the network sees int8.
        seed: of the first weights, the order and what is forgotten.
    """

    hidden: int
    epochs: int = 15
    batch: int = 128
    rate: float = 0.02
    forget: float = 0.5
    rounded_from: float = 0.6
    seed: int = 0


class Network:
    """Weights, and the steps that change them.

    Args:
        rows, classes: of the table and of the logits.
        fit: how it is trained.
    """

    def __init__(self, rows: int, classes: int, fit: Fit) -> None:
        self._fit, self._random = fit, np.random.default_rng(fit.seed)
        size = fit.hidden
        self.weights: dict[str, Floats] = {
            "table": (self._random.standard_normal((rows, size), np.float32) * np.float32(0.05)),
            "bias": np.full(size, 0.1, np.float32),
            "head": self._random.standard_normal((size, classes), np.float32) / np.float32(math.sqrt(size)),
            "last": np.zeros(classes, np.float32),
        }
        self._first = {name: np.zeros_like(value) for name, value in self.weights.items()}
        self._second = {name: np.zeros_like(value) for name, value in self.weights.items()}
        self._steps = 0
        # Largest hidden value, and step of the table and the head in int8; 0 while it learns in float.
        self.top, self.table_step, self.head_step = 0.0, 0.0, 0.0

    def train(
        self,
        bags: csr_matrix,
        targets: Floats,
        on_epoch: Callable[[int, float], None] | None = None,
    ) -> None:
        """Train to the end, and leaves the scales of int8 fixed.

        Args:
            bags: shape (n, rows).
            targets: probabilities of the classes, shape (n, k).
            on_epoch: told of each epoch and its mean loss.

        Raises:
            InputError: the loss is no number.
        """
        fit, count = self._fit, bags.shape[0]
        # N-grams that no text has say nothing.
        self.weights["table"][bags.getnnz(axis=0) == 0] = 0.0
        batches = -(-count // fit.batch)
        for epoch in range(fit.epochs):
            if epoch >= fit.rounded_from * fit.epochs:
                self.set_scales(bags)
            order, loss = self._random.permutation(count), 0.0
            for number in range(batches):
                chosen = order[number * fit.batch : (number + 1) * fit.batch]
                done = (epoch * batches + number) / (fit.epochs * batches)
                rate = fit.rate * 0.5 * (1.0 + math.cos(math.pi * done))
                loss += self._step(self._forgotten(bags[chosen]), targets[chosen], rate)
            if not math.isfinite(loss):
                raise TrainingDivergedError(
                    "a loss that is a number", f"{loss} in epoch {epoch + 1}", do="Lower the rate"
                )
            if on_epoch:
                on_epoch(epoch, loss / batches)
        self.set_scales(bags)

    def set_scales(self, bags: csr_matrix) -> None:
        """Return scales of int8 from the weights as they are and the hidden values of some texts."""
        table = self.weights["table"]
        sample = bags[: min(bags.shape[0], 2000)] @ table + self.weights["bias"]
        self.top = max(float(np.quantile(sample, _KEPT)), 1e-3)
        largest = np.abs(table).max(axis=1)
        self.table_step = max(float(np.quantile(largest, _KEPT)), 1e-6) / TOP
        self.head_step = max(float(np.abs(self.weights["head"]).max()), 1e-6) / TOP

    def drop_last_class(self) -> None:
        """Take part of the logit of the last class, out of scope, from every other one; it needs no memory then."""
        for name in ("head", "last"):
            weights = self.weights[name]
            self.weights[name] = weights[..., :-1] - _OUTSIDE * weights[..., -1:]
        self.head_step = max(float(np.abs(self.weights["head"]).max()), 1e-6) / TOP

    def _seen(self, name: str) -> Floats:
        step = np.float32(self.table_step if name == "table" else self.head_step)
        weights = self.weights[name]
        if not self.top:
            return weights
        rounded = weights / step
        np.rint(rounded, out=rounded)
        np.clip(rounded, -TOP, TOP, out=rounded)
        rounded *= step
        return rounded

    def _forgotten(self, batch: csr_matrix) -> csr_matrix:
        """Return the batch without a share of its n-grams, the others as much heavier."""
        share = np.float32(self._fit.forget)
        if share:
            kept = self._random.random(batch.nnz, np.float32) >= share
            batch.data = batch.data * kept / (np.float32(1) - share)
        return batch

    def _step(self, batch: csr_matrix, targets: Floats, rate: float) -> float:
        count = np.float32(len(targets))
        raw = batch @ self._seen("table") + self.weights["bias"]
        open_units = (raw > 0) & (raw < self.top) if self.top else raw > 0
        hidden = np.clip(raw, 0.0, self.top) if self.top else np.maximum(raw, 0.0)
        head = self._seen("head")
        logits = hidden @ head + self.weights["last"]
        logits -= logits.max(axis=1, keepdims=True)
        powers = np.exp(logits)
        sums = powers.sum(axis=1, keepdims=True)
        loss = float(np.mean(np.log(sums[:, 0]) - (targets * logits).sum(axis=1)))
        error = (powers / sums - targets) / count
        slopes = {"head": hidden.T @ error, "last": error.sum(axis=0)}
        back = error @ head.T
        back *= open_units
        slopes["table"], slopes["bias"] = batch.T @ back, back.sum(axis=0)
        self._change(slopes, rate)
        return loss

    def _change(self, slopes: dict[str, Any], rate: float) -> None:
        """One step of Adam, in place."""
        self._steps += 1
        scale = rate * math.sqrt(1 - _BETA2**self._steps) / (1 - _BETA1**self._steps)
        for name, slope in slopes.items():
            first, second = self._first[name], self._second[name]
            first *= np.float32(_BETA1)
            first += np.float32(1 - _BETA1) * slope
            second *= np.float32(_BETA2)
            np.square(slope, out=slope)
            slope *= np.float32(1 - _BETA2)
            second += slope
            np.sqrt(second, out=slope)
            slope += np.float32(_EPSILON)
            np.divide(first, slope, out=slope)
            slope *= np.float32(scale)
            self.weights[name] -= slope


SHIFT = 24
_SIZE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?) ?(kB|KB|kb|MB|mb|B)?")
# Below them a table is all collisions; beyond, another model does better.
SMALLEST, LARGEST = 2_000, 8_000_000


def size_of(text: str) -> int:
    """Return bytes of a size as people write it: 64kB, 0.5 MB; a kilobyte is 1,000 bytes.

    Raises:
        InputError: another text, or a size beyond what a student can have.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UtterancesError("a size such as 64kB", repr(text[:40]), "--size")
    size = int(float(match[1]) * {"k": 1000, "m": 1_000_000}.get((match[2] or "B")[0].lower(), 1))
    if not SMALLEST <= size <= LARGEST:
        raise UtterancesError(f"a size of {SMALLEST // 1000} kB to {LARGEST // 1_000_000} MB", text, "--size")
    return size


def shape_for(size: int, classes: int) -> tuple[int, int]:
    """Return rows and hidden units of a student of at most so many bytes.

    The width grows with the classes and is at most 64: beyond it, more rows did better on held-out training texts.

    Raises:
        InputError: the logits alone take more than half of it.
    """
    hidden = next((width for width in (64, 48, 32, 16, 8) if width <= max(8, classes)), 8)
    while hidden > 8 and size < 300 * hidden + hidden * classes:
        hidden -= 8
    rest = size - hidden * classes - 4 * (classes + hidden)
    if rest < size // 2:
        raise UtterancesError(f"room for {classes} intents", f"{size} bytes", "--size", "Allow more bytes")
    return rest // hidden, hidden


def integers(
    network: Network, characters: tuple[int, ...], words: tuple[int, ...], heat: float = 1.0
) -> tuple[StudentSpec, dict[str, NDArray[Any]]]:
    """Return the arrays of a device and how they are read; the threshold lets everything through.

    Args:
        network: trained.
        characters: sizes of the n-grams of characters that it was trained on.
        words: sizes of the n-grams of words that it was trained on.
        heat: temperature that the logits are divided by.
    """
    weights = network.weights
    unit = network.top / TOP
    arrays: dict[str, NDArray[Any]] = {
        "table": np.clip(np.rint(weights["table"] / np.float32(network.table_step)), -TOP, TOP).astype(np.int8),
        "bias": np.rint(weights["bias"] / unit * (1 << FRACTION)).astype(np.int32),
        "head": np.clip(np.rint(weights["head"] / np.float32(network.head_step)), -TOP, TOP).astype(np.int8),
        "last": np.rint(weights["last"] / (unit * network.head_step)).astype(np.int32),
    }
    rows, hidden = arrays["table"].shape
    spec = StudentSpec(
        characters=characters, words=words, rows=rows, hidden=hidden, shift=SHIFT,
        # 256 for the eight bits of fraction that the integer square root has.
        factor=max(1, round(network.table_step / unit * 256 * (1 << SHIFT))),
        scale=unit * network.head_step / heat, threshold=-(1 << 31),
    )  # fmt: skip
    return spec, arrays


def size_in_bytes(arrays: dict[str, NDArray[Any]]) -> int:
    """Return bytes of the arrays as a device holds them."""
    return sum(array.nbytes for array in arrays.values())


INPUT = "features"
# By how much logits may go beyond those of the model's test vectors.
_ROOM = 1.25


def float_graph(spec: LanguageSpec, arrays: dict[str, NDArray[Any]]) -> Graph:
    """Return features of shape (rows,), float32, to `label`, `probabilities` and `confidence`, as the student has them.

    Raises:
        InputError: a model without a student.
    """
    return _build(spec, arrays)[0]


def int8_graph(spec: LanguageSpec, arrays: dict[str, NDArray[Any]]) -> Graph:
    """Return the same with its network in int8: the student's own bytes, and logits in 255 steps.

    Raises:
        InputError: a model without a student.
    """
    student, (graph, sums, hidden, logits) = student_of(spec), _build(spec, arrays)
    values = np.array([vector.logits for vector in spec.vectors], np.float64) * student.scale
    ranges = {
        INPUT: (0.0, MAX_BYTE / UNIT), sums: (0.0, 127.0), hidden: (0.0, 127.0),
        logits: (float(values.min()) * _ROOM, float(values.max()) * _ROOM),
    }  # fmt: skip
    empty = np.zeros((0, student.rows), np.float32)
    return quantise(graph, empty, per_channel="never", known=ranges)


def student_of(spec: LanguageSpec) -> StudentSpec:
    """Return the student of a model.

    Raises:
        InputError: it has none.
    """
    if spec.student is None:
        raise LanguageModelError("a model with a student", "one without", spec.name)
    return spec.student


def _build(spec: LanguageSpec, arrays: dict[str, NDArray[Any]]) -> tuple[Graph, str, str, str]:
    """Return the graph, and the names of its hidden layer's sums, of that layer, and of the logits."""
    student = student_of(spec)
    builder = Builder(spec.name, (student.rows,), input_name=INPUT, labels=spec.intents)
    builder.boundary(builder.input)
    # In units of the student's hidden integers: its square root and its shift leave the factor over 2^(8 + shift).
    weights = arrays["table"].astype(np.float64) * (student.factor / 2.0 ** (8 + student.shift))
    bias = arrays["bias"] / 2.0**FRACTION
    sums = builder.op("Gemm", builder.input, _floats(builder, weights), _floats(builder, bias))
    hidden = builder.op("Relu", sums)
    head, last = (arrays[name] * student.scale for name in ("head", "last"))
    logits = builder.op("Gemm", hidden, _floats(builder, head), _floats(builder, last))
    value = builder.op("Softmax", logits, axis=1)
    builder.stage("model", value)
    limits = Student(student, arrays, len(spec.intents), spec.name).limits * student.scale
    metadata = {"edgewright.limits": " ".join(map(repr, limits.tolist()))}
    return builder.finish(finish_outputs(builder, value, len(spec.intents)), metadata), sums, hidden, logits


def _floats(builder: Builder, array: NDArray[Any]) -> str:
    return builder.constant(np.asarray(array, np.float32))


# Cosine of the words' rarities from which on a sentence may belong to one of the intents.
_ALIKE = 0.5
# Texts that are compared at once with all sentences.
_BLOCK = 2_000
_NONSENSE, _SEED = 80, 7
# Words of the background that are most frequent; their share of English sentences is .3 to .6, of others .1 to .2.
_FREQUENT, _ENGLISH = 60, 0.25
# Words from which on that share is known.
_TELLING = 40
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@cache
def background() -> tuple[str, ...]:
    """Return sentences of several hundred topics: questions, commands, remarks and single words."""
    path = resources.files("edgewright.language.intents") / "background.txt"
    return tuple(path.read_text("utf-8").splitlines())


@cache
def nonsense() -> tuple[str, ...]:
    """Return one to four made-up words each."""
    random = np.random.default_rng(_SEED)

    def word() -> str:
        return "".join(_LETTERS[k] for k in random.integers(len(_LETTERS), size=int(random.integers(2, 9))))

    return tuple(" ".join(word() for _ in range(int(random.integers(1, 5)))) for _ in range(_NONSENSE))


def outside_of(texts: Sequence[str]) -> list[str]:
    """Return the background without what may belong to the texts, and nonsense, in a mixed order.

    Args:
        texts: sentences of all intents.
    """
    sentences, words = background(), {word: number for number, word in enumerate(_rarities())}
    away, nearest = _matrix(sentences, words), np.zeros(len(background()))
    for begin in range(0, len(texts), _BLOCK):
        cosines = away @ _matrix(texts[begin : begin + _BLOCK], words).T
        nearest = np.maximum(nearest, cosines.max(axis=1).toarray().ravel())
    kept = [*nonsense(), *(text for text, cosine in zip(sentences, nearest, strict=True) if cosine < _ALIKE)]
    return [kept[k] for k in np.random.default_rng(_SEED).permutation(len(kept))]


def is_english(texts: Sequence[str]) -> bool:
    """Return whether the background is of these texts' language, which only some dozens of words tell."""
    words = [word for text in texts for word in normalised(text).split()]
    known = set(sorted(_rarities(), key=_rarities().__getitem__)[:_FREQUENT])
    return len(words) < _TELLING or sum(word in known for word in words) >= _ENGLISH * len(words)


def _matrix(texts: Sequence[str], words: Mapping[str, int]) -> csr_matrix:
    """Return the shares of these words in texts, shape (n, words)."""
    entries = [
        (row, words[word], share)
        for row, text in enumerate(texts) for word, share in _shares(text).items() if word in words
    ]  # fmt: skip
    rows, columns, shares = zip(*entries, strict=True) if entries else ((), (), ())
    return csr_matrix((np.array(shares, np.float64), (rows, columns)), shape=(len(texts), len(words)))


@cache
def _rarities() -> dict[str, float]:
    """Return the rarity of each word of the background; that of any other word is under ''."""
    counts = Counter(word for sentence in background() for word in set(normalised(sentence).split()))
    size = 1 + len(background())
    return {"": float(np.log(size)), **{word: float(np.log(size / (1 + count))) for word, count in counts.items()}}


def _shares(text: str) -> dict[str, float]:
    """Return the words of a text with their rarities as a unit vector."""
    rarities = _rarities()
    words = {word: rarities.get(word, rarities[""]) for word in normalised(text).split()}
    length = float(np.linalg.norm(list(words.values()))) or 1.0
    return {word: rarity / length for word, rarity in words.items()}

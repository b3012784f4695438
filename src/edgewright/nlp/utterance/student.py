"""The int8 student: rows of a table added up, a hidden layer, logits; integers throughout, the same in C.

With n rows added up to `sum[j]`, in integers of 64 bits:

    factor = FACTOR / isqrt(n << 16)
    hidden[j] = clip((sum[j] * factor + (bias[j] << SHIFT - 8) + (1 << SHIFT - 1)) >> SHIFT, 0, 127)
    logit[k] = last[k] + sum over j of hidden[j] * head[j][k]

The square root keeps the sums of long and short utterances alike: that many n-grams add up to about its size.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import LanguageModelError, UtterancesError
from edgewright.nlp.records import HeadSpec, Slot, StudentSpec, TaggerSpec
from edgewright.nlp.utterance.values import (
    LONGEST,
    SPACE,
    WORD_CLASS,
    lower,
    normalised,
    small_letters,
    tokens,
)

# Logits are told as whole steps of this size, as a student's are.
STEP = 1e-3
# By which the test vectors may differ on another processor: encoders compute in floats.
TOLERANCE = 0.05


class Encodes(Protocol):
    """What a head needs of an encoder."""

    name: str
    dimensions: int

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape (n, d)."""
        ...


class Head:
    """Text to logits in whole steps, through an encoder; `limits`, shape (k,), from which on each intent is answered.

    Args:
        spec: which encoder, and the scale of a step.
        arrays: `weights` float32 (d, k), `offsets` float32 (k,).
        classes: number k of intents.
        encoder: that it was trained on.
        where: of the file, for messages.

    Raises:
        InputError: arrays of another shape, or another encoder.
    """

    def __init__(
        self, spec: HeadSpec, arrays: dict[str, NDArray[Any]], classes: int, encoder: Encodes, where: str
    ) -> None:
        shapes = {"weights": (spec.dimensions, classes), "offsets": (classes,)}
        for name, shape in shapes.items():
            array = arrays.get(name)
            if array is None or array.dtype != np.float32 or array.shape != shape or not np.isfinite(array).all():
                got = "none" if array is None else f"{array.dtype} {array.shape}"
                raise LanguageModelError(f"an array {name} of float32 {shape}", got, where)
        if encoder.dimensions != spec.dimensions:
            raise LanguageModelError(
                f"the encoder {spec.encoder} with vectors of {spec.dimensions}",
                f"{encoder.name} with {encoder.dimensions}", where, "Pass the directory used in training",
            )  # fmt: skip
        if not math.isfinite(spec.scale) or spec.scale <= 0:
            raise LanguageModelError("a positive scale", str(spec.scale), where)
        self._encoder, self._weights, self._offsets = encoder, arrays["weights"], arrays["offsets"]
        self.limits: NDArray[np.int64] = np.full(classes, spec.threshold, np.int64)

    def logits(self, text: str) -> NDArray[np.int64]:
        """Logits in steps of `STEP`, shape (k,)."""
        raw = self._encoder.encode([text])[0] @ self._weights + self._offsets
        rounded: NDArray[np.int64] = np.rint(raw.astype(np.float64) / STEP).astype(np.int64)
        return rounded


# Bits of fraction of a bias.
FRACTION = 8
ARRAYS = {"table": np.int8, "bias": np.int32, "head": np.int8, "last": np.int32}


class Student:
    """Text to integer logits; `limits`, shape (k,), are those from which on each intent is answered.

    Args:
        spec: sizes and scales.
        arrays: `table` int8 (rows, hidden), `bias` int32 (hidden,), `head` int8 (hidden, k), `last` int32 (k,).
        classes: number k of intents.
        where: of the file, for messages.

    Raises:
        InputError: arrays of another type or shape than the spec says, or sizes that cannot be.
    """

    def __init__(self, spec: StudentSpec, arrays: dict[str, NDArray[Any]], classes: int, where: str) -> None:
        shapes = {"table": (spec.rows, spec.hidden), "bias": (spec.hidden,), "head": (spec.hidden, classes),
                  "last": (classes,)}  # fmt: skip
        for name, kind in ARRAYS.items():
            array = arrays.get(name)
            if array is None or array.dtype != kind or array.shape != shapes[name] or not array.size:
                got = "none" if array is None else f"{array.dtype} {array.shape}"
                raise LanguageModelError(f"an array {name} of {np.dtype(kind)} {shapes[name]}", got, where)
        lengths = (*spec.characters, *spec.words)
        if not lengths or min(lengths) < 1 or max(lengths) > 8 or not 0 < spec.factor < 1 << 40:
            raise LanguageModelError("n-grams of 1 to 8 and a positive factor", f"{lengths}, {spec.factor}", where)
        if not FRACTION < spec.shift <= 30 or not math.isfinite(spec.scale) or spec.scale <= 0:
            raise LanguageModelError("a shift of 9 to 30 and a positive scale", f"{spec.shift}, {spec.scale}", where)
        self._spec = spec
        # Sums of small integers are exact in float32, and BLAS adds rows of them faster than NumPy adds bytes.
        self._table = arrays["table"].astype(np.float32)
        self._head = arrays["head"].astype(np.float32)
        half = 1 << (spec.shift - 1)
        self._bias = (arrays["bias"].astype(np.int64) << (spec.shift - FRACTION)) + half
        self._last = arrays["last"].astype(np.int64)
        # An intent needs more than it has from a text without a known n-gram.
        self.limits: NDArray[np.int64] = np.maximum(spec.threshold, self.logits("") + 1)

    def logits(self, text: str) -> NDArray[np.int64]:
        """Integer logits, shape (k,); those of the biases alone for a text without a word."""
        spec = self._spec
        rows = rows_of(normalised(text), spec.characters, spec.words, spec.rows)
        total = self._bias
        if len(rows):
            # All rows are within the table; "clip" saves NumPy a copy.
            sums = np.add.reduce(self._table.take(rows, axis=0, mode="clip"), axis=0).astype(np.int64)
            total = sums * (spec.factor // math.isqrt(len(rows) << 16)) + total
        hidden = np.minimum(np.maximum(total >> spec.shift, 0), 127).astype(np.float32)
        totals: NDArray[np.int64] = (hidden @ self._head).astype(np.int64) + self._last
        return totals


# Steps of one n-gram alone; the square root of two of them is just within 255.
UNIT = 360
MAX_BYTE, ZERO = 255, -128


def features(text: str, spec: StudentSpec) -> NDArray[np.int8]:
    """Return the bytes of a text, shape (rows,); all of them -128 for one without a word."""
    rows = rows_of(normalised(text), spec.characters, spec.words, spec.rows)
    values = np.full(spec.rows, ZERO, np.int8)
    if len(rows):
        root = math.isqrt(len(rows) << 16)
        places, counts = np.unique(rows, return_counts=True)
        values[places] = np.minimum((counts * (UNIT << 8) + root // 2) // root, MAX_BYTE) + ZERO
    return values


MULTIPLIER = 0x01000193
MIX_A, MIX_B = 0x85EBCA6B, 0xC2B2AE35
# Added to the hash of an n-gram of characters times its length, and of words times 64 more.
SEED = 0x9E3779B9
WORDS = 64
_MASK = 0xFFFFFFFF
# The longest run of words; beyond it a word is a run of its first code points no more.
_LENGTH = LONGEST * 2 + 3

# Made once: a parse has no time to make them.
_SIXTEEN, _THIRTEEN, _MIX_A, _MIX_B = (np.uint32(number) for number in (16, 13, MIX_A, MIX_B))
_HALF = np.uint64(32)
_SEEDS = tuple(np.uint32(SEED * kind & _MASK) for kind in range(2 * WORDS))

Codes = NDArray[np.uint32]


@cache
def _powers() -> tuple[Codes, Codes]:
    """Return powers of the multiplier and of its inverse modulo 2^32."""
    up, down, inverse = [1], [1], pow(MULTIPLIER, -1, 1 << 32)
    for _ in range(_LENGTH):
        up.append(up[-1] * MULTIPLIER & _MASK)
        down.append(down[-1] * inverse & _MASK)
    return np.array(up, np.uint32), np.array(down, np.uint32)


def rows_of(text: str, characters: tuple[int, ...], words: tuple[int, ...], rows: int) -> NDArray[np.int64]:
    """Return rows of the table that a text adds up, with repetitions.

    Args:
        text: as `normalised` gives it.
        characters: lengths of the n-grams of characters.
        words: numbers of words of the n-grams of words.
        rows: of the table.

    Returns:
        Row numbers, shape (n,); none for a text without a word.
    """
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    length = len(codes)
    if length < 3:
        return np.zeros(0, np.int64)
    up, down = _powers()
    sums = np.empty(length + 1, np.uint32)
    sums[0] = 0
    np.cumsum(codes * down[:length], dtype=np.uint32, out=sums[1:])
    parts = [(sums[n:] - sums[:-n]) * up[n - 1 : length] + _SEEDS[n] for n in characters if n <= length]
    spaces = np.flatnonzero(codes == SPACE)
    for n in words:
        if n < len(spaces):
            begin, end = spaces[:-n] + 1, spaces[n:]
            parts.append((sums[end] - sums[begin]) * up[end - 1] + _SEEDS[n + WORDS])
    if not parts:
        return np.zeros(0, np.int64)
    return scaled(mixed(np.concatenate(parts)), rows)


def mixed(hashes: Codes) -> Codes:
    """MurmurHash3's finaliser, in place."""
    hashes ^= hashes >> _SIXTEEN
    hashes *= _MIX_A
    hashes ^= hashes >> _THIRTEEN
    hashes *= _MIX_B
    hashes ^= hashes >> _SIXTEEN
    return hashes


def scaled(hashes: Codes, rows: int) -> NDArray[np.int64]:
    """Hashes of 32 bits as numbers below `rows`: the upper half of their product."""
    wide = hashes.astype(np.uint64)
    wide *= np.uint64(rows)
    wide >>= _HALF
    return wide.view(np.int64)


_WORD = re.compile(rf"[{WORD_CLASS}]")
_DIGIT = re.compile(r"[0-9]")
_REPEATED = re.compile(r"(.)\1+", re.DOTALL)
_BEFORE, _AFTER = "<", ">"


def attributes(text: str, spans: list[tuple[int, int]], intent: str) -> list[list[str]]:
    """Return the attributes of every token.

    Args:
        text: text of the utterance.
        spans: of its tokens.
        intent: that was understood or, in training, is known.
    """
    words = [text[begin:end] for begin, end in spans]
    plain = [_BEFORE, _BEFORE, *(_DIGIT.sub("0", lower(word)) for word in words), _AFTER, _AFTER]
    shapes = [_BEFORE, *(shape(word) for word in words), _AFTER]
    rows = []
    for i in range(len(words)):
        before2, before, word, after, after2 = plain[i : i + 5]
        rows.append([
            "b", f"I={intent}", f"w={word}", f"I|w={intent}|{word}", f"-1={before}", f"+1={after}",
            f"-2={before2}", f"+2={after2}", f"-1w={before}|{word}", f"w+1={word}|{after}",
            f"-2-1={before2}|{before}", f"+1+2={after}|{after2}", f"-1+1={before}|{after}",
            f"s3={word[-3:]}", f"s2={word[-2:]}", f"p3={word[:3]}", f"p2={word[:2]}",
            f"sh={shapes[i + 1]}", f"sh-1={shapes[i]}", f"sh+1={shapes[i + 2]}",
        ])  # fmt: skip
    return rows


def shape(word: str) -> str:
    """Capitals as X, other letters as x, digits 0 to 9 as d, signs as they are; at most two of a kind in a row."""
    return _REPEATED.sub(r"\1\1", "".join(map(_kind, word)))


@lru_cache(4096)
def _kind(char: str) -> str:
    if "0" <= char <= "9":
        return "d"
    if ord(char) in small_letters():
        return "X"
    return "x" if char != "_" and _WORD.match(char) else char


def keys(attribute_rows: list[list[str]]) -> NDArray[np.uint32]:
    """CRC-32 of all attributes, one after the other."""
    crc = zlib.crc32
    return np.array([crc(name.encode("utf-8")) for row in attribute_rows for name in row], np.uint32)


# Tokens that are tagged at most: what lies beyond them is no slot, so that the memory of a device is bounded.
MOST_TOKENS = 128
# Bits of fraction of a weight when scores are added up, and the largest move: sums over all tokens fit 32 bits.
TAGGER_FRACTION, LARGEST = 8, 1 << 22
TAGGER_ARRAYS = {"keys": np.uint32, "counts": np.uint8, "labels": np.uint8, "weights": np.int8, "moves": np.float32}


class Tagger:
    """Text and intent to slots.

    Args:
        spec: labels and the scale of a weight.
        arrays: `keys` (a,) sorted CRC-32 of attributes, `counts` (a,) weights of each, `labels` and `weights` (w,),
            `moves` (labels, labels) from one to the next.
        where: of the file, for messages.

    Raises:
        InputError: arrays that do not fit together.
    """

    def __init__(self, spec: TaggerSpec, arrays: dict[str, NDArray[Any]], where: str) -> None:
        by_name = {name: arrays.get(name) for name in TAGGER_ARRAYS}
        for name, kind in TAGGER_ARRAYS.items():
            array = by_name[name]
            if array is None or array.dtype != kind:
                raise LanguageModelError(f"an array {name} of {np.dtype(kind)}", "none or another type", where)
        size, names = len(spec.labels), arrays["keys"]
        total = int(arrays["counts"].sum(dtype=np.int64)) if arrays["counts"].ndim == 1 else -1
        sound = (
            1 <= size <= 256
            and names.shape == arrays["counts"].shape
            and arrays["labels"].shape == arrays["weights"].shape == (total,)
            and arrays["moves"].shape == (size, size)
            and bool(np.isfinite(arrays["moves"]).all())
            and (not total or int(arrays["labels"].max()) < size)
            and bool(np.all(names[1:] > names[:-1]))
            and math.isfinite(spec.scale)
            and spec.scale > 0
            and all(label == "O" or (label[:2] in ("B-", "I-") and 2 < len(label) <= 102) for label in spec.labels)
        )
        if not sound:
            raise UtterancesError("the arrays of a slot tagger that fit together", "others", where)
        self._spec, self._keys = spec, names
        self._starts = np.concatenate([[0], np.cumsum(arrays["counts"], dtype=np.int64)])
        self._labels, self._weights = arrays["labels"].astype(np.int64), arrays["weights"].astype(np.float64)
        self._moves = integer_moves(spec, arrays["moves"])

    def path(self, text: str, spans: list[tuple[int, int]], intent: str) -> list[int]:
        """Return the best label of every token; that of the first label, O, beyond `MOST_TOKENS`."""
        beyond = [0] * (len(spans) - MOST_TOKENS)
        spans = spans[:MOST_TOKENS]
        if not spans or not len(self._keys):
            return [0] * len(spans) + beyond
        return viterbi(self._scores(attributes(text, spans, intent)), self._moves) + beyond

    def slots(self, text: str, intent: str) -> tuple[Slot, ...]:
        """Return slots in the order of the text."""
        spans = tokens(text)
        return joined(text, spans, [self._spec.labels[k] for k in self.path(text, spans, intent)])

    def _scores(self, rows: list[list[str]]) -> NDArray[np.int64]:
        wanted = keys(rows)
        size = len(self._spec.labels)
        places = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        known = np.flatnonzero(self._keys[places] == wanted)
        places = places[known]
        begins = self._starts[places]
        counts = self._starts[places + 1] - begins
        total = int(counts.sum())
        # One index a weight: the begin of its attribute plus its place among the attribute's weights.
        firsts = np.repeat(np.cumsum(counts) - counts, counts)
        index = np.repeat(begins, counts) + np.arange(total) - firsts
        token = np.repeat(known // len(rows[0]), counts)
        cells = token * size + self._labels[index]
        scores = np.bincount(cells, self._weights[index], len(rows) * size).reshape(len(rows), size)
        # Sums of small integers: exact.
        return np.asarray(scores, np.int64) << TAGGER_FRACTION


def integer_moves(spec: TaggerSpec, moves: NDArray[Any]) -> NDArray[np.int64]:
    """Move in steps of the weights' scale and `FRACTION` bits, so that desk and device add the same integers."""
    steps = np.rint(moves.astype(np.float64) / spec.scale * (1 << TAGGER_FRACTION))
    rounded: NDArray[np.int64] = np.clip(steps, -LARGEST, LARGEST).astype(np.int64)
    return rounded


def viterbi(scores: NDArray[np.int64], moves: NDArray[np.int64]) -> list[int]:
    """Return the path of largest sum; of equal ones, that of the first labels.

    Args:
        scores: shape (tokens, labels).
        moves: shape (labels, labels), from one to the next.
    """
    best = scores[0]
    back = []
    for row in scores[1:]:
        ways = best[:, None] + moves
        back.append(ways.argmax(axis=0))
        best = ways.max(axis=0) + row
    path = [int(best.argmax())]
    for step in reversed(back):
        path.append(int(step[path[-1]]))
    return path[::-1]


def joined(text: str, spans: list[tuple[int, int]], labels: list[str]) -> tuple[Slot, ...]:
    """Return runs of labels B-name, I-name as slots; an I that follows no such run begins one."""
    labelled_spans: list[tuple[str, int, int]] = []
    open_name = ""
    for (begin, end), label in zip(spans, labels, strict=True):
        name = label[2:]
        if label.startswith("I-") and name == open_name:
            labelled_spans[-1] = (name, labelled_spans[-1][1], end)
        elif name:
            labelled_spans.append((name, begin, end))
        open_name = name
    return tuple(Slot(name=n, begin=b, end=e, text=text[b:e], by="tagger") for n, b, e in labelled_spans)

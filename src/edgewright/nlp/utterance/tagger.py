"""The slot tagger on a device: hashed attributes to scores of labels, and the best path through them.

A linear-chain conditional random field (Lafferty et al., 2001): the score of a path is the sum of the weights of every
token's attributes for its label, and of every pair of labels. The Viterbi algorithm finds the best one.

Desk and device call the same functions, so training and parsing cannot differ. An attribute is a short string; the
device keeps the CRC-32 of those that carry a weight.
"""

from __future__ import annotations

import math
import re
import zlib
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.nlp.utterance.normalise import APOSTROPHES, SPACE_CLASS, WORD_CLASS, lower, small_letters
from edgewright.schema.errors import InputError
from edgewright.schema.language import Slot, TaggerSpec

_JOINS = "".join(map(chr, APOSTROPHES))
# A word, with an apostrophe in it or not, or one sign.
_TOKEN = re.compile(rf"[{WORD_CLASS}]+(?:[{_JOINS}][{WORD_CLASS}]+)*|[^{WORD_CLASS}{SPACE_CLASS}]")
_WORD = re.compile(rf"[{WORD_CLASS}]")
_DIGIT = re.compile(r"[0-9]")
_REPEATED = re.compile(r"(.)\1+", re.DOTALL)
_BEFORE, _AFTER = "<", ">"


def tokens(text: str) -> list[tuple[int, int]]:
    """Begin and end of every token, in code points."""
    return [match.span() for match in _TOKEN.finditer(text)]


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
FRACTION, LARGEST = 8, 1 << 22
ARRAYS = {"keys": np.uint32, "counts": np.uint8, "labels": np.uint8, "weights": np.int8, "moves": np.float32}


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
        by_name = {name: arrays.get(name) for name in ARRAYS}
        for name, kind in ARRAYS.items():
            array = by_name[name]
            if array is None or array.dtype != kind:
                raise InputError(f"an array {name} of {np.dtype(kind)}", "none or another type", where)
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
            raise InputError("the arrays of a slot tagger that fit together", "others", where)
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
        return np.asarray(scores, np.int64) << FRACTION


def integer_moves(spec: TaggerSpec, moves: NDArray[Any]) -> NDArray[np.int64]:
    """Move in steps of the weights' scale and `FRACTION` bits, so that desk and device add the same integers."""
    steps = np.rint(moves.astype(np.float64) / spec.scale * (1 << FRACTION))
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

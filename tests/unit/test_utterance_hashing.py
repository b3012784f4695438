"""Normalising and hashing: the rules as they are written down, and a slow second implementation of them."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgewright.core.errors import InputError, LanguageModelError
from edgewright.nlp.records import StudentSpec
from edgewright.nlp.utterance import student as hashing
from edgewright.nlp.utterance.student import FRACTION, Student, rows_of
from edgewright.nlp.utterance.values import LONGEST, checked, normalised

MASK = 0xFFFFFFFF
LETTERS = st.text(
    st.sampled_from("abcXYZ019 '.,?!éÅñßøŁΩάЖйё\u2019\u00a0\u3000\u200b😀👍🏽שלום中文हिंदी\u0301\ufe0f\t"), max_size=40
)


def slow_rows(text: str, characters: tuple[int, ...], words: tuple[int, ...], rows: int) -> list[int]:
    """One n-gram after the other, as C does it."""
    codes = [ord(c) for c in text]

    def row(run: list[int], kind: int) -> int:
        value = 0
        for code in run:
            value = (value * hashing.MULTIPLIER + code) & MASK
        value = (value + hashing.SEED * kind) & MASK
        value ^= value >> 16
        value = value * hashing.MIX_A & MASK
        value ^= value >> 13
        value = value * hashing.MIX_B & MASK
        value ^= value >> 16
        return value * rows >> 32

    if len(codes) < 3:
        return []
    hashes = [row(codes[i : i + n], n) for n in characters for i in range(len(codes) - n + 1)]
    spaces = [i for i, code in enumerate(codes) if code == 32]
    for n in words:
        hashes += [row(codes[a + 1 : b], n + hashing.WORDS) for a, b in zip(spaces, spaces[n:], strict=False)]
    return hashes


@pytest.mark.slow
@given(LETTERS)
@settings(max_examples=300)
def test_rows_are_those_of_the_slow_way(text: str) -> None:
    hashed = rows_of(normalised(text), (2, 3, 4), (1, 2), 7919)
    assert hashed.tolist() == slow_rows(normalised(text), (2, 3, 4), (1, 2), 7919)
    assert not len(hashed) or (hashed.min() >= 0 and hashed.max() < 7919)


@given(LETTERS)
@settings(max_examples=300)
def test_normalising_twice_changes_nothing_and_leaves_single_spaces(text: str) -> None:
    once = normalised(text)
    assert normalised(once) == once
    assert "  " not in once
    assert once == " " or (once[0] == once[-1] == " " and once.strip())


@pytest.mark.slow
@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x24F), max_size=40))
@settings(max_examples=300)
def test_composed_and_decomposed_latin_are_one(text: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert normalised(composed) == normalised(decomposed)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("  I WANT   a Soda, please! ", " i want a soda please "),
        ("caf\u00e9 CAFE\u0301", " cafe cafe "),
        ("don\u2019t", " don't "),
        ("at 3:45", " at 0 00 "),
        ("\uff21\uff11", " a0 "),
        ("\u05e9\u05dc\u05d5\u05dd", " \u05e9\u05dc\u05d5\u05dd "),
        ("\u200f\u05e9\u05dc\u05d5\u05dd\u200e", " \u05e9\u05dc\u05d5\u05dd "),
        ("\u2764\ufe0f", " \u2764 "),
        ("\U0001f600 ok", " \U0001f600 ok "),
        ("?!...", " "),
        ("", " "),
    ],
)
def test_what_text_becomes(text: str, wanted: str) -> None:
    assert normalised(text) == wanted


@pytest.mark.parametrize("text", ["", "  \n", "x" * (LONGEST + 1), "x" * 100_000, "half \ud800 a character"])
def test_what_is_no_utterance_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        checked(text)


def test_the_student_is_its_formula() -> None:
    random = np.random.default_rng(4)
    spec = StudentSpec(characters=(3,), words=(1,), rows=50, hidden=6, factor=3_000_000_000, shift=24, scale=0.01,
                       threshold=0)  # fmt: skip
    arrays: dict[str, NDArray[Any]] = {
        "table": random.integers(-127, 128, (50, 6)).astype(np.int8),
        "bias": random.integers(-5000, 5000, 6).astype(np.int32),
        "head": random.integers(-127, 128, (6, 3)).astype(np.int8),
        "last": random.integers(-999, 999, 3).astype(np.int32),
    }
    student = Student(spec, arrays, 3, "here")
    for text in ("turn on the light", "a", "\U0001f600", "", "word " * 150):
        rows = slow_rows(normalised(text), (3,), (1,), 50)
        factor = 3_000_000_000 // math.isqrt(len(rows) << 16) if rows else 0
        wanted = [int(value) for value in arrays["last"]]
        for j in range(6):
            total = sum(int(arrays["table"][row, j]) for row in rows) * factor
            raw = (total + (int(arrays["bias"][j]) << (24 - FRACTION)) + (1 << 23)) >> 24
            for k in range(3):
                wanted[k] += min(max(raw, 0), 127) * int(arrays["head"][j, k])
        assert student.logits(text).tolist() == wanted


def test_arrays_that_do_not_fit_are_refused() -> None:
    spec = StudentSpec(characters=(3,), words=(1,), rows=5, hidden=2, factor=1, shift=24, scale=0.1, threshold=0)
    good: dict[str, NDArray[Any]] = {
        "table": np.zeros((5, 2), np.int8), "bias": np.zeros(2, np.int32), "head": np.zeros((2, 3), np.int8),
        "last": np.zeros(3, np.int32),
    }  # fmt: skip
    Student(spec, good, 3, "here")
    odd: dict[str, NDArray[Any]] = {
        "table": np.zeros((4, 2), np.int8), "bias": np.zeros(2, np.int8), "last": np.zeros(2, np.int32),
    }  # fmt: skip
    for name, bad in odd.items():
        with pytest.raises(LanguageModelError):
            Student(spec, {**good, name: bad}, 3, "here")

"""Alignment to a prompt and the goodness of its phones, on scores whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignment import Alignment, Prompt, align
from edgewright.core.errors import InputError
from edgewright.core.records.data import Floats
from phones import (
    NUMBERS,
    PHONES,
    SILENCE,
    changed_prompt,
    confusable,
    from_ipa,
    other_word,
    read_lexicon,
)
from reading import match_phones, word_mistake


def phones(text: str) -> tuple[int, ...]:
    return tuple(NUMBERS[name] for name in text.split())


def scores_of(spoken: list[tuple[int, int]]) -> Floats:
    """Return log-probabilities in which (phone, steps) are heard one after the other, clearly."""
    rows = [phone for phone, steps in spoken for _ in range(steps)]
    scores = np.full((len(rows), len(PHONES) + 1), 0.001, np.float32)
    scores[np.arange(len(rows)), rows] = 0.9
    return np.asarray(np.log(scores / scores.sum(axis=1, keepdims=True)), np.float32)


BEAR, RED = phones("B EH R"), phones("R EH D")
SPOKEN = [(SILENCE, 4), *((p, 3) for p in BEAR), (SILENCE, 5), *((p, 4) for p in RED), (SILENCE, 4)]


def test_phones_lie_where_they_are_heard_and_pauses_are_optional() -> None:
    aligned = align(scores_of(SPOKEN), Prompt([[BEAR], [RED]]))
    assert [(one.word, one.phone, one.begin, one.end) for one in aligned] == [
        (0, BEAR[0], 4, 7), (0, BEAR[1], 7, 10), (0, BEAR[2], 10, 13),
        (1, RED[0], 18, 22), (1, RED[1], 22, 26), (1, RED[2], 26, 30),
    ]  # fmt: skip
    without = [part for part in SPOKEN if part[0] != SILENCE]
    assert [one.phone for one in align(scores_of(without), Prompt([[BEAR], [RED]]))] == [*BEAR, *RED]


def test_the_pronunciation_that_was_said_is_taken() -> None:
    spoken = [(SILENCE, 3), *((p, 3) for p in phones("DH IY")), (SILENCE, 3)]
    aligned = align(scores_of(spoken), Prompt([[phones("DH AH"), phones("DH IY")]]))
    assert [one.phone for one in aligned] == list(phones("DH IY"))


def test_a_word_is_certain_two_steps_after_it_ends_whatever_the_pieces() -> None:
    scores = scores_of(SPOKEN)
    prompt = Prompt([[BEAR], [RED]])
    alignment, words = Alignment(prompt), {}
    for step, row in enumerate(scores):
        for word in alignment.push(row[None]):
            words[word] = step
    assert words == {0: 14, 1: 31}
    at_once = Alignment(prompt)
    assert at_once.push(scores) == [0, 1]
    np.testing.assert_array_equal(at_once.path(), alignment.path())


def test_a_recording_shorter_than_its_prompt_is_refused() -> None:
    with pytest.raises(InputError, match="a recording as long as its prompt"):
        align(scores_of(SPOKEN)[:8], Prompt([[BEAR], [RED]]))
    with pytest.raises(InputError, match="words with pronunciations"):
        Prompt([])


def test_a_phone_that_was_not_said_is_a_mistake_and_what_was_said_is_named() -> None:
    scores = scores_of(SPOKEN)
    expected = phones("P EH R")
    matched = match_phones(scores, align(scores, Prompt([[expected], [RED]])))
    wrong, *right = matched
    assert wrong.mistake > max(one.mistake for one in right) + 1.0
    assert wrong.confused == NUMBERS["B"]
    assert wrong.instead[NUMBERS["P"]] == 0.0
    assert word_mistake(matched[:3]) > word_mistake(matched[3:])


def test_a_changed_prompt_differs_in_the_phones_that_it_names() -> None:
    prompt = ((BEAR,), (RED,), (phones("DH AH"), phones("DH IY")))
    for seed in range(20):
        near = confusable()
        change = changed_prompt(prompt, near, np.random.default_rng(seed))
        (word, position), was = next(iter(change.truth.items()))
        assert was in {own[position] for own in prompt[word] if position < len(own)}
        assert change.pronunciations[word][0][position] in near[was]
        assert sum(own != other for own, other in zip(prompt, change.pronunciations, strict=True)) == 1
        other, number = other_word(prompt, {"RED": (RED,), "BEAR": (BEAR,)}, np.random.default_rng(seed))
        assert number == -1 or other[number][0] not in prompt[number]


def test_phones_of_letters_and_dictionaries(tmp_path: Path) -> None:
    assert from_ipa("tʃ") == phones("CH")
    assert from_ipa("ɑːɹ") == phones("AA R")
    path = tmp_path / "lexicon.txt"
    path.write_text(";;; comment\nTHE  DH AH0\nTHE(2)  DH IY0\n")
    assert read_lexicon(path) == {"THE": (phones("DH AH"), phones("DH IY"))}
    path.write_text("CAT K AE1 T\nDOG D AU1 G\n")
    with pytest.raises(InputError, match=r"'AU' - at .*lexicon.txt line 2"):
        read_lexicon(path)
    with pytest.raises(InputError, match="a dictionary as text"):
        read_lexicon(tmp_path / "absent.txt")

"""Words and sentences of documents."""

from __future__ import annotations

import pytest

from edgewright.nlp.documents.question_kinds import asks_for
from edgewright.nlp.documents.sentences import LONGEST, sentence_spans
from edgewright.nlp.documents.words import stem, stems


@pytest.mark.parametrize("words", ["connect connecting connected connection connects", "battery batteries",
                                   "run running runner", "organization organisation"])  # fmt: skip
def test_forms_of_a_word_are_one(words: str) -> None:
    assert len({stem(word) for word in words.split()}) == 1


def test_words_that_say_nothing_go_and_scripts_stay() -> None:
    assert stems("How do I change the batteries?") == ["chang", "batteri"]
    assert stems("Wi-Fi e-Manual") == stems("wifi emanual")
    assert stems("Größe café") == stems("groesse cafe".replace("oe", "o"))
    assert stems("电池怎么换") == ["电池", "池怎", "怎么", "么换"]
    assert stems("البطارية 🙂") == ["البطارية"]
    assert stems("A" * 500) == []


def test_sentences_end_where_they_end() -> None:
    text = 'Dr. A. Smith paid 3.5 m. It was No. 7, e.g. this. "Why?" he said! Next\nitem one\nitem two'
    assert [text[begin:end] for begin, end in sentence_spans(text)] == [
        "Dr. A. Smith paid 3.5 m.", "It was No. 7, e.g. this.", '"Why?" he said!', "Next", "item one", "item two",
    ]  # fmt: skip


def test_a_text_without_stops_is_cut() -> None:
    spans = sentence_spans("word " * 1000)
    assert all(0 < end - begin <= LONGEST for begin, end in spans)
    assert len(spans) >= 8
    assert sentence_spans("x" * 2000)[-1][1] == 2000
    assert sentence_spans("   \n ") == ()


def test_what_a_question_asks_for() -> None:
    number = asks_for("How many cells does the drill take?")
    assert number is not None
    assert number("It takes two cells.")
    assert not number("It takes cells.")
    name = asks_for("Who invented the drill?")
    assert name is not None
    assert name("It was invented by Wilhelm Fein.")
    assert not name("It was invented long ago.")
    assert asks_for("Is it heavy?") is None

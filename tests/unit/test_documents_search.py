"""An index of documents: what is found, marked and said not to be there; by words and with vectors."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from benchmarks.language.answerable import MAX_REFUSED, MIN_REFUSED
from benchmarks.language.document_sets import index_of, xquad

from documents_example import Letters, manual, manual_index
from edgewright.core.errors import (
    DocumentIndexError,
    DocumentUnreadableError,
    EncoderMismatchError,
    FormatNewerError,
    InputError,
    MissingFileError,
    OutputError,
    QuestionError,
)
from edgewright.language.documents.document_file import DocumentFile
from edgewright.language.documents.index import Block, write_index
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.nlp.documents.words import LONGEST, asks_for, sentence_spans, stem, stems
from sections import Sections
from support import shared_data


@pytest.fixture
def index(tmp_path: Path) -> DocumentIndex:
    return DocumentIndex(manual_index(tmp_path))


@pytest.mark.parametrize(
    ("question", "section", "sentence"),
    [
        ("How long does the warranty last?", "Warranty", "The warranty lasts 24 months from the date of purchase."),
        ("How many cells does it take?", "Power", "The drill takes two AAA cells."),
        ("Which material is the housing?", "Cleaning", "housing; ABS"),
        ("how do I open the covr", "Power", "Open the cover on the back with a coin."),
        ("May I wash it with water?", "Cleaning", "Never use water."),
    ],
)
def test_the_answering_sentence_is_marked(index: DocumentIndex, question: str, section: str, sentence: str) -> None:
    answer = index.ask(question)
    assert answer.answered
    first = answer.passages[0]
    assert (first.path, first.document, first.sentence) == (("Drill X200", section), "drill.md", sentence)
    assert len({one.path for one in answer.passages}) == len(answer.passages)


@pytest.mark.parametrize("question", ["Who painted the Mona Lisa?", "How do I pair a phone?", "Wer bist du?",
                                      "what is it",
                                      "كيف أغير البطارية؟", "电池怎么换", "drop table; \" OR 1 --",
                                      "NEAR(a b) AND * ^"])  # fmt: skip
def test_what_is_not_there_is_said(index: DocumentIndex, question: str) -> None:
    answer = index.ask(question)
    assert not answer.answered
    assert 0.0 <= answer.confidence < answer.threshold


@pytest.mark.parametrize("question", ["", "  ", "?!", "🙂🙂", "x" * 1001, "a\x00b", "w " * 50_000])
def test_what_is_no_question_is_refused(index: DocumentIndex, question: str) -> None:
    with pytest.raises(QuestionError, match="question"):
        index.ask(question)


@pytest.mark.parametrize(
    ("question", "section"),
    [("What are the steps to connect to the lamp via the app?", "Connecting to the lamp via the app"),
     ("How do I use the timer?", "Using the timer")],
)  # fmt: skip
def test_a_heading_that_says_what_is_asked_comes_first(tmp_path: Path, question: str, section: str) -> None:
    sections = {
        "Using the lamp app": "The app controls each lamp that you connect via the network. It shows their power.",
        "Connecting to the lamp via the app": "Start the app on your phone. Tap Add Device and enter the number.",
        "Learning about my timer": "My timer counts hours. Its button is on the back.",
        "Using the timer": "Press the button for a second. The timer then counts until the lamp goes out.",
    }
    path = tmp_path / "lamp.index"
    write_index(path, [Sections("lamp", [Block((title,), 0, text) for title, text in sections.items()])])
    with DocumentIndex(path) as opened:
        assert opened.ask(question).passages[0].path == (section,)


def test_a_long_question_of_many_words_is_answered(index: DocumentIndex) -> None:
    question = ("warranty " + " ".join(f"w{n}" for n in range(200)))[:1000]
    assert index.ask(question).passages[0].path[-1] == "Warranty"


def test_sentences_by_number(index: DocumentIndex) -> None:
    best = index.sentences("How long does the warranty last?")
    assert best[0].number == index.contents.sentences - 1
    assert [one.score for one in best] == sorted((one.score for one in best), reverse=True)
    assert index.sentences("zzzz") == []


def test_vectors_find_what_words_do_not(tmp_path: Path) -> None:
    encoder = Letters()
    with DocumentIndex(manual_index(tmp_path, encoder)) as index:
        contents = index.contents
        assert (contents.encoder, contents.dimensions) == ("letters", 32)
        vector = encoder.encode(["Wipe the housing with a dry cloth."])[0]
        answer = index.ask("xyzzy", vector)
        assert answer.hybrid
        assert answer.passages[0].sentence == "Wipe the housing with a dry cloth."
        with pytest.raises(EncoderMismatchError):
            index.ask("cells", np.zeros(7, np.float32))
    with DocumentIndex(manual_index(tmp_path)) as index, pytest.raises(EncoderMismatchError):
        index.ask("cells", vector)


def test_the_same_documents_make_the_same_file(tmp_path: Path) -> None:
    first = manual_index(tmp_path, Letters()).read_bytes()
    assert manual_index(tmp_path, Letters()).read_bytes() == first


def test_an_index_is_replaced_when_whole_and_nothing_else_is(tmp_path: Path) -> None:
    path = manual_index(tmp_path)
    before = path.read_bytes()
    empty = manual(tmp_path, "\n\n", "empty.md")
    with pytest.raises(DocumentUnreadableError):
        write_index(path, [DocumentFile(empty)])
    assert path.read_bytes() == before
    other = manual(tmp_path)
    with pytest.raises(DocumentIndexError, match="another file"):
        write_index(other, [DocumentFile(other)])
    with pytest.raises(MissingFileError, match="no such folder"):
        write_index(tmp_path / "no" / "x", [DocumentFile(other)])
    assert {file.name for file in tmp_path.iterdir()} == {"drill.index", "drill.md", "empty.md"}


def test_what_is_no_index_is_told(tmp_path: Path) -> None:
    with pytest.raises(DocumentUnreadableError, match=r"no such file.*language index"):
        DocumentIndex(tmp_path / "none")
    with pytest.raises(DocumentUnreadableError, match="a folder"):
        DocumentIndex(tmp_path)
    with pytest.raises(DocumentUnreadableError, match="another file"):
        DocumentIndex(manual(tmp_path))
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE meta (key TEXT, value TEXT)")
    connection.close()
    with pytest.raises(DocumentUnreadableError, match="another program"):
        DocumentIndex(other)


def test_a_newer_version_is_refused_by_name(tmp_path: Path) -> None:
    path = manual_index(tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '2' WHERE key = 'version'")
    connection.close()
    with pytest.raises(FormatNewerError, match="version 1, got version 2"):
        DocumentIndex(path)


@pytest.mark.parametrize(
    "damage",
    ["UPDATE passages SET words = x'0102'", "UPDATE passages SET spans = x''", "DELETE FROM passages",
     "DROP TABLE words", "UPDATE sections SET path = 'x'", "UPDATE meta SET value = '{}' WHERE key = 'figures'"],
)  # fmt: skip
def test_a_damaged_index_is_told(tmp_path: Path, damage: str) -> None:
    path = manual_index(tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute(damage)
    connection.close()
    with pytest.raises((OutputError, InputError), match="index"):
        if DocumentIndex(path).ask("How long does the warranty last?").passages == ():
            raise InputError("an index that answers")


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


@pytest.mark.slow
def test_few_questions_with_an_answer_are_refused_and_most_without_are(tmp_path: Path) -> None:
    blocks, questions = xquad(shared_data("xquad-en"))
    refused: dict[bool, list[bool]] = {True: [], False: []}
    chosen = [question for question in questions if question.chosen_on]
    for article in dict.fromkeys(question.group for question in chosen):
        part = [block for block in blocks if block.path[0].replace(" ", "_") == article]
        others = [question for question in chosen if question.group != article][:: len(chosen) // 20]
        with DocumentIndex(index_of(tmp_path / f"{len(refused[True])}.index", part)) as opened:
            for answerable, questions_of in ((True, [q for q in chosen if q.group == article]), (False, others)):
                refused[answerable] += [not opened.ask(question.text, top=1).answered for question in questions_of]
    assert np.mean(refused[True]) < MAX_REFUSED
    assert np.mean(refused[False]) >= MIN_REFUSED

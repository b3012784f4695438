"""Whether a passage answers: a phone's manual, questions to each of its sections, and questions it cannot answer.

The manual and its questions were written by hand before this evidence was. No weight was learnt from them; the rule
that a passage with one word of a task does not answer it was added for the first of the foreign ones.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.language.documents.document_file import DocumentFile
from edgewright.language.documents.index import write_index
from edgewright.nlp.documents.search import DocumentIndex
from sections import Sections

MANUAL = Path(__file__).parent.parent / "phone_manual.md"
ANSWERABLE = (
    ("How do I block a number?", "Block numbers"),
    ("How long does a full charge take?", "Charge the battery"),
    ("How can I take a screenshot?", "Take a screenshot"),
    ("What are the steps to connect to Wi-Fi?", "Connect to a Wi-Fi network"),
    ("How do I pair my headset?", "Pair a Bluetooth headset"),
    ("Where are videos saved?", "Record videos"),
    ("Can I make the screen darker to save power?", "Power saving mode"),
    ("How many devices can use the hotspot?", "Use the phone as a hotspot"),
    ("How do I put in the SIM card?", "Insert the SIM card"),
    ("How long is the warranty?", "Warranty"),
    ("My phone won't turn on. What should I do?", "The phone does not turn on"),
    ("How do I reset the phone to factory settings?", "Restore the phone to factory settings"),
    ("How do I delete an entry of the call log?", "Call log"),
    ("Which app used the most battery power?", "View how battery power is used"),
    ("How do I reject a call?", "Answer or decline a call"),
    ("Am I allowed to use the phone on an aircraft?", "Aircraft"),
    ("May I clean it with alcohol?", "Clean the phone"),
    ("How deep may the phone go under water?", "Water"),
    ("How do I save my contacts and messages?", "Back up data"),
    ("How do I change the background picture of the Home screen?", "Change the wallpaper"),
    ("Is there any way to free storage?", "Free up storage"),
    ("How do I read a QR code?", "Scan a QR code"),
    ("How many calls does the log keep?", "Call log"),
    ("How do I set a PIN for the lock screen?", "Screen lock"),
    ("How do I take pictures in the dark?", "Night mode"),
)
FOREIGN = (
    "How do I change the batteries?",
    "Is it legal to record a call in Germany?",
    "How do I set an alarm for tomorrow morning?",
    "Who invented the telephone?",
    "How much does the phone cost?",
    "What is the capital of Norway?",
    "How do I change the engine oil?",
    "How do I print a document?",
    "Where can I buy a replacement screen?",
    "How do I translate a text?",
    "What is the boiling point of water?",
    "How do I transfer data from an iPhone?",
    "How do I update the software?",
    "Who is the head of the company?",
    "How do I turn on subtitles?",
    "How many megapixels does the front camera have?",
    "Can I use two SIM cards at the same time?",
    "How do I descale the kettle?",
    "How do I share my location?",
    "When was the phone released?",
    "How do I change the ringtone?",
    "Is it allowed to fly a drone here?",
    "How do I measure my heart rate?",
    "What does the red light on the router mean?",
    "How do I edit a video?",
)


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> DocumentIndex:
    path = tmp_path_factory.mktemp("phone") / "phone.index"
    write_index(path, [DocumentFile(MANUAL)])
    return DocumentIndex(path)


def test_questions_to_a_section_are_answered_from_it(phone: DocumentIndex) -> None:
    answers = [(phone.ask(question), section) for question, section in ANSWERABLE]
    assert sum(not answer.answered for answer, _ in answers) <= 1
    assert sum(answer.passages[0].path[-1] != section for answer, section in answers) <= 1


def test_other_questions_are_refused(phone: DocumentIndex) -> None:
    answered = [question for question in FOREIGN if phone.ask(question).answered]
    assert len(answered) <= 2, answered


def test_most_questions_whose_section_is_taken_out_are_refused(tmp_path: Path) -> None:
    blocks, refused = list(DocumentFile(MANUAL).blocks()), 0
    for question, section in ANSWERABLE:
        write_index(tmp_path / "x", [Sections("phone", [block for block in blocks if block.path[-1] != section])])
        with DocumentIndex(tmp_path / "x") as index:
            refused += not index.ask(question).answered
    assert refused >= 17


def test_a_passage_that_holds_one_word_of_a_task_does_not_answer_it(phone: DocumentIndex) -> None:
    answer = phone.ask("How do I change the batteries?")
    assert answer.passages[0].path[-1] == "View how battery power is used"
    assert not answer.answered
    assert phone.ask("How do I change the wallpaper?").answered


def test_a_name_that_is_nowhere_is_not_passed_over(phone: DocumentIndex) -> None:
    answer = phone.ask("Is it legal to record a call in Germany?")
    assert not answer.answered
    assert answer.unknown == ("legal", "Germany")


def test_a_question_for_permission_is_answered_by_the_rule(phone: DocumentIndex) -> None:
    answer = phone.ask("Is it allowed to use the phone on board of an aircraft?")
    assert answer.answered
    assert answer.passages[0].sentence == "You may use the phone on board only in Flight mode."
    assert "does not judge" in answer.note
    assert not phone.ask("How do I block a number?").note

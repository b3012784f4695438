"""Texts: intents, questions and read sentences."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edgewright.data.contract import PublicText
from edgewright.data.sets import _files as files
from edgewright.data.sets import facts
from edgewright.schema.data import TextSet
from edgewright.schema.errors import InputError


def _load_clinc150(folder: Path) -> TextSet:
    """CLINC150: questions to an assistant, 150 intents, and questions that are out of scope ('oos').

    Layout: `data_full.json`, `{part: [[text, intent], ...]}`.
    """
    path = files.need_files(folder, "data_full.json")[0]
    content = files.read_json(path, dict[str, list[tuple[str, str]]], "with sentences and intents by part")
    return TextSet(
        name="clinc150",
        columns=("part", "text", "intent"),
        rows=tuple((part, text, intent) for part, pairs in content.items() for text, intent in pairs),
    )


class _Section(msgspec.Struct):
    title: str
    text: list[str]


def _questions(path: Path, section: str, kind: str = "") -> Iterator[tuple[str, ...]]:
    reader = csv.DictReader(io.StringIO(files.read_text(path), newline=""))
    for number, row in enumerate(reader, 1):
        try:
            yield (row["kind"] if kind == "" else kind, row[section], row["question"], row["answer"])
        except KeyError as error:
            raise InputError(f"a column {error}", ", ".join(reader.fieldnames or ()), f"{path} row {number}") from None


def _load_emanual(folder: Path) -> TextSet:
    """E-manual: questions about a television and its remote control, with the section of the manual that answers them.

    Layout: `smart_tv_remote_50_questions.csv` and `smart_tv_remote_manual_corpus.json`; a plain copy adds
    `smart_remote_qa.csv`. Rows are question and answer pairs; the sections of the manual follow with `kind` 'section'.
    """
    rows: list[tuple[str, ...]] = []
    for path in files.find_files(folder, "smart_remote_qa.csv"):
        rows.extend(_questions(path, "section_hierarchy"))
    for path in files.find_files(folder, "smart_tv_remote_50_questions.csv"):
        rows.extend(_questions(path, "section_path", "50 questions"))
    path = files.need_files(folder, "smart_tv_remote_manual_corpus.json")[0]
    sections = files.read_json(path, dict[str, _Section], "with sections")
    rows.extend(("section", s.title, "", " ".join(s.text)) for s in sections.values())
    return TextSet(
        name="emanual",
        columns=("kind", "section", "question", "text"),
        rows=tuple(rows),
    )


class Piece(msgspec.Struct):
    """Words, and the slot that they fill; empty for none."""

    text: str
    entity: str = ""


class Sentence(msgspec.Struct):
    """A sentence in pieces."""

    data: list[Piece]


def _load_snips(folder: Path) -> TextSet:
    """SNIPS: spoken commands in writing, seven intents, with the pieces that fill a slot.

    Layout: `train_<Intent>.json` (300 each), `train_<Intent>_full.json` and `validate_<Intent>.json` (100 each, the
    official test), `{intent: [{"data": [{"text", "entity"}]}]}`.
    """
    rows = []
    for path in files.need_files(folder, "train_*.json", "validate_*.json"):
        part = "validate" if path.name.startswith("validate_") else "full" if "_full" in path.name else "small"
        content = files.read_json(path, dict[str, list[Sentence]], "with sentences by intent")
        for intent, sentences in content.items():
            for sentence in sentences:
                whole = "".join(piece.text for piece in sentence.data)
                slots = "; ".join(f"{p.entity}={p.text}" for p in sentence.data if p.entity)
                rows.append((part, whole, intent, slots))
    return TextSet(
        name="snips",
        columns=("part", "text", "intent", "slots"),
        rows=tuple(rows),
    )


def _pairs(path: Path) -> dict[str, str]:
    """First word of each line and the rest of it."""
    pairs = {}
    for number, line in enumerate(files.read_text(path).splitlines(), 1):
        if line.strip():
            parts = line.split(maxsplit=1)
            if len(parts) != 2:
                raise InputError("a name and a text", repr(line), f"{path} line {number}")
            pairs[parts[0]] = parts[1]
    return pairs


def read_sentences(folder: Path) -> TextSet:
    """speechocean762: English sentences read by 250 learners, what they read and who they are; the sound beside it.

    Layout: `train/text` (utterance TAB words), `train/utt2spk`, `train/spk2age`, `train/spk2gender`, the same in
    `test`; `WAVE/<utterance>.WAV`, which `kind = "wav"` reads.
    """
    sound = {p.stem for p in files.find_files(folder, "*.WAV")}
    rows = []
    for path in files.need_files(folder, "text"):
        part = path.parent
        speakers = _pairs(part / "utt2spk")
        # Folders of one's own in this layout seldom say how old speakers are.
        ages, genders = (_pairs(part / n) if (part / n).is_file() else {} for n in ("spk2age", "spk2gender"))
        for utterance, words in _pairs(path).items():
            speaker = speakers.get(utterance, "")
            has_sound = "yes" if utterance in sound else "no"
            rows.append(
                (part.name, utterance, words, speaker, ages.get(speaker, ""), genders.get(speaker, ""), has_sound)
            )
    return TextSet(
        name="speechocean",
        columns=("part", "utterance", "text", "speaker", "age", "gender", "sound"),
        rows=tuple(rows),
    )


class Answer(msgspec.Struct):
    """An answer, and where it begins in the paragraph."""

    text: str
    answer_start: int = 0


class Question(msgspec.Struct):
    """A question of SQuAD 1.1 or 2.0."""

    question: str
    answers: list[Answer] = []
    is_impossible: bool = False


class Paragraph(msgspec.Struct):
    """A paragraph with questions."""

    qas: list[Question]
    context: str = ""


class Article(msgspec.Struct):
    """A document."""

    paragraphs: list[Paragraph]
    title: str = ""


class Squad(msgspec.Struct):
    """A file in the form of SQuAD."""

    data: list[Article]


def _load_xquad(folder: Path) -> TextSet:
    """XQuAD, English: questions about paragraphs, the answer a piece of the paragraph.

    Layout: `xquad.en.json` in the form of SQuAD v1.1.
    """
    path = files.need_files(folder, "xquad.en.json")[0]
    content = files.read_json(path, Squad, "in the form of SQuAD")
    rows = []
    for article in content.data:
        for paragraph in article.paragraphs:
            for question in paragraph.qas:
                answer = question.answers[0] if question.answers else Answer("")
                if not paragraph.context.startswith(answer.text, answer.answer_start):
                    raise InputError("the answer at its place in the paragraph", repr(answer.text), str(path))
                rows.append(
                    (article.title, paragraph.context, question.question, answer.text, str(answer.answer_start))
                )
    return TextSet(
        name="xquad",
        columns=("title", "paragraph", "question", "answer", "answer_start"),
        rows=tuple(rows),
    )


SETS: dict[str, PublicText] = {
    "clinc150": PublicText(**facts("clinc150"), loader=_load_clinc150),
    "emanual": PublicText(**facts("emanual"), loader=_load_emanual),
    "snips": PublicText(**facts("snips"), loader=_load_snips),
    "speechocean": PublicText(**facts("speechocean"), loader=read_sentences),
    "xquad": PublicText(**facts("xquad"), loader=_load_xquad),
}

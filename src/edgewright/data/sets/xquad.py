"""XQuAD, English: questions about paragraphs, the answer a piece of the paragraph.

Layout: `xquad.en.json` in the form of SQuAD v1.1.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgewright.data.contract import Documented, PublicText
from edgewright.data.sets import _files as files
from edgewright.schema.data import TextSet
from edgewright.schema.errors import InputError


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


def _load(folder: Path) -> TextSet:
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


TEXT = PublicText(
    title="XQuAD, English: questions about paragraphs",
    homepage="https://github.com/google-deepmind/xquad",
    url="https://raw.githubusercontent.com/google-deepmind/xquad/HEAD/xquad.en.json",
    check="1,190 questions, every answer at its place",
    licence="CC BY-SA 4.0 (share alike)",
    citation="Artetxe, Ruder, Yogatama: On the Cross-lingual Transferability of Monolingual Representations. ACL 2020. "
    "Rajpurkar et al.: SQuAD. EMNLP 2016.",
    task="questions with the answer in a paragraph",
    loader=_load,
    folder="xquad-en",
    marks=("xquad.en.json",),
    file="xquad.en.json",
    documented=(Documented("whole set", rows=1_190), Documented("plain copy, 32 articles", rows=816)),
)

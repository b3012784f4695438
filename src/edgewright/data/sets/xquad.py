"""XQuAD, English: questions about paragraphs, the answer a piece of the paragraph.

Layout: `xquad.en.json` in the form of SQuAD v1.1.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgewright.data.contract import Documented, PublicText, RemoteFile
from edgewright.data.sets import _files as files
from edgewright.schema.data import TextSet
from edgewright.schema.errors import InputError


class _Answer(msgspec.Struct):
    text: str
    answer_start: int


class _Question(msgspec.Struct):
    question: str
    answers: list[_Answer]


class _Paragraph(msgspec.Struct):
    context: str
    qas: list[_Question]


class _Article(msgspec.Struct):
    paragraphs: list[_Paragraph]
    title: str = ""


class _File(msgspec.Struct):
    data: list[_Article]


def _load(folder: Path) -> TextSet:
    path = files.need_files(folder, "xquad.en.json")[0]
    try:
        content = msgspec.json.decode(files.read_bytes(path), type=_File)
    except msgspec.DecodeError as error:
        raise InputError("JSON in the form of SQuAD", str(error), str(path)) from None
    rows = []
    for article in content.data:
        for paragraph in article.paragraphs:
            for question in paragraph.qas:
                answer = question.answers[0] if question.answers else _Answer("", 0)
                if not paragraph.context.startswith(answer.text, answer.answer_start):
                    raise InputError("the answer at its place in the paragraph", repr(answer.text), str(path))
                rows.append(
                    (article.title, paragraph.context, question.question, answer.text, str(answer.answer_start))
                )
    return TextSet(
        name="xquad",
        columns=("title", "paragraph", "question", "answer", "answer_start"),
        rows=tuple(rows),
        origin=TEXT.homepage,
        licence=TEXT.licence,
        citation=TEXT.citation,
    )


TEXT = PublicText(
    title="XQuAD, English: questions about paragraphs",
    homepage="https://github.com/google-deepmind/xquad",
    files=(
        RemoteFile(
            url="https://raw.githubusercontent.com/google-deepmind/xquad/HEAD/xquad.en.json",
            name="xquad.en.json",
            check="1,190 questions, every answer at its place",
        ),
    ),
    licence="CC BY-SA 4.0 (share alike)",
    citation="Artetxe, Ruder, Yogatama: On the Cross-lingual Transferability of Monolingual Representations. ACL 2020. "
    "Rajpurkar et al.: SQuAD. EMNLP 2016.",
    task="questions with the answer in a paragraph",
    load=_load,
    folder="xquad-en",
    file="xquad.en.json",
    documented=(Documented("whole set", rows=1_190), Documented("plain copy, 32 articles", rows=816)),
)

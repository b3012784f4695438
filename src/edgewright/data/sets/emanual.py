"""E-manual: questions about a television and its remote control, with the section of the manual that answers them.

Layout: `smart_tv_remote_50_questions.csv` and `smart_tv_remote_manual_corpus.json`; a plain copy adds
`smart_remote_qa.csv`. Rows are question and answer pairs; the sections of the manual follow with `kind` 'section'.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edgewright.data.contract import Documented, PublicText
from edgewright.data.sets import _files as files
from edgewright.schema.data import TextSet
from edgewright.schema.errors import InputError


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


def _load(folder: Path) -> TextSet:
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


TEXT = PublicText(
    title="E-manual: questions about a television and its remote control",
    homepage="https://github.com/abhi1nandy2/EMNLP-2021-Findings",
    url="https://github.com/abhi1nandy2/EMNLP-2021-Findings/archive/HEAD.zip",
    check="261 sections and 50 questions",
    licence="repository Apache-2.0; the manual's texts are copyright Samsung: do not pass on",
    citation="Nandy et al.: Question Answering over Electronic Devices. Findings of EMNLP 2021.",
    task="questions answered by sections of a manual",
    loader=_load,
    folder="emanual-qa",
    marks=("smart_tv_remote_manual_corpus.json",),
    documented=(Documented("plain copy", rows=995),),
)

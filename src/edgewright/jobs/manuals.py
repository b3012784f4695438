"""Documents and questions of a job, of files or a public set; questions on sections that choices saw are left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from edgewright.data.contract import PublicText
from edgewright.data.headers import read_text
from edgewright.data.public import folder_of, opened, public_set
from edgewright.jobs.steps import StepConfig, Work
from edgewright.language.documents.index import Source
from edgewright.language.documents.judging import SectionQuestion, Sections, chosen_on, plain, section_of
from edgewright.language.documents.passages import Block
from edgewright.language.documents.readers import DocumentFile
from edgewright.schema.errors import InputError

_PAGE = re.compile(r"- \d+ -")
Rows = list[dict[str, str]]


class ManualConfig(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is read.

    Attributes:
        set: public set of texts with sections and questions; instead of `documents` and `questions`.
        documents: files that are indexed, in the data's folder or the job's.
        questions: CSV file with the columns `question` and `section` (a title, or 'Outer>Inner'; empty where the
            documents do not answer), and perhaps `kind`.
        others: further public set or CSV file, whose questions the documents do not answer.
        without: kinds of questions that are left out, where others remain.
        chosen: tenths of the sections whose questions choices saw: they judge nothing.
    """

    set: str = ""
    documents: tuple[str, ...] = ()
    questions: str = ""
    others: str = ""
    without: tuple[str, ...] = ()
    chosen: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0


@dataclass(frozen=True)
class Manual:
    """Documents with questions.

    Attributes:
        documents: to be indexed.
        blocks: their text.
        questions: that they answer, and that judge.
        others: that they do not answer.
        left_out: how many questions have no section in the documents, or were seen by choices.
    """

    documents: tuple[Source, ...]
    blocks: tuple[Block, ...]
    questions: tuple[SectionQuestion, ...]
    others: tuple[SectionQuestion, ...]
    left_out: int


def read_manual(config: ManualConfig, work: Work) -> Manual:
    """Return documents and questions.

    Raises:
        InputError: a file or set that is not there or has another form, or no question.
    """
    where = f"{work.folder.name} job.toml"
    if bool(config.set) == bool(config.documents and config.questions):
        raise InputError("a public `set`, or `documents` and `questions`", "neither or both", where)
    documents: tuple[Source, ...]
    if config.set:
        rows = _set_rows(config.set, work)
        blocks = tuple(_block(row) for row in rows if row.get("kind") == "section")
        asked = [row for row in rows if row.get("question")]
        documents = (Sections(config.set, blocks),)
    else:
        files = tuple(DocumentFile(_path(name, work)) for name in config.documents)
        blocks = tuple(block for file in files for block in file.blocks())
        asked, documents = _csv_rows(_path(config.questions, work)), files
    kept = [row for row in asked if row.get("kind", "") not in config.without] or asked
    paths = [frozenset(map(plain, block.path)) for block in blocks]
    # What stands above everything, such as the title of the document, is no section.
    titles = set().union(*paths) - (frozenset.intersection(*paths) if len(set(paths)) > 1 else frozenset())
    questions = tuple(one for row in kept if (one := _question(row, titles)) is not None)
    judging = tuple(one for one in questions if one.section and not chosen_on(one.group, config.chosen))
    if not judging:
        raise InputError("questions whose section is in the documents", "none", config.questions or config.set)
    others = (*(one for one in questions if not one.section), *_others(config, work))
    return Manual(documents, blocks, judging, others, len(asked) - len(judging))


def _question(row: dict[str, str], titles: set[str]) -> SectionQuestion | None:
    section = row.get("section", "").strip()
    found = section_of(section, titles)
    if section and not found:
        return None
    return SectionQuestion(text=row["question"].strip(), section=found, group=found or "none", kind=row.get("kind", ""))


def _block(row: dict[str, str]) -> Block:
    text = _PAGE.sub("", row["text"]).strip()
    return Block((row["section"],), 0, text or row["section"])


def _others(config: ManualConfig, work: Work) -> Iterator[SectionQuestion]:
    if not config.others:
        return
    csv = config.others.endswith(".csv")
    for row in _csv_rows(_path(config.others, work)) if csv else _set_rows(config.others, work):
        group = row.get("title") or row.get("group") or row.get("question", "")
        if row.get("question") and not chosen_on(group, config.chosen):
            yield SectionQuestion(text=row["question"], section="", group=group)


def _set_rows(name: str, work: Work) -> Rows:
    part = public_set(name)
    if not isinstance(part, PublicText):
        raise InputError("a public set of texts", f"{name!r}, which has signals", f"{work.folder.name} job.toml")
    folder = folder_of(name, part) if work.data is None else work.data / part.folder
    if not folder.is_dir() and work.data is not None:
        folder = work.data
    with opened(folder, part) as place:
        texts = part.load(place)
    return [dict(zip(texts.columns, row, strict=True)) for row in texts.rows]


def _csv_rows(path: Path) -> Rows:
    columns, _ = read_text(path)
    if "question" not in columns:
        raise InputError("a CSV file with the column question", ", ".join(columns), str(path))
    count = len(columns["question"])
    return [{name: str(values[row]) for name, values in columns.items()} for row in range(count)]


def _path(name: str, work: Work) -> Path:
    if work.data is not None and (work.data / name).exists():
        return work.data / name
    return work.folder / name

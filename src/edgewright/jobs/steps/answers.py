"""`answers`: an index of documents, judged by questions whose section is known: found, and refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from edgewright.data.contract import PublicText
from edgewright.data.files import read_text
from edgewright.data.public import folder_of, opened, public_set
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.language.documents.index import Source, write_index
from edgewright.language.documents.judging import (
    Judgement,
    PlainSearch,
    SectionQuestion,
    Sections,
    chosen_on,
    judge,
    plain,
    section_of,
)
from edgewright.language.documents.passages import Block
from edgewright.language.documents.readers import DocumentFile
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.schema.errors import InputError
from edgewright.schema.job import Choice, JobFigure, StepRecord
from edgewright.schema.trace import Interval

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
        rows_asked = [row for row in rows if row.get("question")]
        documents = (Sections(config.set, blocks),)
    else:
        files = tuple(DocumentFile(_path(name, work)) for name in config.documents)
        blocks = tuple(block for file in files for block in file.blocks())
        rows_asked, documents = _csv_rows(_path(config.questions, work)), files
    kept = [row for row in rows_asked if row.get("kind", "") not in config.without] or rows_asked
    paths = [frozenset(map(plain, block.path)) for block in blocks]
    # What stands above everything, such as the title of the document, is no section.
    titles = set().union(*paths) - (frozenset.intersection(*paths) if len(set(paths)) > 1 else frozenset())
    questions = tuple(question for row in kept if (question := _question(row, titles)) is not None)
    judging = tuple(
        question for question in questions if question.section and not chosen_on(question.group, config.chosen)
    )
    if not judging:
        raise InputError("questions whose section is in the documents", "none", config.questions or config.set)
    others = (*(question for question in questions if not question.section), *_others(config, work))
    return Manual(documents, blocks, judging, others, len(rows_asked) - len(judging))


def _question(row: dict[str, str], titles: set[str]) -> SectionQuestion | None:
    section = row.get("section", "").strip()
    title = section_of(section, titles)
    if section and not title:
        return None
    return SectionQuestion(text=row["question"].strip(), section=title, group=title or "none", kind=row.get("kind", ""))


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
    with opened(folder, part) as path:
        texts = part.load(path)
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


_TOP = 5
INDEX = "manual.index"


class Config(ManualConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An index; its keys are those of what is read."""


def _answers(config: Config, work: Work) -> StepRecord:
    with work.listener.doing("Indexing documents"):
        manual = read_manual(config, work)
        folder = work.new_folder(config)
        path = folder / INDEX
        written = write_index(path, manual.documents)
    with work.listener.doing("Asking questions"), DocumentIndex(path) as index:
        answerable = judge(lambda text: index.ask(text, top=_TOP), manual.questions)
        others = judge(lambda text: index.ask(text, top=1), manual.others)
    sections = len({item.group for item in manual.questions})
    figures = [
        JobFigure.of_interval("recall@1", "right section first", answerable.recall(1)),
        JobFigure.of_interval(f"recall@{_TOP}", f"right section among {_TOP}", answerable.recall(_TOP)),
        *_of_kind(answerable, manual, "Paraphrased"),
        JobFigure.of_interval("peer", f"SQLite FTS5 with its defaults, right section among {_TOP}", _peer(manual)),
        JobFigure.of_interval("answered", "right section first, and not refused", answerable.answered()),
        JobFigure.of_interval("refused_answerable", "questions with an answer that are refused", answerable.refusals()),
    ]
    if manual.others:
        figures.append(
            JobFigure.of_interval("refused_others", "questions to other documents that are refused", others.refusals())
        )
    figures += _lacking(manual, work)
    figures += [
        JobFigure.of("index", "index", path.stat().st_size, "B"),
        JobFigure.of("seconds", "time of a question, median", float(np.median(answerable.seconds)), "s"),
    ]
    return StepRecord(
        command="edgewright language index DOCUMENT... --out manual.index",
        says=(
            f"{written.passages:,} passages of {len(manual.blocks):,} blocks; {len(manual.questions):,} questions to "
            f"{sections:,} sections judge; {manual.left_out:,} are left out, as choices saw their section, it is not "
            "in the documents, or their kind is not asked for. Intervals are over sections.",
            *((f"{len(manual.others):,} questions that the documents do not answer.",) if manual.others else ()),
        ),
        figures=tuple(figures),
        choice=Choice(
            question="What searches the documents?",
            options=tuple(item for item in figures if item.name in (f"recall@{_TOP}", "peer")),
            chosen="the index of edgewright language index",
            why="weights and limits are its defaults; the full-text search is measured beside it",
        ),
        folder=folder.name,
    )


def _of_kind(answerable: Judgement, manual: Manual, kind: str) -> list[JobFigure]:
    rows = np.array([question.kind == kind for question in manual.questions])
    if not rows.any():
        return []
    some = Judgement(
        answerable.ranks[rows], answerable.refused[rows], answerable.seconds[rows], answerable.groups[rows]
    )
    title = f"the same of {int(rows.sum())} {kind.lower()} questions"
    return [JobFigure.of_interval(f"{kind.lower()}@{_TOP}", title, some.recall(_TOP))]


def _peer(manual: Manual) -> Interval:
    search = PlainSearch(manual.blocks)
    ranks = np.array([search.rank(question, _TOP) for question in manual.questions])
    groups = np.array([question.group for question in manual.questions])
    return Judgement(ranks, np.zeros(len(ranks), bool), np.zeros(len(ranks)), groups).recall(_TOP)


def _lacking(manual: Manual, work: Work) -> list[JobFigure]:
    """Return what is refused of the questions when their sections are taken out: the hardest kind of refusal."""
    gone = {question.section for question in manual.questions}
    left = [block for block in manual.blocks if not gone & set(map(plain, block.path))]
    if not left:
        return []
    path = work.out / ".lacking.index"
    try:
        write_index(path, [Sections("lacking", left)])
        with DocumentIndex(path) as index:
            judgement = judge(lambda text: index.ask(text, top=1), manual.questions)
    finally:
        path.unlink(missing_ok=True)
    return [
        JobFigure.of_interval(
            "refused_lacking", "refused when every section that answers is taken out", judgement.refusals()
        )
    ]


STEP = Step(Config, "Answers from the documents", _answers)

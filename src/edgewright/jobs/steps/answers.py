"""`answers`: an index of documents, judged by questions whose section is known: found, and refused."""

from __future__ import annotations

import numpy as np

from edgewright.jobs.manuals import Manual, ManualConfig, read_manual
from edgewright.jobs.steps import Step, Work
from edgewright.language.documents.index import write_index
from edgewright.language.documents.judging import Judgement, PlainSearch, Sections, judge, plain
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.schema.job import Choice, JobFigure, StepRecord
from edgewright.schema.trace import Interval

_TOP = 5
INDEX = "manual.index"


class Config(ManualConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An index; its keys are those of what is read."""


def _answers(config: Config, work: Work) -> StepRecord:
    with work.listener.doing("Indexing documents"):
        manual = read_manual(config, work)
        folder = work.out / (config.name or config.kind)
        folder.mkdir()
        path = folder / INDEX
        held = write_index(path, manual.documents)
    with work.listener.doing("Asking questions"), DocumentIndex(path) as index:
        asked = judge(lambda text: index.ask(text, top=_TOP), manual.questions)
        others = judge(lambda text: index.ask(text, top=1), manual.others)
    sections = len({one.group for one in manual.questions})
    figures = [
        _share("recall@1", "right section first", asked.recall(1)),
        _share(f"recall@{_TOP}", f"right section among {_TOP}", asked.recall(_TOP)),
        *_of_kind(asked, manual, "Paraphrased"),
        _share("peer", f"SQLite FTS5 with its defaults, right section among {_TOP}", _peer(manual)),
        _share("answered", "right section first, and not refused", asked.answered()),
        _share("refused_answerable", "questions with an answer that are refused", asked.refusals()),
    ]
    if manual.others:
        figures.append(_share("refused_others", "questions to other documents that are refused", others.refusals()))
    figures += _lacking(manual, work)
    figures += [
        JobFigure(name="index", title="index", value=path.stat().st_size, unit="B"),
        JobFigure(name="seconds", title="time of a question, median", value=float(np.median(asked.seconds)), unit="s"),
    ]
    return StepRecord(
        command="edgewright language index DOCUMENT... --out manual.index",
        says=(
            f"{held.passages:,} passages of {len(manual.blocks):,} blocks; {len(manual.questions):,} questions to "
            f"{sections:,} sections judge; {manual.left_out:,} are left out, as choices saw their section, it is not "
            "in the documents, or their kind is not asked for. Intervals are over sections.",
            *((f"{len(manual.others):,} questions that the documents do not answer.",) if manual.others else ()),
        ),
        figures=tuple(figures),
        choice=Choice(
            question="What searches the documents?",
            options=tuple(one for one in figures if one.name in (f"recall@{_TOP}", "peer")),
            chosen="the index of edgewright language index",
            why="weights and limits are its defaults; the full-text search is measured beside it",
        ),
        folder=folder.name,
    )


def _share(name: str, title: str, interval: Interval) -> JobFigure:
    return JobFigure(name=name, title=title, value=interval.value, interval=interval)


def _of_kind(asked: Judgement, manual: Manual, kind: str) -> list[JobFigure]:
    rows = np.array([one.kind == kind for one in manual.questions])
    if not rows.any():
        return []
    some = Judgement(asked.ranks[rows], asked.refused[rows], asked.seconds[rows], asked.groups[rows])
    title = f"the same of {int(rows.sum())} {kind.lower()} questions"
    return [_share(f"{kind.lower()}@{_TOP}", title, some.recall(_TOP))]


def _peer(manual: Manual) -> Interval:
    search = PlainSearch(manual.blocks)
    ranks = np.array([search.rank(one, _TOP) for one in manual.questions])
    groups = np.array([one.group for one in manual.questions])
    return Judgement(ranks, np.zeros(len(ranks), bool), np.zeros(len(ranks)), groups).recall(_TOP)


def _lacking(manual: Manual, work: Work) -> list[JobFigure]:
    """Return what is refused of the questions when their sections are taken out: the hardest kind of refusal."""
    gone = {one.section for one in manual.questions}
    left = [block for block in manual.blocks if not gone & set(map(plain, block.path))]
    if not left:
        return []
    path = work.out / ".lacking.index"
    try:
        write_index(path, [Sections("lacking", left)])
        with DocumentIndex(path) as index:
            found = judge(lambda text: index.ask(text, top=1), manual.questions)
    finally:
        path.unlink(missing_ok=True)
    return [_share("refused_lacking", "refused when every section that answers is taken out", found.refusals())]


STEP = Step(Config, "Answers from the documents", _answers)

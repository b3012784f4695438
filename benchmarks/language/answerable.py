"""Questions to documents that hold their answer and to documents that do not; what 'not in this document' is judged by.

| source | answerable | not |
|---|---|---|
| article | questions to an XQuAD article, its own document | questions to every other article of the same part |
| whole | questions to all sections or all articles | those of the other set |
| ... section | | questions to a document without the section or paragraph that answers them |
| lacking | | the same questions where all their sections or articles are taken out |
| leaflet | questions to a document of six sections | questions to six others |

Questions are of one part, choosing or reporting, throughout: no article is in both. `python -m
benchmarks.language.answerable` prints what is refused of the reporting part.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.language.document_sets import (
    Question,
    Remembered,
    index_of,
    interval,
    leaflets,
    manual,
    place_of,
    without,
    xquad,
)
from benchmarks.language.row import DATA, Row, encoder_directory
from edgewright.language.documents.index import Block
from edgewright.language.embedding import load
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.nlp.utterance.student import Encodes

# What may be refused of answerable questions to an article, and what must be of questions to other articles.
MAX_REFUSED, MIN_REFUSED = 0.04, 0.90
Set = tuple[list[Block], list[Question]]
# Blocks of a document, questions that it answers, and others.
Part = tuple[list[Block], list[Question], list[Question]]


@dataclass(frozen=True)
class Source:
    """Questions to one document.

    Attributes:
        name: set and kind, as 'xquad article'.
        answerable: whether the document holds the answers.
        index: its file.
        questions: that are put to it.
        group: of the document, where it is an article's own.
    """

    name: str
    answerable: bool
    index: Path
    questions: Sequence[Question]
    group: str = ""


def sets() -> dict[str, Set]:
    """Return blocks and questions of both sets."""
    return {"manual": manual(DATA / "emanual-qa"), "xquad": xquad(DATA / "xquad-en")}


def sources(folder: Path, chosen_on: bool, encoder: Encodes | None = None) -> Iterator[Source]:
    """Every document with the questions of one part that are put to it; its index stands until the next is asked for.

    Args:
        folder: for the indexes.
        chosen_on: the part that things are chosen on, or the one that is reported.
        encoder: of vectors in the indexes.
    """
    every = sets()
    kept = {name: [q for q in questions if q.chosen_on == chosen_on] for name, (_, questions) in every.items()}
    for name, (blocks, _) in every.items():
        whole = index_of(folder / "whole.index", blocks, encoder)
        yield Source(f"{name} whole", True, whole, kept[name])
        yield Source(f"{name} whole", False, whole, [q for other in kept if other != name for q in kept[other]])
        whole.unlink()
        for kind, documents in (
            ("lacking", [(without(blocks, kept[name]), [], kept[name])]),
            ("section", _lacking_one(blocks, kept[name])),
            ("leaflet", leaflets(blocks, kept[name])),
            ("leaflet section", _smaller(leaflets(blocks, kept[name]))),
            ("article", _articles(blocks, kept[name]) if name == "xquad" else ()),
            ("article section", _smaller(_articles(blocks, kept[name])) if name == "xquad" else ()),
        ):
            for part, own, others in documents:
                index = index_of(folder / "part.index", part, encoder)
                for answerable, questions in ((True, own), (False, others)):
                    if questions:
                        group = own[0].group if kind == "article" else ""
                        yield Source(f"{name} {kind}", answerable, index, questions, group)
                index.unlink()


def _smaller(documents: Iterable[Part]) -> Iterator[Part]:
    """Each document without one of its sections."""
    for blocks, own, _ in documents:
        yield from _lacking_one(blocks, own)


def _lacking_one(blocks: Sequence[Block], questions: Sequence[Question]) -> Iterator[Part]:
    """All but one section or paragraph: its neighbours stay, and words are counted without it."""
    for section in dict.fromkeys(question.place for question in questions):
        part = [block for block in blocks if place_of(block) != section]
        if part:
            yield part, [], [question for question in questions if question.place == section]


def _articles(blocks: Sequence[Block], questions: Sequence[Question]) -> Iterator[Part]:
    for article in dict.fromkeys(question.group for question in questions):
        part = [block for block in blocks if block.path[0].replace(" ", "_") == article]
        yield part, [q for q in questions if q.group == article], [q for q in questions if q.group != article]


def rows() -> list[Row]:
    """Return shares refused by words, and with vectors where there is an encoder, of the reporting part."""
    directory = encoder_directory()
    ways = [("words", None), *((("hybrid", Remembered(load(directory))),) if directory else ())]
    rows = []
    for way, encoder in ways:
        refused: dict[tuple[str, bool], list[tuple[bool, str]]] = defaultdict(list)
        with tempfile.TemporaryDirectory() as temporary:
            for source in sources(Path(temporary), False, encoder):
                with DocumentIndex(source.index) as opened:
                    for question in source.questions:
                        vector = None if encoder is None else encoder.encode([question.text])[0]
                        answered = opened.ask(question.text, vector, top=1).answered
                        group = source.group or question.group
                        refused[source.name, source.answerable].append((not answered, group))
        for (name, answerable), answers in sorted(refused.items()):
            share = float(np.mean([gone for gone, _ in answers]))
            low, high = interval([gone for gone, _ in answers], [group for _, group in answers])
            target, within = "", None
            if name == "xquad article" and way == "words":
                target = f"under {100 * MAX_REFUSED:.0f} %" if answerable else f"at least {100 * MIN_REFUSED:.0f} %"
                within = share < MAX_REFUSED if answerable else share >= MIN_REFUSED
            kind = "questions with an answer" if answerable else "questions without"
            reached = f"{100 * share:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
            task = f"{name}: {len(answers)} {kind}, refused"
            rows.append(Row(task, f"Edgewright, {way}", reached, "", target, within))
    return rows


if __name__ == "__main__":
    for row in rows():
        print(row.task, row.model, row.reached)

"""Questions whose section of a manual is known, their evaluation, and plain full-text search to compare with."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.trace import Interval
from edgewright.language.documents.index import Block
from edgewright.nlp.records import Answer, Document
from edgewright.training.metrics import widened, wilson

Ask = Callable[[str], Answer]
# A title that a manual cuts off at its line is the same from here on.
_CUT = 35


class SectionQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A question, and the section that answers it.

    Attributes:
        text: the question.
        section: title as `plain` writes it; empty where the documents do not answer.
        group: what is alike: the section, or the article that it was asked of.
        kind: kind of the question, such as 'Paraphrased'.
    """

    text: str
    section: str
    group: str
    kind: str = ""


class Judgement(msgspec.Struct, frozen=True):
    """What came of questions, one after the other.

    Attributes:
        ranks: place of the right section, from 0; -1 where it is not among those found.
        refused: whether the answer was 'not in this document'.
        seconds: each took.
        groups: of the questions.
    """

    ranks: NDArray[np.int64]
    refused: NDArray[np.bool_]
    seconds: NDArray[np.float64]
    groups: NDArray[np.str_]

    def recall(self, top: int) -> Interval:
        """Return the share whose section is among the first `top`, refused or not."""
        return self._share((self.ranks >= 0) & (self.ranks < top))

    def refusals(self) -> Interval:
        """Return the share that is refused."""
        return self._share(self.refused)

    def answered(self) -> Interval:
        """Return the share whose section comes first and that is not refused: what a person gets."""
        return self._share((self.ranks == 0) & ~self.refused)

    def _share(self, hits: NDArray[np.bool_]) -> Interval:
        alone = wilson(int(hits.sum()), len(hits))
        return widened(alone, self.groups, lambda rows: float(hits[rows].mean()))


class Sections:
    """Sections that are at hand, as a document."""

    def __init__(self, name: str, blocks: Sequence[Block]) -> None:
        self._name, self._indexed = name, blocks

    def blocks(self) -> Iterable[Block]:
        """Return blocks in order."""
        return self._indexed

    def document(self) -> Document:
        """Return what they are called."""
        digest = hashlib.sha256(repr(self._indexed).encode()).hexdigest()
        return Document(name=self._name, kind="text", sha256=digest)


def judge(ask: Ask, questions: Sequence[SectionQuestion]) -> Judgement:
    """Put questions to an index; a passage is right below a heading with the title of the section."""
    ranks, refused, seconds = [], [], []
    for question in questions:
        begun = time.perf_counter()
        answer = ask(question.text)
        seconds.append(time.perf_counter() - begun)
        right = (rank for rank, passage in enumerate(answer.passages) if question.section in map(plain, passage.path))
        ranks.append(next(right, -1) if question.section else -1)
        refused.append(not answer.answered)
    groups = np.array([question.group for question in questions])
    return Judgement(np.array(ranks, np.int64), np.array(refused, bool), np.array(seconds), groups)


def plain(text: str) -> str:
    """Return a title in lower case, letters and digits, single spaces: how titles are compared."""
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


def section_of(hierarchy: str, titles: Collection[str]) -> str:
    """Return the deepest of 'Outer>Inner' that is a section of the documents; empty for none.

    Args:
        hierarchy: titles with '>' between them.
        titles: of the documents, as `plain` writes them; one that is cut off at its line stands for the whole.
    """
    for part in reversed(hierarchy.split(">")):
        name = plain(part)
        if name in titles:
            return name
        longer = sorted(title for title in titles if len(title) > _CUT and name.startswith(title))
        if longer:
            return longer[0]
    return ""


def chosen_on(group: str, tenths: int) -> bool:
    """Return whether a section is among those that choices may see: so many of ten, by a hash of its title."""
    return int(hashlib.sha256(group.encode()).hexdigest(), 16) % 10 < tenths


class PlainSearch:
    """The peer: SQLite's full-text search with its defaults, all words of the question joined with OR.

    Args:
        blocks: sections; their title and text are searched.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = blocks
        self._connection = sqlite3.connect(":memory:")
        self._connection.execute("CREATE VIRTUAL TABLE texts USING fts5(title, body)")
        rows = ((number, " ".join(block.path), block.text) for number, block in enumerate(blocks))
        self._connection.executemany("INSERT INTO texts (rowid, title, body) VALUES (?, ?, ?)", rows)

    def rank(self, question: SectionQuestion, top: int) -> int:
        """Return the place of the right section, from 0; -1 where it is not among the first `top`."""
        words = dict.fromkeys(re.findall(r"\w+", question.text.lower()))
        sql = "SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY rank"
        rows = self._connection.execute(sql, (" OR ".join(f'"{word}"' for word in words),))
        seen: list[str] = []
        for (row,) in rows:
            title = plain(self._blocks[row].path[-1]) if self._blocks[row].path else ""
            if title not in seen:
                seen.append(title)
            if len(seen) > top:
                break
        return seen[:top].index(question.section) if question.section in seen[:top] else -1

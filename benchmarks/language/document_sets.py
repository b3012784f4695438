"""The two public sets of questions to documents: how they are read, and which part of them is chosen on.

A question's set is 'choose' or 'test' by a hash of its section's title (the manual) or its article (XQuAD): 4 in 10 to
choose on, all questions to one section or article on one side. Weights and thresholds see the first part alone.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgewright.language.documents.index import Block, clean, write_index
from edgewright.nlp.documents.media import unpacked
from edgewright.nlp.records import Document
from edgewright.nlp.utterance.student import Encodes

# Parts of ten to choose on.
_CHOSEN = 4
# Titles of the manual's file are cut off at the line; a longer title of the questions is the same from here on.
_CUT = 35
# Sections of a small document.
LEAFLET = 6


def plain(text: str) -> str:
    """Return a title in lower case, letters and digits, single spaces: how titles are compared."""
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


@dataclass(frozen=True)
class Question:
    """A question and where its answer stands.

    Attributes:
        text: the question.
        kind: 'plain' or 'paraphrased'.
        group: what is kept on one side: the section's title, or the article.
        exact: whether the answer's own section stands in the set (else the nearest one above it does).
        place: title of the section, or article and number of the paragraph.
        at: where the answer begins in the paragraph; -1 where any sentence of the section will do.
    """

    text: str
    kind: str
    group: str
    exact: bool
    place: str
    at: int = -1

    @property
    def chosen_on(self) -> bool:
        """Whether it is among those that things are chosen on."""
        return int(hashlib.sha256(self.group.encode()).hexdigest(), 16) % 10 < _CHOSEN


class Given(NamedTuple):
    """A document that is at hand."""

    told: Document
    held: Sequence[Block]

    def blocks(self) -> Iterable[Block]:
        """Return blocks in order."""
        return self.held

    def document(self) -> Document:
        """Of which file."""
        return self.told


def manual(folder: Path) -> tuple[list[Block], list[Question]]:
    """Sections of the manual, and all questions of `smart_remote_qa.csv`.

    A question's section is the deepest of its hierarchy that is a section of the manual's file; of equal titles each
    counts.
    """
    sections = json.loads((folder / "smart_tv_remote_manual_corpus.json").read_text())
    blocks = []
    for section in sections.values():
        text = re.sub(r"- \d+ -", "", " ".join(section["text"])).strip()
        blocks.append(Block((section["title"],), 0, text or section["title"]))
    titles = {plain(block.path[0]) for block in blocks}
    questions = []
    with (folder / "smart_remote_qa.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            matching = _section(row["section_hierarchy"], titles)
            if matching is not None:
                kind = "paraphrased" if row["kind"] == "Paraphrased" else "plain"
                questions.append(Question(row["question"], kind, matching[0], matching[1], matching[0]))
    return blocks, questions


def _section(hierarchy: str, titles: set[str]) -> tuple[str, bool] | None:
    for depth, part in enumerate(reversed(hierarchy.split(">"))):
        name = plain(part)
        if name in titles:
            return name, depth == 0
        longer = sorted(t for t in titles if len(t) > _CUT and name.startswith(t))
        if longer:
            return longer[0], depth == 0
    return None


def xquad(folder: Path) -> tuple[list[Block], list[Question]]:
    """Paragraphs of the articles, one section each, and all questions."""
    articles = json.loads((folder / "xquad.en.json").read_text())["data"]
    blocks, questions = [], []
    for article in articles:
        for number, paragraph in enumerate(article["paragraphs"], 1):
            location = f"{article['title']} {number}"
            blocks.append(Block((article["title"].replace("_", " "),), number, paragraph["context"]))
            for request in paragraph["qas"]:
                # In the paragraph as the index holds it, single spaces and all.
                at = len(clean(paragraph["context"][: request["answers"][0]["answer_start"]] + "|")) - 1
                questions.append(Question(request["question"], "plain", article["title"], True, location, at))
    return blocks, questions


class Remembered:
    """An encoder that makes each vector once."""

    def __init__(self, encoder: Encodes) -> None:
        self.name, self.dimensions = encoder.name, encoder.dimensions
        self._encoder, self._built = encoder, dict[str, NDArray[np.float32]]()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape (n, d)."""
        new = [text for text in dict.fromkeys(texts) if text not in self._built]
        if new:
            self._built.update(zip(new, self._encoder.encode(new), strict=True))
        return np.stack([self._built[text] for text in texts])


def index_of(path: Path, blocks: Sequence[Block], encoder: Encodes | None = None) -> Path:
    """Return an index of blocks; a page is the number of the paragraph where there are some."""
    write_index(path, [Given(Document(name=path.stem, kind="text", sha256=""), blocks)], encoder)
    return path


def without(blocks: Sequence[Block], questions: Sequence[Question]) -> list[Block]:
    """Return blocks less those that hold the answers: what is left does not answer, unless it says things twice."""
    gone = {question.group for question in questions}
    return [b for b in blocks if (b.path[0].replace(" ", "_") if b.page else plain(b.path[0])) not in gone]


def place_of(block: Block) -> str:
    """Return what `Question.place` says of a block."""
    return f"{block.path[0].replace(' ', '_')} {block.page}" if block.page else plain(block.path[0])


def leaflets(
    blocks: Sequence[Block], questions: Sequence[Question]
) -> Iterator[tuple[list[Block], list[Question], list[Question]]]:
    """Small documents: some blocks in a row, the questions they answer, and as many that others answer."""
    parts = [list(blocks[n : n + LEAFLET]) for n in range(0, len(blocks), LEAFLET)]
    requested = [[q for q in questions if q.place in {place_of(block) for block in part}] for part in parts]
    for number, part in enumerate(parts):
        # Half of the document away: neighbours are of the same chapter.
        others = requested[(number + len(parts) // 2) % len(parts)]
        if requested[number] and others:
            yield part, requested[number], others[: len(requested[number])]


def truths(index: Path, questions: Sequence[Question]) -> list[set[int]]:
    """Numbers of the sentences that are right for each question: any of the section, or the one with the answer."""
    sentences: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    read = sqlite3.connect(f"{index.absolute().as_uri()}?mode=ro", uri=True)
    rows = read.execute(
        "SELECT s.path, p.page, p.text, p.spans, p.first FROM passages p JOIN sections s ON s.id = p.section"
        " ORDER BY p.id"
    ).fetchall()
    read.close()
    before: dict[str, int] = defaultdict(int)
    for path, page, text, spans, first in rows:
        title = json.loads(path)[0]
        location = place_of(Block((title,), page, ""))
        for number, (begin, end) in enumerate(unpacked(spans).reshape(-1, 2)):
            sentences[location].append((first + number, before[location] + int(begin), before[location] + int(end)))
        before[location] += len(text) + 1
    return [{number for number, begin, end in sentences[q.place] if q.at < 0 or begin <= q.at < end} for q in questions]


def interval(hits: Sequence[float], groups: Sequence[str], seed: int = 0, draws: int = 2000) -> tuple[float, float]:
    """95 % of the bootstrap's means; groups are drawn, as questions to one section are alike."""
    by_group: dict[str, list[float]] = defaultdict(list)
    for hit, group in zip(hits, groups, strict=True):
        by_group[group].append(hit)
    sums = np.array([sum(g) for g in by_group.values()])
    sizes = np.array([len(g) for g in by_group.values()])
    resampled: NDArray[np.int64] = np.random.default_rng(seed).integers(0, len(sums), (draws, len(sums)))
    means = sums[resampled].sum(axis=1) / sizes[resampled].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)

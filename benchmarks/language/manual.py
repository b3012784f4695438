"""Questions to a manual (E-manual QA): sections found, by words and with vectors.

A question counts as found when its section is among the first five. It is counted over all questions, where the nearest
section of the manual above the right one counts, and over those whose own section stands in the manual's file. The
questions that weights were chosen on are left out of both.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.language import plain_search
from benchmarks.language.document_sets import Question, index_of, interval, manual, plain
from benchmarks.language.row import DATA, Row, encoder_directory
from edgewright.language.embedding import load
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.nlp.utterance.student import Encodes

AT_LEAST, MILLISECONDS, HYBRID_MILLISECONDS = 0.87, 1.0, 30.0
Hit = tuple[bool, bool, float]


def hit_of(index: DocumentIndex, question: Question, encoder: Encodes | None) -> Hit:
    """Return whether the first section and one of the first five is right, and milliseconds, the encoder's included."""
    begun = time.perf_counter()
    vector = None if encoder is None else encoder.encode([question.text])[0]
    answer = index.ask(question.text, vector, top=5)
    spent = (time.perf_counter() - begun) * 1e3
    right = [plain(one.path[0]) == question.place for one in answer.passages]
    return bool(right and right[0]), any(right), spent


def recall(index: Path, questions: Sequence[Question], encoder: Encodes | None) -> list[Row]:
    """Return rows of the table for one way."""
    with DocumentIndex(index) as opened:
        for question in questions[:5]:
            hit_of(opened, question, encoder)
        hits = [hit_of(opened, question, encoder) for question in questions]
    limit = MILLISECONDS if encoder is None else HYBRID_MILLISECONDS
    return recall_row(questions, hits, "Edgewright, FTS5" if encoder is None else "Edgewright, hybrid", limit)


def recall_row(questions: Sequence[Question], hits: Sequence[Hit], model: str, limit: float | None) -> list[Row]:
    """Return rows of one model; without a limit it is a peer."""
    middle, slow = np.percentile([h[2] for h in hits], [50, 99])
    rows = []
    for kind in ("all", "plain", "paraphrased"):
        for exact in (False, True):
            some = [n for n, q in enumerate(questions) if kind in (q.kind, "all") and (q.exact or not exact)]
            first = float(np.mean([hits[n][0] for n in some]))
            five = float(np.mean([hits[n][1] for n in some]))
            low, high = interval([hits[n][1] for n in some], [questions[n].group for n in some])
            name = f"manual, {kind} questions{' with a section of their own' if exact else ''} ({len(some)}), R@1 / R@5"
            rows.append(Row(name, model, f"{first:.3f} / {five:.3f} ({low:.3f} to {high:.3f})",
                            f"median {middle:.2f} ms, p99 {slow:.1f} ms",
                            "" if limit is None else f"{AT_LEAST}, {limit:.0f} ms",
                            None if limit is None else five >= AT_LEAST and middle <= limit))  # fmt: skip
    return rows


def peer(questions: Sequence[Question]) -> list[Row]:
    """SQLite's full-text search as it comes: every word of the question, its own tokeniser and BM25."""
    blocks, _ = manual(DATA / "emanual-qa")
    search = plain_search.PlainSearch([(block.path[0], block.text) for block in blocks])
    hits = []
    for question in questions:
        begun = time.perf_counter()
        given = search.best(question.text, 5)
        spent = (time.perf_counter() - begun) * 1e3
        right = [plain(blocks[n].path[0]) == question.place for n in given]
        hits.append((bool(right and right[0]), any(right), spent))
    return recall_row(questions, hits, "SQLite FTS5 as it comes", None)


def rows() -> list[Row]:
    """Return what was reached."""
    blocks, questions = manual(DATA / "emanual-qa")
    kept = [q for q in questions if not q.chosen_on]
    directory = encoder_directory()
    with tempfile.TemporaryDirectory() as temporary:
        rows = recall(index_of(Path(temporary) / "words.index", blocks), kept, None)
        if directory is not None:
            encoder = load(directory)
            rows += recall(index_of(Path(temporary) / "hybrid.index", blocks, encoder), kept, encoder)
    return rows + peer(kept)

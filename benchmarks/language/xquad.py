"""The answering sentence among all sentences of XQuAD's articles: mean reciprocal rank of the first ten.

All 32 articles are in the index; the questions are those to articles that nothing was chosen on.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks.language import plain_search
from benchmarks.language.document_sets import Question, index_of, interval, truths, xquad
from benchmarks.language.row import DATA, Row, encoder_directory
from edgewright.language.embedding import load
from edgewright.nlp.documents.media import unpacked
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.nlp.utterance.student import Encodes

AT_LEAST = 0.85
Kept = Sequence[tuple[Question, set[int]]]


def recall_row(kept: Kept, best: Callable[[str], Sequence[int]], model: str, peer: bool = False) -> Row:
    """One row: `best` gives numbers of sentences."""
    ranks, spent = [], []
    best(kept[0][0].text)
    for question, right in kept:
        begun = time.perf_counter()
        given = best(question.text)
        spent.append((time.perf_counter() - begun) * 1e3)
        ranks.append(next((1 / (n + 1) for n, number in enumerate(given) if number in right), 0.0))
    mean, (low, high) = float(np.mean(ranks)), interval(ranks, [q.group for q, _ in kept])
    middle, slow = np.percentile(spent, [50, 99])
    return Row(f"xquad-en, answering sentence ({len(kept)} questions), MRR@10", model,
               f"{mean:.3f} ({low:.3f} to {high:.3f})", f"median {middle:.2f} ms, p99 {slow:.1f} ms",
               "" if peer else str(AT_LEAST), None if peer else mean >= AT_LEAST)  # fmt: skip


def ours(index: DocumentIndex, encoder: Encodes | None) -> Callable[[str], Sequence[int]]:
    """Return the index's own order."""

    def best(question: str) -> Sequence[int]:
        vector = None if encoder is None else encoder.encode([question])[0]
        return [one.number for one in index.sentences(question, vector, top=10)]

    return best


def sentences_of(index: Path) -> list[str]:
    """All sentences of an index in order, for peers."""
    with closing(sqlite3.connect(index)) as connection:
        rows = connection.execute("SELECT text, spans FROM passages ORDER BY id").fetchall()
    return [text[begin:end] for text, spans in rows for begin, end in unpacked(spans).reshape(-1, 2).tolist()]


def rows() -> list[Row]:
    """Return what was reached."""
    blocks, questions = xquad(DATA / "xquad-en")
    directory = encoder_directory()
    with tempfile.TemporaryDirectory() as temporary:
        words = index_of(Path(temporary) / "words.index", blocks)
        right = truths(words, questions)
        kept = [(q, r) for q, r in zip(questions, right, strict=True) if not q.chosen_on]
        with DocumentIndex(words) as opened:
            # What is asked for is asked of the better way, where its encoder is there.
            rows = [recall_row(kept, ours(opened, None), "Edgewright, FTS5", peer=directory is not None)]
        peer = plain_search.PlainSearch([("", sentence) for sentence in sentences_of(words)])
        peers = [recall_row(kept, lambda question: peer.best(question, 10), "SQLite FTS5 as it comes", peer=True)]
        if directory is not None:
            encoder = load(directory)
            vectors = encoder.encode(sentences_of(words))
            with DocumentIndex(index_of(Path(temporary) / "hybrid.index", blocks, encoder)) as opened:
                rows.append(recall_row(kept, ours(opened, encoder), "Edgewright, hybrid"))

            def nearest(question: str) -> Sequence[int]:
                order: list[int] = np.argsort(-(vectors @ encoder.encode([question])[0]))[:10].tolist()
                return order

            peers.append(recall_row(kept, nearest, "the encoder alone", peer=True))
    return rows + peers


if __name__ == "__main__":
    for row in rows():
        print(row)

"""The answering sentence among all sentences of XQuAD's articles: mean reciprocal rank of the first ten.

`python -m benchmarks.language.xquad [ENCODER]`. All 32 articles are in the index; the questions are those to articles
that nothing was chosen on.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.language.document_sets import data_folder, index_of, interval, truths, xquad
from benchmarks.table import markdown, verdict
from edgewright.language.embedding import Encoder, load
from edgewright.runtime.documents.search import DocumentIndex

AT_LEAST = 0.85
HEADERS = ("answering sentence", "questions", "MRR@10", "95 %", "R@1", "ms median", "ms p99", "at least", "verdict")


def row(folder: Path, encoder: Encoder | None) -> list[str]:
    """One row of the table."""
    blocks, questions = xquad(data_folder("xquad-en"))
    way = "words" if encoder is None else "hybrid"
    index = index_of(folder / f"{way}.index", blocks, encoder)
    kept = [(q, right) for q, right in zip(questions, truths(index, questions), strict=True) if not q.chosen_on]
    ranks, spent = [], []
    with DocumentIndex(index) as opened:
        for question, right in kept:
            begun = time.perf_counter()
            vector = None if encoder is None else encoder.encode([question.text])[0]
            given = [one.number for one in opened.sentences(question.text, vector, top=10)]
            spent.append((time.perf_counter() - begun) * 1e3)
            ranks.append(next((1 / (n + 1) for n, number in enumerate(given) if number in right), 0.0))
    mean = float(np.mean(ranks))
    low, high = interval(ranks, [q.group for q, _ in kept])
    middle, slow = np.percentile(spent, [50, 99])
    return [way, str(len(ranks)), f"{mean:.3f}", f"{low:.3f}-{high:.3f}", f"{np.mean(np.array(ranks) == 1):.3f}",
            f"{middle:.2f}", f"{slow:.2f}", str(AT_LEAST), verdict(mean >= AT_LEAST)]  # fmt: skip


def main() -> None:
    """Prints the table."""
    encoder = load(Path(sys.argv[1])) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as temporary:
        rows = [row(Path(temporary), None)]
        if encoder is not None:
            rows.append(row(Path(temporary), encoder))
    print(markdown(HEADERS, rows))


if __name__ == "__main__":
    main()

"""Questions to a manual (E-manual QA): sections found, by words and with vectors; and what the manual does not say.

A question counts as found when its section is among the first five. It is counted over all questions, where the nearest
section of the manual above the right one counts, and over those whose own section stands in the manual's file. The
questions that weights were chosen on are left out of both. `python -m benchmarks.language.manual` prints more.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.language import plain_search
from benchmarks.language.document_sets import Question, index_of, interval, leaflets, manual, plain, without, xquad
from benchmarks.language.row import DATA, Row, encoder_directory
from benchmarks.table import markdown
from edgewright.language.documents.index import Encodes
from edgewright.language.embedding import load
from edgewright.runtime.documents.search import DocumentIndex

AT_LEAST, MILLISECONDS, HYBRID_MILLISECONDS = 0.87, 1.0, 30.0
THERE = ("is the answer there at all", "way", "answerable", "answered", "unanswerable", "refused", "AUROC")
Hit = tuple[bool, bool, float]


def found(index: DocumentIndex, question: Question, encoder: Encodes | None) -> Hit:
    """Whether the first section and one of the first five is right, and milliseconds, the encoder's included."""
    begun = time.perf_counter()
    vector = None if encoder is None else encoder.encode([question.text])[0]
    answer = index.ask(question.text, vector, top=5)
    spent = (time.perf_counter() - begun) * 1e3
    right = [plain(one.path[0]) == question.place for one in answer.found]
    return bool(right and right[0]), any(right), spent


def recall(index: Path, questions: Sequence[Question], encoder: Encodes | None) -> list[Row]:
    """Rows of the table for one way."""
    with DocumentIndex(index) as opened:
        for question in questions[:5]:
            found(opened, question, encoder)
        hits = [found(opened, question, encoder) for question in questions]
    limit = MILLISECONDS if encoder is None else HYBRID_MILLISECONDS
    return told(questions, hits, "Edgewright, FTS5" if encoder is None else "Edgewright, hybrid", limit)


def told(questions: Sequence[Question], hits: Sequence[Hit], model: str, limit: float | None) -> list[Row]:
    """Rows of one model; without a limit it is a peer."""
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
    return told(questions, hits, "SQLite FTS5 as it comes", None)


def sure(index: Path, questions: Sequence[Question], encoder: Encodes | None) -> tuple[list[float], float]:
    """Confidence that the answer is there, of each question, and the threshold."""
    with DocumentIndex(index) as opened:
        answers = [
            opened.ask(q.text, None if encoder is None else encoder.encode([q.text])[0], top=1) for q in questions
        ]
    return [answer.confidence for answer in answers], answers[0].threshold


def there(folder: Path, encoder: Encodes | None) -> list[list[str]]:
    """Rows of the second table: questions whose answer is there, is taken out, or was never there."""
    sets = {"manual": manual(DATA / "emanual-qa"), "articles": xquad(DATA / "xquad-en")}
    rows = []
    for name, (blocks, all_questions) in sets.items():
        questions = [q for q in all_questions if not q.chosen_on]
        other = next(q for n, (_, q) in sets.items() if n != name)
        whole = index_of(folder / f"{name}.index", blocks, encoder)
        lacking = index_of(folder / f"{name}-lacking.index", without(blocks, questions), encoder)
        yes, threshold = sure(whole, questions, encoder)
        small: tuple[list[float], list[float]] = ([], [])
        for part, own, others in leaflets(blocks, questions):
            leaflet = index_of(folder / "leaflet.index", part, encoder)
            small[0].extend(sure(leaflet, own, encoder)[0])
            small[1].extend(sure(leaflet, others, encoder)[0])
        elsewhere = [q for q in other if not q.chosen_on]
        for what, with_answer, lacking_it in (
            ("its section taken out", yes, sure(lacking, questions, encoder)[0]),
            ("of the other set", yes, sure(whole, elsewhere, encoder)[0]),
            ("six sections alone, of other sections", *small),
        ):
            area = float(np.mean([(y > n) + 0.5 * (y == n) for y in with_answer for n in lacking_it]))
            rows.append([f"{name}; {what}", "words" if encoder is None else "hybrid", str(len(with_answer)),
                         f"{np.mean(np.array(with_answer) >= threshold):.3f}", str(len(lacking_it)),
                         f"{np.mean(np.array(lacking_it) < threshold):.3f}", f"{area:.3f}"])  # fmt: skip
    return rows


def rows() -> list[Row]:
    """What was reached."""
    blocks, questions = manual(DATA / "emanual-qa")
    kept = [q for q in questions if not q.chosen_on]
    directory = encoder_directory()
    with tempfile.TemporaryDirectory() as temporary:
        made = recall(index_of(Path(temporary) / "words.index", blocks), kept, None)
        if directory is not None:
            encoder = load(directory)
            made += recall(index_of(Path(temporary) / "hybrid.index", blocks, encoder), kept, encoder)
    return made + peer(kept)


def main() -> None:
    """Prints whether questions without an answer are known as such."""
    directory = encoder_directory()
    with tempfile.TemporaryDirectory() as temporary:
        made = there(Path(temporary), None)
        if directory is not None:
            made += there(Path(temporary), load(directory))
    print(markdown(THERE, made))


if __name__ == "__main__":
    main()

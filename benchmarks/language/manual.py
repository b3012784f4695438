"""Questions to a manual (E-manual QA): sections found, by words and with vectors; and what the manual does not say.

`python -m benchmarks.language.manual [ENCODER]`. A question counts as found when its section is among the first five.
Two ways to count: questions whose own section stands in the manual's file, as the published figures do (426 of 684),
and all of them, where the nearest section above the right one counts (all 684). The questions that weights were chosen
on are left out of both.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.language.document_sets import Question, data_folder, index_of, interval, manual, plain, without, xquad
from benchmarks.table import markdown, verdict
from edgewright.language.embedding import Encoder, load
from edgewright.runtime.documents.search import DocumentIndex

AT_LEAST, MILLISECONDS, HYBRID_MILLISECONDS = 0.87, 1.0, 30.0
HEADERS = (
    "questions to the manual",
    "number",
    "way",
    "R@1",
    "R@5",
    "95 %",
    "ms median",
    "ms p99",
    "at least",
    "verdict",
)
THERE = ("is the answer there at all", "way", "answerable", "answered", "unanswerable", "refused", "AUROC")


def found(index: DocumentIndex, question: Question, encoder: Encoder | None) -> tuple[bool, bool, float]:
    """Whether the first section and one of the first five is right, and milliseconds, the encoder's included."""
    begun = time.perf_counter()
    vector = None if encoder is None else encoder.encode([question.text])[0]
    answer = index.ask(question.text, vector, top=5)
    spent = (time.perf_counter() - begun) * 1e3
    right = [plain(one.path[0]) == question.place for one in answer.found]
    return bool(right and right[0]), any(right), spent


def recall(index: Path, questions: Sequence[Question], encoder: Encoder | None) -> list[list[str]]:
    """Rows of the table for one way."""
    with DocumentIndex(index) as opened:
        opened.ask(questions[0].text, None if encoder is None else encoder.encode([questions[0].text])[0])
        hits = [found(opened, question, encoder) for question in questions]
    limit = MILLISECONDS if encoder is None else HYBRID_MILLISECONDS
    middle, slow = np.percentile([h[2] for h in hits], [50, 99])
    rows = []
    for exact in (True, False):
        for kind in ("plain", "paraphrased", "all"):
            some = [n for n, q in enumerate(questions) if kind in (q.kind, "all") and (q.exact or not exact)]
            first = float(np.mean([hits[n][0] for n in some]))
            five = float(np.mean([hits[n][1] for n in some]))
            low, high = interval([hits[n][1] for n in some], [questions[n].group for n in some])
            name = f"{kind}, {'own section' if exact else 'nearest section'}"
            way = "words" if encoder is None else "hybrid"
            rows.append([name, str(len(some)), way, f"{first:.3f}", f"{five:.3f}", f"{low:.3f}-{high:.3f}",
                         f"{middle:.2f}", f"{slow:.2f}", f"{AT_LEAST}, {limit:.0f} ms",
                         verdict(five >= AT_LEAST and middle <= limit)])  # fmt: skip
    return rows


def sure(index: Path, questions: Sequence[Question], encoder: Encoder | None) -> tuple[list[float], float]:
    """Confidence that the answer is there, of each question, and the threshold."""
    with DocumentIndex(index) as opened:
        answers = [
            opened.ask(q.text, None if encoder is None else encoder.encode([q.text])[0], top=1) for q in questions
        ]
    return [answer.confidence for answer in answers], answers[0].threshold


def there(folder: Path, encoder: Encoder | None) -> list[list[str]]:
    """Rows of the second table: questions with their answers there, with them taken out, and of the other set."""
    sets = {"manual": manual(data_folder("emanual-qa")), "articles": xquad(data_folder("xquad-en"))}
    rows = []
    for name, (blocks, all_questions) in sets.items():
        questions = [q for q in all_questions if not q.chosen_on]
        other = next(q for n, (_, q) in sets.items() if n != name)
        whole = index_of(folder / f"{name}.index", blocks, encoder)
        lacking = index_of(folder / f"{name}-lacking.index", without(blocks, questions), encoder)
        yes, threshold = sure(whole, questions, encoder)
        for what, no in (
            ("its section taken out", sure(lacking, questions, encoder)[0]),
            ("of the other set", sure(whole, [q for q in other if not q.chosen_on], encoder)[0]),
        ):
            area = float(np.mean([(y > n) + 0.5 * (y == n) for y in yes for n in no]))
            rows.append([f"{name}; {what}", "words" if encoder is None else "hybrid", str(len(yes)),
                         f"{np.mean(np.array(yes) >= threshold):.3f}", str(len(no)),
                         f"{np.mean(np.array(no) < threshold):.3f}", f"{area:.3f}"])  # fmt: skip
    return rows


def main() -> None:
    """Prints both tables."""
    encoder = load(Path(sys.argv[1])) if len(sys.argv) > 1 else None
    blocks, questions = manual(data_folder("emanual-qa"))
    kept = [q for q in questions if not q.chosen_on]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = recall(index_of(folder / "words.index", blocks), kept, None)
        told = there(folder, None)
        if encoder is not None:
            rows += recall(index_of(folder / "hybrid.index", blocks, encoder), kept, encoder)
            told += there(folder, encoder)
    print(markdown(HEADERS, rows), markdown(THERE, told), sep="\n\n")


if __name__ == "__main__":
    main()

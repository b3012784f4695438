"""'Not in this document', of XQuAD's articles that the limit was chosen on: by which it must hold at least."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from benchmarks.language.answerable import LEAST, MOST
from benchmarks.language.document_sets import index_of, xquad

from edgewright.nlp.documents.search import DocumentIndex, there
from support import shared_data


def test_few_questions_with_an_answer_are_refused_and_most_without_are(tmp_path: Path) -> None:
    blocks, questions = xquad(shared_data("xquad-en"))
    refused: dict[bool, list[bool]] = {True: [], False: []}
    chosen = [question for question in questions if question.chosen_on]
    for article in dict.fromkeys(question.group for question in chosen):
        part = [block for block in blocks if block.path[0].replace(" ", "_") == article]
        others = [question for question in chosen if question.group != article][:: len(chosen) // 20]
        with DocumentIndex(index_of(tmp_path / f"{len(refused[True])}.index", part)) as opened:
            for answerable, asked in ((True, [q for q in chosen if q.group == article]), (False, others)):
                refused[answerable] += [not opened.ask(question.text, top=1).answered for question in asked]
    assert np.mean(refused[True]) < MOST
    assert np.mean(refused[False]) >= LEAST


def test_a_larger_document_comes_near_by_chance() -> None:
    figures = np.full(15, 0.5)
    assert there(figures, False, 10) > there(figures, False, 10_000)

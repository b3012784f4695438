"""An index of documents on questions whose answers are known: what is found, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.data.files import read_text
from edgewright.data.sets.texts import Squad
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.nlp.utterance.head import Encodes
from edgewright.schema.errors import InputError
from edgewright.schema.score import Score
from edgewright.schema.trace import Interval
from edgewright.training.metrics import group_interval, widened, wilson

_TOP = 10


class QuestionCase(msgspec.Struct, frozen=True):
    """A question, its answer as it stands in the documents ('' where it does not), and what it is alike with."""

    question: str
    answer: str
    group: str = ""


def read_questions(path: Path) -> tuple[QuestionCase, ...]:
    """Return questions of a JSON file in the form of SQuAD (also 2.0), or of a CSV file with `question` and `answer`.

    An empty answer says that the documents do not answer. A column `group` (or `section`, `title`) says which questions
    are alike.

    Raises:
        InputError: another form, or no question.
    """
    if path.is_dir():
        path = next(iter(sorted(path.rglob("*.json"))), path)
    if path.suffix.lower() == ".json":
        try:
            articles = msgspec.json.decode(path.read_bytes(), type=Squad).data
        except (msgspec.DecodeError, OSError, UnicodeDecodeError) as error:
            raise InputError("JSON in the form of SQuAD", str(error), str(path)) from None
        return tuple(
            QuestionCase(q.question, "" if q.is_impossible or not q.answers else q.answers[0].text, article.title)
            for article in articles
            for paragraph in article.paragraphs
            for q in paragraph.qas
        )
    if not path.is_file():
        raise InputError("a file of questions", "no such file", str(path))
    columns, _ = read_text(path) if path.suffix.lower() in (".csv", ".tsv") else ({}, ())
    if not {"question", "answer"} <= columns.keys():
        got = ", ".join(columns) or path.name
        raise InputError("JSON as SQuAD, or a CSV file with the columns question and answer", got, str(path))
    count = len(columns["question"])
    groups = next((columns[name] for name in ("group", "section", "title") if name in columns), np.array([""] * count))
    return tuple(
        QuestionCase(str(q).strip(), str(a).strip(), str(g))
        for q, a, g in zip(columns["question"], columns["answer"], groups, strict=True)
        if str(q).strip()
    )


def score_index(
    index: DocumentIndex, question_cases: Sequence[QuestionCase], encoder: Encodes | None, where: str
) -> Score:
    """Ask every question.

    A question counts as found when its answer stands in a passage. `recall@1` and `recall@10` are of the passages,
    refused or not; `answered` is the share that is found first and not refused: what a user gets. `mrr@10` is of the
    passages, `sentence` of the sentence that is marked.

    Raises:
        InputError: no question.
    """
    if not question_cases:
        raise InputError("questions", "none", where)
    ranks, sentence, refused = [], [], []
    for case in question_cases:
        vector = None if encoder is None else encoder.encode([case.question])[0]
        answer = index.ask(case.question, vector, top=_TOP)
        wanted = _plain(case.answer)
        places = [n for n, passage in enumerate(answer.passages) if wanted and wanted in _plain(passage.text)]
        ranks.append(places[0] if places else -1)
        sentence.append(bool(places) and places[0] == 0 and wanted in _plain(answer.passages[0].sentence))
        refused.append(not answer.answered)
    there = np.array([bool(case.answer) for case in question_cases])
    rank, no = np.array(ranks), np.array(refused)
    groups = np.array([case.group for case in question_cases])
    figures: dict[str, Interval] = {}
    if there.any():
        of = {
            "recall@1": rank == 0, f"recall@{_TOP}": rank >= 0, "sentence": np.array(sentence),
            "answered": (rank == 0) & ~no, "refused_answerable": no,
        }  # fmt: skip
        figures = {name: _share(hits[there], groups[there]) for name, hits in of.items()}
        gains = np.where(rank >= 0, 1.0 / np.maximum(rank + 1, 1), 0.0)[there]
        figures[f"mrr@{_TOP}"] = group_interval(
            groups[there] if any(groups) else np.arange(int(there.sum())), lambda rows: float(gains[rows].mean())
        )
    if not there.all():
        figures["refused_unanswerable"] = _share(no[~there], groups[~there])
    contents = index.contents
    return Score(
        kind="documents",
        name=index.path.name,
        data=where,
        samples=len(question_cases),
        unit="question",
        figures=figures,
        notes=(
            f"{int(there.sum()):,} answerable questions, {int((~there).sum()):,} unanswerable; by "
            + ("words and vectors" if encoder is not None else "words")
            + ("; use the vectors of the index with --encoder DIR" if contents.encoder and encoder is None else ""),
        ),
    )


def _share(hits: NDArray[np.bool_], groups: NDArray[np.str_]) -> Interval:
    """Return a share with its interval, by group where groups are known."""
    alone = wilson(int(hits.sum()), len(hits))
    return widened(alone, groups if any(groups) else None, lambda rows: float(hits[rows].mean()))


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())

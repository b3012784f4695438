"""An index of documents: questions whose answers are known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgewright.cli.scoring import Scored
from edgewright.core.errors import LabelsMissingError

if TYPE_CHECKING:
    from edgewright.workflows.scoring.rows import ScoreRequest
    from edgewright.workflows.scoring.workflow import Score


def _score(path: Path, request: ScoreRequest) -> Score:
    from edgewright.cli.command import own_model
    from edgewright.language.documents.phrasing import read_questions, score_index
    from edgewright.language.embedding import load
    from edgewright.nlp.documents.search import DocumentIndex

    if not request.data:
        raise LabelsMissingError("questions with answers", "none", "--data", "Pass a CSV or JSON file with --data FILE")
    questions = read_questions(Path(request.data))
    with DocumentIndex(path) as index:
        given = Path(request.encoder) if request.encoder else None
        encoder = own_model("text", given, name=index.contents.encoder)
        return score_index(index, questions, load(encoder) if encoder else None, request.data)


SCORED = Scored("an index of documents", "sqlite", frozenset({"kind", "encoder"}), _score)

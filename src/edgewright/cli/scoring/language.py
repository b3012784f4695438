"""A language model: intents, scope and slots of labelled utterances."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgewright.cli.scoring import Scored
from edgewright.core.errors import LabelsMissingError

if TYPE_CHECKING:
    from edgewright.cli.command import Text
    from edgewright.workflows.scoring.rows import ScoreRequest
    from edgewright.workflows.scoring.workflow import Score


def _score(path: Path, request: ScoreRequest) -> Score:

    from edgewright.cli.command import own_model
    from edgewright.language.embedding import load
    from edgewright.language.training import score_language
    from edgewright.language.utterances import read_judged
    from edgewright.nlp.utterance.parse import Understanding, read_language

    if not request.data:
        raise LabelsMissingError("labelled utterances", "none", "--data", "Pass a file or folder: --data DATA")
    utterances, part = read_judged(Path(request.data), request.part)
    spec, arrays = read_language(path)
    given = Path(request.encoder) if request.encoder else None
    encoder = own_model("text", given, name=spec.head.encoder if spec.head else "")
    understanding = Understanding(spec, arrays, str(path), load(encoder) if encoder else None)
    score = score_language(understanding, utterances, request.names, request.data)
    return msgspec.structs.replace(score, part=part)


def _view(score: Score) -> Text:
    from edgewright.language.training import mistakes

    return mistakes(score.details)


SCORED = Scored("a language model", "language.json", frozenset({"kind", "part", "names", "encoder"}), _score, _view)

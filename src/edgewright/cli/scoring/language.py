"""A language model: intents, scope and slots of labelled utterances."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgewright.cli.scoring import Scored
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.cli.command import Text
    from edgewright.schema.score import Score
    from edgewright.workflows.scoring.rows import ScoreRequest


def _score(path: Path, request: ScoreRequest) -> Score:

    from edgewright.cli.command import own_model
    from edgewright.cli.scoring import folder_of_set
    from edgewright.language.embedding import load
    from edgewright.language.scoring import score_language
    from edgewright.language.utterances.read import read_judged
    from edgewright.nlp.utterance.model_file import read_language
    from edgewright.nlp.utterance.parse import Understanding

    if not request.data:
        raise InputError("labelled utterances", "none", "--data", "Pass a file, folder or public set: --data DATA")
    utterances, part = read_judged(folder_of_set(request), request.part)
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

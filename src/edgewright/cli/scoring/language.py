"""A language model: intents, scope and slots of labelled utterances."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgewright.cli.scoring import Scored
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.cli.listeners import Terminal
    from edgewright.schema.score import Score
    from edgewright.workflows.scoring.rows import ScoreRequest


def _score(path: Path, request: ScoreRequest) -> Score:

    from edgewright.cli.scoring import folder_of_set
    from edgewright.language.embedding import load
    from edgewright.language.scoring import score_language
    from edgewright.language.utterances.read import read_judged
    from edgewright.nlp.utterance.parse import Understanding

    if not request.data:
        raise InputError("labelled utterances", "none", "--data", "Pass a file, folder or public set: --data DATA")
    utterances, part = read_judged(folder_of_set(request), request.part)
    understanding = Understanding.load(path, load(Path(request.encoder)) if request.encoder else None)
    found = score_language(understanding, utterances, request.names, request.data)
    return msgspec.structs.replace(found, part=part)


def _show(console: Terminal, score: Score) -> None:
    from edgewright.language.training import mistakes

    for line in mistakes(score.details):
        console.print(line, markup=False, highlight=False)


SCORED = Scored("a language model", "language.json", frozenset({"kind", "part", "names", "encoder"}), _score, _show)

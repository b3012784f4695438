"""One-line descriptions of the classes, by an encoder of text: the nearest description wins."""

from __future__ import annotations

import numpy as np

from edgewright.language.labelling.suggesters import Given, Scores, Suggester
from edgewright.schema.errors import InputError


def _scores(given: Given) -> Scores:
    if given.encoder is None:
        raise InputError("an encoder of text for descriptions", "none", "--encoder", "Pass its directory")
    lines = [line or name.replace("_", " ") for name, line in zip(given.classes, given.descriptions, strict=True)]
    return np.asarray(given.vectors @ given.encoder.encode(lines).T, np.float64)


SUGGESTER = Suggester(what="the nearest description", needs="descriptions", scores=_scores, heat=0.03)

"""The nearest of the classes' descriptions, by an encoder of text."""

from __future__ import annotations

import numpy as np

from edgewright.language.labelling.suggesters import Given, Scores, Suggester, suggester
from edgewright.schema.errors import InputError


def _by_description(given: Given) -> Scores:
    """Score by the one-line descriptions of the classes, with an encoder of text: the nearest description wins."""
    if given.encoder is None:
        raise InputError("an encoder of text for descriptions", "none", "--encoder", "Pass its directory")
    lines = [line or name.replace("_", " ") for name, line in zip(given.classes, given.descriptions, strict=True)]
    return np.asarray(given.vectors @ given.encoder.encode(lines).T, np.float64)


suggester("descriptions")(Suggester("the nearest description", "descriptions", _by_description, heat=0.03))

"""Ways to suggest labels: every file offers `SUGGESTER`; its name is its own.

A suggester gives a share of belief for each class and item. How sure one may be of it is not its matter: where people
have labelled enough, `suggesting` fits a temperature on labels that the suggester did not see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.nlp.utterance.head import Encodes
from edgewright.schema.data import Floats

FOLDER = "edgewright.language.labelling.suggesters"
Scores = NDArray[np.float64]


class Given(msgspec.Struct, frozen=True):
    """What suggestions are made from.

    Attributes:
        vectors: of all items, shape (n, d), of length 1.
        targets: class number of each item by people, -1 where nobody said.
        classes: names; descriptions: one line each, empty where there is none.
        encoder: that understands the descriptions, where there is one.
        seed: of what is drawn.
    """

    vectors: Floats
    targets: NDArray[np.int64]
    classes: tuple[str, ...]
    descriptions: tuple[str, ...]
    encoder: Encodes | None = None
    seed: int = 0


@dataclass(frozen=True)
class Suggester:
    """The one object `SUGGESTER` of a file.

    Attributes:
        what: for people, one line.
        needs: 'labels' by people or 'descriptions' of classes.
        scores: natural logarithms of belief up to a constant for each row, shape (n, classes). The score of a labelled
            item must not rest on its own label.
        heat: temperature that turns scores into shares before anything is known of how right they are.
    """

    what: str
    needs: str
    scores: Callable[[Given], Scores]
    heat: float = 1.0

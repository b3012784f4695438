"""Ways to suggest labels, a family a file.

A suggester gives a share of belief for each class and item. How sure one may be of it is not its matter: where people
have labelled enough, a round fits a temperature on labels that the suggester did not see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.catalogue import Registry
from edgewright.nlp.utterance.head import Encodes
from edgewright.schema.data import Floats
from edgewright.schema.errors import UnknownNameError

Scores = NDArray[np.float64]


class Given(msgspec.Struct, frozen=True):
    """What suggestions are made from.

    Attributes:
        vectors: of all items, shape (n, d), of length 1.
        targets: class number of each item by people, -1 where nobody said.
        classes: names; descriptions: one line each, empty where there is none.
        encoder: that understands the descriptions, where there is one.
        seed: of what is drawn.
        texts: of all items; empty where they are no texts.
        language_model: GGUF file of a model that people brought; None without one.
        ahead: gets the estimate of long work before it begins.
    """

    vectors: Floats
    targets: NDArray[np.int64]
    classes: tuple[str, ...]
    descriptions: tuple[str, ...]
    encoder: Encodes | None = None
    seed: int = 0
    texts: tuple[str, ...] = ()
    language_model: Path | None = None
    ahead: Callable[[str], None] = lambda _: None


@dataclass(frozen=True)
class Suggester:
    """A way to suggest labels.

    Attributes:
        description: for people, one line.
        needs: 'labels' by people, 'descriptions' of classes, or a 'language model'.
        scores: natural logarithms of belief up to a constant for each row, shape (n, classes). The score of a labelled
            item must not rest on its own label.
        heat: temperature that turns scores into shares before anything is known of how right they are.
    """

    description: str
    needs: str
    scores: Callable[[Given], Scores]
    heat: float = 1.0


suggester: Registry[Suggester] = Registry(__name__)
"""Registers a suggester under its name."""


def suggester_of(name: str, where: str = "") -> Suggester:
    """Return the suggester of a name.

    Raises:
        UnknownNameError: with the known names.
    """
    if name not in suggester.known:
        raise UnknownNameError("suggester", name, suggester.known, where)
    return suggester.known[name]

"""A package with stored examples: what answers by the nearest of them."""

from __future__ import annotations

from typing import Literal

import msgspec

NEIGHBOURS_VERSION = 1
Space = Literal["network", "features"]


class NeighboursSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`neighbours.json` of an index; beside it `package.edge` and `arrays/`.

    Attributes:
        version: of the format; a newer one is refused by name.
        name: of the package.
        space: 'features' are what arrives at the network, 'network' what its last hidden layer gives.
        labels: in the order they were first added.
        limit: times the usual distance between examples of a label, beyond which a sample is none of them.
    """

    version: int = NEIGHBOURS_VERSION
    name: str
    space: Space
    labels: tuple[str, ...]
    limit: float


class Nearest(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to one sample.

    Attributes:
        place: of the sample in its source.
        label: or 'none of these'.
        confidence: probability of it.
        nearest: the label of the nearest example, also where it is none of these.
        distance: to that example, 1 less the cosine.
        limit: distance beyond which this would have been none of these.
    """

    place: str
    label: str
    confidence: float
    nearest: str
    distance: float
    limit: float

"""What a policy and a shield see of an observation; every file offers `PERCEPTION`, under its own name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core import catalogue

_PACKAGE = "edgewright.jobs.simulation.perceptions"


@dataclass(frozen=True)
class Perception:
    """A perception.

    Attributes:
        columns: a first observation -> the names of its numbers.
        prepare: changes an environment that was made, before its first episode.
        read: an observation and the seconds that a decision lasts -> those numbers.
    """

    columns: Callable[[NDArray[Any]], tuple[str, ...]]
    read: Callable[[NDArray[Any], float], NDArray[np.float64]]
    prepare: Callable[[Any], None] = lambda _: None


def perception(name: str, where: str) -> Perception:
    """Return a perception.

    Raises:
        UnknownNameError: listing the known ones.
    """
    found: Perception = catalogue.find(_PACKAGE, name, "PERCEPTION", "perception", where)
    return found

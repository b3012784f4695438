"""What a policy and a shield see of an observation; every file offers `PERCEPTION`, under its own name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgewright.core import catalogue

_PACKAGE = "edgewright.jobs.simulation.perceptions"


class Around(NamedTuple):
    """Who drives around a car: metres ahead of it and to its right; lanes are counted from the left."""

    lanes: int
    lane: int
    width: float
    others: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Perception:
    """A perception.

    Attributes:
        columns: a first observation -> the names of its numbers.
        prepare: changes an environment that was made, before its first episode.
        read: an observation and the seconds that a decision lasts -> those numbers.
        around: an environment -> its lanes, the own one and others by metres ahead and to the right; None where
            nothing drives.
        rule: gives the own car of an episode that began to the driver that the environment has; None for none.
        cut_in: sends whoever is close ahead in another lane into the own one, and returns whether somebody was.
    """

    columns: Callable[[NDArray[Any]], tuple[str, ...]]
    read: Callable[[NDArray[Any], float], NDArray[np.float64]]
    prepare: Callable[[Any], None] = lambda _: None
    around: Callable[[Any], Around] | None = None
    rule: Callable[[Any], None] | None = None
    cut_in: Callable[[Any], bool] | None = None


def perception(name: str, where: str) -> Perception:
    """Return a perception.

    Raises:
        UnknownNameError: listing the known ones.
    """
    known: Perception = catalogue.find(_PACKAGE, name, "PERCEPTION", "perception", where)
    return known

"""What is compared: a form, and what it gives stage by stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.stages import BYTES, OUTPUT
from edgewright.schema.proof import Numbers

__all__ = [
    "BYTES", "CLASSES", "LABEL", "OUTPUT", "PREDICTION", "PROBABILITIES", "RANGE", "Form", "Samples", "Stages",
    "Yardstick",
]  # fmt: skip
# Stage -> values of shape (n, ...): float32 is compared by tolerance, int8 by steps, int64 as labels.
Stages = dict[str, NDArray[Any]]
Samples = NDArray[np.float32]
# Names of stages that every form with such an end gives.
RANGE = "out of range"
PROBABILITIES, PREDICTION, LABEL = "probabilities", "prediction", "label"
# What stands for the class of each number: a form that counts alike may still say other words.
CLASSES = "class names"


@dataclass(frozen=True)
class Form:
    """A form of a pipeline.

    Attributes:
        name: for a reader.
        numbers: what its network computes in.
        run: (raw samples, what arrives at the boundary, float32) -> stages in order. A form of the whole pipeline
            takes the first, one of the network alone the second.
        ours: whether an int8 form rounds as the reference does, and must then be bit-exact to every other such one.
        whole: whether it begins at raw rows.
        note: what a reader should know of it.
        most: samples it takes at most, the first ones; 0 for all.
        said: what it has to say after it ran, filled in by `run`.
        labels: what it calls its classes, in order; empty where it gives numbers alone.
        files: that it runs as they lie on the disk, by the names of the record; empty for one that is made anew.
    """

    name: str
    numbers: Numbers
    run: Callable[[Samples, Samples], Stages]
    ours: bool = True
    whole: bool = True
    note: str = ""
    most: int = 0
    said: list[str] = field(default_factory=list)
    labels: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Yardstick:
    """What tolerances are measured by.

    Attributes:
        spread: stage -> how much each value varies over the samples, broadcast against (n, ...).
        digits: stage -> what the last digits of readings, and of results on the way, can change, shape (n, ...).
        names: stage -> names of its features or channels.
        origins: where each sample came from, shape (n,).
        labels: of the classes.
        int8_tolerance: largest difference of a probability between int8 engines that round in their own ways; of a
            prediction, relative to the spread of the predictions.
        before: stages of float preprocessing.
        constructed: samples that are no data, shape (n,); None for none. They widen no tolerance of the others.
        unanswered: samples that miss too much for an answer, shape (n,); None for none. Only their ends are compared.
        step: real number that a step of the int8 boundary stands for; 0 without one.
    """

    spread: Stages
    digits: Stages
    names: dict[str, tuple[str, ...]]
    origins: tuple[str, ...]
    labels: tuple[str, ...]
    int8_tolerance: float = 0.08
    before: frozenset[str] = field(default_factory=frozenset)
    constructed: NDArray[np.bool_] | None = None
    unanswered: NDArray[np.bool_] | None = None
    step: float = 0.0

    def data(self, count: int) -> NDArray[np.bool_]:
        """Which of the first samples are data, shape (count,)."""
        return np.ones(count, np.bool_) if self.constructed is None else ~self.constructed[:count]

"""Forms of a pipeline, and the reference data that their comparison needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.package import ObjectMap
from edgewright.core.records.proof import Numbers
from edgewright.graph.extract import BYTES, OUTPUT

__all__ = [
    "BYTES",
    "CLASSES",
    "FLAGS",
    "GENERATED",
    "LABEL",
    "MISSING",
    "OBJECTS",
    "OUTPUT",
    "PREDICTION",
    "PROBABILITIES",
    "RANDOM_BYTES",
    "RANGE",
    "UNSURE",
    "Form",
    "Samples",
    "Stages",
    "ToleranceReference",
]  # fmt: skip
# Stage -> values, shape (n, ...): float32 is compared by tolerance, int8 by quantisation steps, int64 as labels.
Stages = dict[str, NDArray[Any]]
Samples = NDArray[np.float32]
# Names of common stages.
RANGE = "out of range"
PROBABILITIES, PREDICTION, LABEL = "probabilities", "prediction", "label"
# Raw output of an integer network for bytes that no sample makes of it: those of row i are drawn, whatever sample i is.
RANDOM_BYTES = "raw output of drawn bytes"
# Objects that are found in the map of an answer: label, x, y and score of each, -1 behind the last.
OBJECTS = "objects"
# Flags of an answer: that there is none, and that it is not sure enough.
FLAGS = "flags"
MISSING, UNSURE = 4, 8
# Stage with the class names of a form: forms with equal class indices can still have different names.
CLASSES = "class names"
# Source of forms whose code one writer gave, whatever compiles it.
GENERATED = "the generated C"


@dataclass(frozen=True)
class Form:
    """A form of a pipeline.

    Attributes:
        name: display name.
        numbers: number type of its network: 'float' or 'int8'.
        run: function of (raw samples, float32 inputs at the quantisation boundary) that returns the stages in order. A
            form of the whole pipeline uses the first argument, a form of the network alone the second.
        ours: whether an int8 form uses the reference rounding; all such forms must be bit-exact to each other.
        whole: whether the form starts from raw rows.
        note: note for the report.
        max_samples: maximum number of samples; further ones are skipped; 0 for all.
        notes: notes that `run` adds.
        labels: class names in order; empty where the form returns numbers only.
        files: files on disk that the form runs, by their names in the record; empty for a form generated in memory.
        needed: whether the proof fails when it cannot run, as the user asked for it.
        source: what forms of one writer share, such as C for several compilers: one mistake in it is in all of them.
            Empty for a form of its own.
        targets: of `export` whose files it runs.
    """

    name: str
    numbers: Numbers
    run: Callable[[Samples, Samples], Stages]
    ours: bool = True
    whole: bool = True
    note: str = ""
    max_samples: int = 0
    notes: list[str] = field(default_factory=list)
    labels: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    needed: bool = False
    source: str = ""
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class ToleranceReference:
    """Reference data for tolerances.

    Attributes:
        spread: stage -> standard deviation of each value over the samples, broadcastable to (n, ...).
        digits: stage -> effect of rounding errors in readings and intermediate results, shape (n, ...).
        names: stage -> names of its features or channels.
        origins: origin of each sample, shape (n,).
        labels: class names.
        int8_tolerance: maximum difference of a probability between int8 engines with different rounding; for a
            prediction, relative to the range of the predictions.
        before: names of the float preprocessing stages.
        constructed: mask of synthetic samples, shape (n,); None for none. They do not widen tolerances of the data.
        unanswered: mask of samples with too many missing values for an answer, shape (n,); None for none. Only their
            final stages are compared.
        extreme: mask of samples with the largest float32, shape (n,); None for none. Only `filled` is compared of them,
            because sums behind it overflow in every engine at another number.
        filled: first stage, which fills missing values.
        objects: how the map of an answer is read; None where nothing is looked for.
        step: real value of one quantisation step at the int8 boundary; 0 without one.
        confidence: below it an answer is unsure.
        splits: last stage before a model of comparisons, such as trees, which rounds nothing before it decides; empty
            where it takes the raw rows, None for other models.
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
    extreme: NDArray[np.bool_] | None = None
    filled: str = ""
    step: float = 0.0
    objects: ObjectMap | None = None
    confidence: float = 0.0
    splits: str | None = None

    def data(self, count: int) -> NDArray[np.bool_]:
        """Return which of the first `count` samples are data and not synthetic, shape (count,)."""
        return np.ones(count, np.bool_) if self.constructed is None else ~self.constructed[:count]

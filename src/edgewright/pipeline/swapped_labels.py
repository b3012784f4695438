"""Persons two of whose labels look swapped: a model of the others answers one where the other stands, both ways."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.data.findings import Finding, percent
from edgewright.pipeline.leakage_inflation import QuickAnswers

# Samples of each of the two classes that a person must have.
_FEWEST = 5
# Share of them that is answered with the other class, both ways; and at most among everybody else.
_SWAPPED, _ELSEWHERE = 0.5, 0.25


def swapped_labels(answers: QuickAnswers) -> tuple[Finding, ...]:
    """Finds persons or machines with two classes that look exchanged, the surest first.

    The classes must be told apart for everybody else: where most people's are confused, the model is to blame.
    """
    if not answers.classify or answers.by != "group":
        return ()
    found = []
    for group in np.unique(answers.units):
        own = answers.units == group
        classes, counts = np.unique(answers.y[own], return_counts=True)
        for a, b in combinations(classes[counts >= _FEWEST], 2):
            swapped = min(_share(answers, own, a, b), _share(answers, own, b, a))
            elsewhere = max(_share(answers, ~own, a, b), _share(answers, ~own, b, a))
            if swapped > _SWAPPED and elsewhere <= _ELSEWHERE:
                found.append((swapped, elsewhere, group, a, b))
    return tuple(_finding(*one) for one in sorted(found, key=lambda one: -one[0]))


def _share(answers: QuickAnswers, rows: NDArray[np.bool_], given: Any, other: Any) -> float:  # noqa: ANN401 - classes
    """Share of the rows labelled `given` that are answered `other`."""
    labelled = rows & (answers.y == given)
    return float(np.mean(answers.kept[labelled] == other)) if labelled.any() else 0.0


def _finding(swapped: float, elsewhere: float, group: object, a: object, b: object) -> Finding:
    return Finding(
        kind="swapped-labels",
        severity="warning",
        sentence=(
            f"the labels {str(a)!r} and {str(b)!r} of {group} look swapped: a model of the others answers at least "
            f"{percent(swapped)} of each with the other one, elsewhere at most {percent(elsewhere)}"
        ),
        numbers={"share": swapped, "elsewhere": elsewhere},
    )

"""Comparison of one stage of two forms: which values differ, and by what fraction of the tolerance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.proof import Difference, StageVerdict
from edgewright.proof.tolerance import MISSING, RANDOM_BYTES, UNSURE, ToleranceReference

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class StageComparison:
    """Result of comparing one stage of two forms.

    Attributes:
        verdict: verdict for the record.
        differing, beyond: masks of samples with any difference, and with one beyond the tolerance, shape (n,).
        difference: absolute difference of every value, shape (n, ...); None where all values are equal.
        allowed: tolerance of every value, shape (n, ...); None where all values are equal.
    """

    verdict: StageVerdict
    differing: Mask
    beyond: Mask
    difference: NDArray[np.float64] | None = None
    allowed: NDArray[np.float64] | None = None


def stage_order(shown: Iterable[Iterable[str]]) -> list[str]:
    """Return the stages of several forms in one order: that of the form that shows the most.

    A stage that this form does not show stands before the next one that both show.
    """
    order: list[str] = []
    for stages in sorted(map(tuple, shown), key=len, reverse=True):
        index = len(order)
        for stage in reversed(stages):
            if stage in order:
                index = order.index(stage)
            else:
                order.insert(index, stage)
    return order


def aligned(first: NDArray[Any], second: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return both arrays with the shape of the first; None where their numbers of values differ."""
    if first.shape == second.shape:
        return first, second
    return (first, second.reshape(first.shape)) if first.size == second.size and len(first) == len(second) else None


def equal(stage: str, numbers: Literal["float", "int8", "label"], values: NDArray[Any], words: str) -> StageComparison:
    """Return the result for a stage whose values are all bit-exact."""
    nothing = np.zeros(len(values), np.bool_)
    verdict = StageVerdict(
        stage=stage, numbers=numbers, samples=len(values), differing=0, beyond=0, largest=0.0, share=0.0,
        tolerance=words, values=int(values.size),
    )  # fmt: skip
    return StageComparison(verdict, nothing, nothing)


def same_bits(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Return whether two arrays are bit-exact, except for the sign of zero and the payload of NaN."""
    return bool(np.array_equal(first, second, equal_nan=first.dtype.kind == "f"))


def distance(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Compute |first - second|: 0 between two NaN or equal infinities, infinite between a number and NaN."""
    with np.errstate(all="ignore"):
        difference: NDArray[np.float64] = np.subtract(first, second, dtype=np.float64)
        np.abs(difference, out=difference)
        # Fast path: without NaN and infinities no special cases are needed.
        if np.isfinite(difference.sum()):
            return difference
        alike = (first == second) | ((first != first) & (second != second))
    return np.asarray(np.where(alike, 0.0, np.where(np.isnan(difference), np.inf, difference)))


def flags_of(probabilities: NDArray[Any], threshold: float) -> NDArray[np.int64]:
    """Return the flags that follow from probabilities, shape (n,).

    Args:
        probabilities: shape (n, classes), or (n, 1) of the second of two classes.
        threshold: confidence below which an answer is unsure.
    """
    chances = probabilities.reshape(len(probabilities), -1)
    sure = chances.max(axis=1) if chances.shape[1] > 1 else np.maximum(chances, 1 - chances)[:, 0]
    missing, unsure = ~(sure > 0), ~(sure >= np.float32(threshold))
    return np.asarray(np.where(missing, MISSING | UNSURE, np.where(unsure, UNSURE, 0)), np.int64)


def judge(
    stage: str,
    numbers: Literal["float", "int8", "label"],
    difference: NDArray[np.float64],
    allowed: NDArray[np.float64],
    compared: Mask,
    words: str,
) -> StageComparison:
    """Compare the differences of a stage with the tolerance.

    Args:
        stage: name of the stage.
        numbers: kind of comparison.
        difference: absolute differences, shape (n, ...).
        allowed: tolerances, shape (n, ...).
        compared: mask of samples to compare, shape (n,).
        words: tolerance and its reason in words.
    """
    n = len(difference)
    flat, limit = difference.reshape(n, -1), allowed.reshape(n, -1)
    if not compared.all():
        flat = np.where(compared[:, None], flat, 0.0)
    with np.errstate(all="ignore"):
        share = flat / limit
        if np.isnan(share.max(initial=0.0)):
            # Nothing of no tolerance.
            share = np.divide(flat, limit, out=np.zeros(flat.shape), where=flat > 0)
    largest, worst = flat.max(axis=1, initial=0.0), share.max(initial=0.0)
    differing: Mask = largest > 0
    # A share below one is a difference below its tolerance.
    beyond: Mask = np.zeros(n, np.bool_) if worst < 1 else np.any(flat > limit, axis=1)
    verdict = StageVerdict(
        stage=stage,
        numbers=numbers,
        samples=int(compared.sum()),
        differing=int(differing.sum()),
        beyond=int(beyond.sum()),
        largest=_finite(largest.max(initial=0.0)),
        share=_finite(worst),
        tolerance=words,
        values=int(compared.sum()) * flat.shape[1],
        off=int(np.count_nonzero(flat)),
    )
    return StageComparison(verdict, differing, beyond, flat.reshape(difference.shape), allowed)


def shown(
    compared: StageComparison,
    first: NDArray[Any],
    second: NDArray[Any],
    samples: Mask,
    tolerance_reference: ToleranceReference,
) -> Difference | None:
    """Return the first differing sample, from the data if possible, with the value furthest beyond the tolerance."""
    rows = np.flatnonzero(samples & tolerance_reference.data(len(samples)))
    rows = rows if len(rows) else np.flatnonzero(samples)
    if not len(rows) or compared.difference is None or compared.allowed is None:
        return None
    row = int(rows[0])
    difference, limit = compared.difference[row], np.maximum(compared.allowed[row], np.finfo(np.float64).tiny)
    with np.errstate(all="ignore"):
        location = np.unravel_index(int(np.argmax(difference / limit)), difference.shape)
    stage = compared.verdict.stage
    return Difference(
        stage=stage,
        sample=row,
        origin=f"drawn bytes {row}" if stage == RANDOM_BYTES else tolerance_reference.origins[row],
        location=place_text(stage, tuple(int(i) for i in location), tolerance_reference),
        first=_finite(float(first[row][location])),
        second=_finite(float(second[row][location])),
        allowed=_finite(float(compared.allowed[row][location])),
    )


def place_text(stage: str, position: tuple[int, ...], tolerance_reference: ToleranceReference) -> str:
    """Return the name of a value: 'acc_x, sample 17' in a window, 'acc_x std' in a row, 'value 3' without names."""
    if not position:
        return ""
    names = tolerance_reference.names.get(stage, ())
    head = (
        names[position[0]]
        if position[0] < len(names)
        else f"value {position[0]}"
        if len(position) == 1
        else f"row {position[0]}"
    )
    if len(position) == 1:
        return head
    rest = ", ".join(str(i) for i in position[1:])
    return f"{head}, sample {rest}" if names and len(position) == 2 else f"{head}, index {rest}"


def _finite(value: float) -> float:
    """Replace infinity by the largest float, because JSON has no infinity."""
    return float(np.clip(value, -np.finfo(np.float64).max, np.finfo(np.float64).max))

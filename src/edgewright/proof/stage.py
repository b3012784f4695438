"""One stage of two forms: which values differ, and by how much of what is allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewright.proof.form import Yardstick
from edgewright.schema.proof import Difference, StageVerdict

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Compared:
    """A stage beside itself.

    Attributes:
        verdict: for the record.
        differing, beyond: samples with any difference, and with one beyond what is allowed, shape (n,).
        difference: of every value, shape (n, ...); None when every one is equal.
        allowed: likewise.
    """

    verdict: StageVerdict
    differing: Mask
    beyond: Mask
    difference: NDArray[np.float64] | None = None
    allowed: NDArray[np.float64] | None = None


def aligned(first: NDArray[Any], second: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Both with the shape of the first; None where they hold another number of values."""
    if first.shape == second.shape:
        return first, second
    return (first, second.reshape(first.shape)) if first.size == second.size and len(first) == len(second) else None


def equal(stage: str, numbers: Literal["float", "int8", "label"], values: NDArray[Any], words: str) -> Compared:
    """Return a stage at which every bit is the same."""
    nothing = np.zeros(len(values), np.bool_)
    verdict = StageVerdict(
        stage=stage, numbers=numbers, samples=len(values), differing=0, beyond=0, largest=0.0, share=0.0,
        tolerance=words, values=int(values.size),
    )  # fmt: skip
    return Compared(verdict, nothing, nothing)


def same_bits(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Whether two arrays of one shape hold the same values, bit by bit but for the sign of nothing and kinds of NaN."""
    return bool(np.array_equal(first, second, equal_nan=first.dtype.kind == "f"))


def distance(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """|first - second|; nothing between two NaN or two equal infinities, infinite between a number and NaN."""
    with np.errstate(all="ignore"):
        made: NDArray[np.float64] = np.subtract(first, second, dtype=np.float64)
        np.abs(made, out=made)
        # Without NaN and infinities, which is nearly always, nothing has to be told apart.
        if np.isfinite(made.sum()):
            return made
        alike = (first == second) | ((first != first) & (second != second))
    return np.asarray(np.where(alike, 0.0, np.where(np.isnan(made), np.inf, made)))


def judge(
    stage: str,
    numbers: Literal["float", "int8", "label"],
    difference: NDArray[np.float64],
    allowed: NDArray[np.float64],
    judged: Mask,
    words: str,
) -> Compared:
    """Weigh the differences of a stage.

    Args:
        stage: name.
        numbers: how it is compared.
        difference: shape (n, ...).
        allowed: of the same shape.
        judged: samples that count, shape (n,).
        words: the tolerance and its reason.
    """
    n = len(difference)
    flat, limit = difference.reshape(n, -1), allowed.reshape(n, -1)
    if not judged.all():
        flat = np.where(judged[:, None], flat, 0.0)
    off = flat > 0
    share = np.zeros(flat.shape)
    with np.errstate(all="ignore"):
        np.divide(flat, limit, out=share, where=off)
    differing: Mask = np.any(off, axis=1)
    beyond: Mask = np.any(flat > limit, axis=1)
    verdict = StageVerdict(
        stage=stage,
        numbers=numbers,
        samples=int(judged.sum()),
        differing=int(differing.sum()),
        beyond=int(beyond.sum()),
        largest=_finite(flat.max(initial=0.0)),
        share=_finite(share.max(initial=0.0)),
        tolerance=words,
        values=int(judged.sum()) * flat.shape[1],
        off=int(off.sum()),
    )
    return Compared(verdict, differing, beyond, flat.reshape(difference.shape), allowed)


def shown(
    compared: Compared, first: NDArray[Any], second: NDArray[Any], samples: Mask, yard: Yardstick
) -> Difference | None:
    """Return the first differing sample, from the data if possible, with the value furthest beyond the tolerance."""
    rows = np.flatnonzero(samples & yard.data(len(samples)))
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
        origin=yard.origins[row],
        place=place_text(stage, tuple(int(i) for i in location), yard),
        first=_finite(float(first[row][location])),
        second=_finite(float(second[row][location])),
        allowed=_finite(float(compared.allowed[row][location])),
    )


def place_text(stage: str, position: tuple[int, ...], yard: Yardstick) -> str:
    """'acc_x, sample 17' of a window, 'acc_x std' of a row, 'value 3' where values have no names."""
    if not position:
        return ""
    names = yard.names.get(stage, ())
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
    return f"{head}, sample {rest}" if names and len(position) == 2 else f"{head}, place {rest}"


def _finite(value: float) -> float:
    """JSON knows no infinity: the largest float stands for it, and NaN for what is no number."""
    return float(np.clip(value, -np.finfo(np.float64).max, np.finfo(np.float64).max))

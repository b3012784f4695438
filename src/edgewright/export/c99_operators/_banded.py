"""Whittaker's smoother as elimination in a band of five: O(n) steps, and tables that end where the factors settle."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_code.parts import parts
from edgewright.export.c99_code.source import Source, loops
from edgewright.export.c99_code.unit import Unit, nested
from edgewright.export.c99_operators import Spot

C = parts(__file__, "banded.c")


def over_rows(spot: Spot, source: Source, target: Source, call: str, scratch: tuple[Source, ...] = ()) -> None:
    """Append the call for every row; it may use {x} and {y}, the rows' addresses, and {step}, from entry to entry."""
    rows, cells = (s.seen(lambda view: view[..., :1]) for s in (source, target))
    walk = loops(rows.shape, (cells.leaves[0], rows.leaves[0]))
    names = tuple(f"i{n}" for n in range(len(walk.lengths)))
    leaf = source.leaves[0]
    x, y = f"{leaf.buffer.name} + {walk.index(1, names)}", f"{target.leaves[0].buffer.name} + {walk.index(0, names)}"
    body = call.format(x=x, y=y, step=leaf.view.strides[-1])
    spot.unit.step(nested(walk.lengths, names, [body]), (source,), (target, *scratch))


Matrix = NDArray[np.float32]
_SHORTEST = 8
# Float32 entries are right to half of 1.2e-7, an inverse in float64 to less.
_TOLERANCE = 2e-7
# Factors that differ by less of themselves are one: half of the last digit of float32.
_SETTLED = 2.0**-25
# Steps of the search for the stiffness, as shares of it, below which it is found. All entries together tell it to 1e-9,
# a single one to 1e-6, and a smoother that is off by a share has its error in slow changes alone.
_FOUND, _STEPS = 1e-9, 16
# Rows at the end whose factors are others than those that settled.
_LAST = 2


def smoothed(spot: Spot, source: Source, weights: Matrix) -> Source | None:
    """Return the product with a smoother's matrix by elimination; None where the matrix is none."""
    stiffness = stiffness_of(weights)
    if stiffness is None:
        return None
    unit, count = spot.unit, len(weights)
    target = unit.fresh(spot.shape)
    unit.copy(source, target)
    over_rows(spot, target, target, f"{_call(unit, count, stiffness)};")
    return target


def stiffness_of(weights: Matrix) -> float | None:
    """Return the stiffness k with `weights` = inverse(I + k D'D), D the second difference; None where there is none."""
    count = len(weights)
    if weights.shape[1] != count or count < _SHORTEST:
        return None
    # Lines go through unchanged, and both directions of time are the same.
    time = np.arange(count) - (count - 1) / 2
    matrix = weights.astype(np.float64)
    size = np.abs(matrix).max()
    if np.abs(matrix.sum(axis=1) - 1).max() > 1e-5 or np.abs(matrix @ time - time).max() > 1e-5 * count:
        return None
    if np.abs(matrix - matrix.T).max() > _TOLERANCE * size:
        return None
    return _search(weights.tobytes(), count)


@lru_cache(maxsize=16)
def _search(content: bytes, count: int) -> float | None:
    """Return the stiffness by Newton's method on its logarithm: the matrix is smooth in it."""
    matrix = np.frombuffer(content, np.float32).reshape(count, count).astype(np.float64)
    second = np.diff(np.eye(count), 2, axis=0)
    rough = second.T @ second
    bent = matrix @ rough
    stiffness = float(np.sum((np.eye(count) - matrix) * bent) / max(float(np.sum(bent * bent)), 1e-300))
    for _ in range(_STEPS):
        if not 0 < stiffness < 1e9:
            return None
        made = np.linalg.inv(np.eye(count) + stiffness * rough)
        away = matrix - made
        slope = -stiffness * made @ rough @ made
        step = float(np.clip(np.sum(away * slope) / np.sum(slope * slope), -2.0, 2.0))
        if abs(step) <= _FOUND:
            return stiffness if np.abs(away).max() <= _TOLERANCE * np.abs(made).max() else None
        stiffness *= math.exp(step)
    return None


def factors(count: int, stiffness: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what elimination divides by and takes off: 1 - k / pivot of each row, and 1 plus a row's two factors."""
    second = np.diff(np.eye(count), 2, axis=0)
    matrix = np.eye(count) + stiffness * second.T @ second
    pivot, near, far = (np.zeros(count + 2, np.longdouble) for _ in range(3))
    for i in range(count):
        far[i] = matrix[i, i - 2] / pivot[i - 2] if i > 1 else 0
        near[i] = (matrix[i, i - 1] - far[i] * pivot[i - 2] * near[i - 1]) / pivot[i - 1] if i > 0 else 0
        pivot[i] = matrix[i, i] - near[i] ** 2 * pivot[i - 1] - far[i] ** 2 * pivot[i - 2]
    rest = 1 - np.longdouble(stiffness) / pivot[:count]
    level = 1 + near[:count] + far[:count]
    return rest.astype(np.float64), level.astype(np.float64)


def _call(unit: Unit, count: int, stiffness: float) -> str:
    rest, level = factors(count, stiffness)
    head = _head(rest, level)
    kept = np.r_[0:head, count - _LAST : count]
    tables = [unit.table(values[kept].astype(np.float32)) for values in (rest, level)]
    unit.helper("band", C["band"])
    scale = unit.real(_scale(rest[head - 1], level[head - 1]) if head < count - _LAST else 1.0 / stiffness)
    return f"{unit.helper('smooth', C['smooth'])}({{y}}, {', '.join(tables)}, {scale}, {head}, {count})"


def _head(rest: NDArray[np.float64], level: NDArray[np.float64]) -> int:
    """Return rows up to which the factors differ from those in the middle; all but the last where they never settle."""
    inner = len(rest) - _LAST
    for head in range(1, inner):
        if all(np.abs(v[head - 1 : inner] - v[head - 1]).max() <= _SETTLED * abs(v[head - 1]) for v in (rest, level)):
            return head
    return inner


def _scale(rest: float, level: float) -> float:
    """One over the stiffness, of settled factors as float32 has them: it lets a constant through unchanged.

    Elimination multiplies a constant by (1 - rest) / (stiffness * level^2), which is 1 of factors that are not rounded.
    """
    return float(np.float32(level)) ** 2 / (1.0 - float(np.float32(rest)))

"""Products with constant matrices, and of two computed ones.

Whittaker's smoother is elimination in a band of five: O(n) steps, and tables that end where the factors settle.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import ExportError
from edgewright.core.operators import where
from edgewright.export.c99_code.parts import parts
from edgewright.export.c99_code.source import Source, combined, loops
from edgewright.export.c99_code.text import smallest
from edgewright.export.c99_code.unit import Unit, nested
from edgewright.export.c99_operators import Spot, operator
from edgewright.export.c99_operators.reduction import reduced

Matrix = NDArray[np.float32]
# Numbers from which those on a line are not stored.
_LINE = 32
_SHORTEST = 8
# Float32 entries are right to half of 1.2e-7, an inverse in float64 to less.
_TOLERANCE = 2e-7
# Factors that differ by less of themselves are one: half of the last digit of float32.
_SETTLED = 2.0**-25
# Steps of the search for the stiffness, as shares of it, below which it is found. All entries together tell it to 1e-9,
# a single one to 1e-6, and a smoother that is off by a share has its error in slow changes alone.
_CONVERGED, _STEPS = 1e-9, 16
# Rows at the end whose factors are others than those that settled.
_LAST = 2
C = parts(__file__, "linear.c")


@operator("MatMul")
def matmul(spot: Spot) -> Source:
    """(..., inputs) times a constant (inputs, outputs), or two computed values."""
    weights = spot.constants[1] if len(spot.constants) > 1 else None
    if weights is not None and weights.ndim == 2 and len(spot.source(0).shape) >= 2:
        return product(spot, spot.source(0), np.asarray(weights, np.float32), None)
    return _computed(spot)


@operator("Gemm")
def gemm(spot: Spot) -> Source:
    """Give alpha * A * B' + beta * C with constant B and C."""
    node, attributes = spot.node, spot.node.attributes
    weights, bias = spot.constants[1], spot.constants[2] if len(spot.constants) > 2 else None
    if weights is None or attributes.get("transA", 0) or (bias is None and len(node.inputs) > 2 and node.inputs[2]):
        raise ExportError("a Gemm with constant weights and bias", "others", where(node))
    alpha, beta = (np.float32(str(attributes.get(name, 1.0))) for name in ("alpha", "beta"))
    matrix = np.asarray(weights.T if attributes.get("transB", 0) else weights, np.float32) * alpha
    offset = None if bias is None else np.broadcast_to(np.asarray(bias, np.float32) * beta, (1, matrix.shape[1]))[0]
    return product(spot, spot.source(0), matrix, offset)


def product(spot: Spot, source: Source, weights: Matrix, bias: Matrix | None) -> Source:
    """Return products x @ weights + bias along the last axis; columns of mostly zeros are cut to what they hold."""
    unit = spot.unit
    solved = smoothed(spot, source, weights) if bias is None else None
    if solved is not None:
        return solved
    source = unit.stored(source)
    inputs, outputs = weights.shape
    call = (_shifted(spot, weights) or _runs(spot, weights) or _mirrored(spot, weights)) if bias is None else None
    if call is None and outputs == 1 and bias is None:
        return _dotted(spot, source, weights)
    target = unit.fresh(spot.shape)
    if call is None:
        table = unit.table(np.ascontiguousarray(weights.T), "weights")
        offset = "0" if bias is None else unit.table(np.asarray(bias), "bias")
        call = f"{unit.helper('dense', C['dense'])}({{x}}, {{step}}, {table}, {offset}, {{y}}, {inputs}, {outputs});"
    over_rows(spot, source, target, call)
    return target


def _dotted(spot: Spot, source: Source, weights: Matrix) -> Source:
    """Return a single column: a sum of products as of any two values."""
    column, count = weights[:, 0].astype(np.float64), len(weights)
    step = float(column[-1] - column[0]) / max(count - 1, 1)
    line = column[0] + step * np.arange(count)
    if (
        count >= _LINE
        and source.leaves[0].view.strides[-1] == 1
        and np.abs(column - line).max() <= 2e-7 * np.abs(column).max()
    ):
        first = source.seen(lambda view: view[..., :1])
        call = f"{spot.unit.helper('line', C['line'])}(&{{0}}, {spot.unit.real(float(column.mean()))}, "
        return Source(spot.shape, "float32", first.leaves, f"{call}{spot.unit.real(step)}, {count})")
    row = spot.unit.constant(weights[:, 0])
    both = combined("({0} * {1})", "float32", (source, row))
    return reduced(spot, "ReduceSum", both, (len(source.shape) - 1,), spot.shape)


def _shifted(spot: Spot, weights: Matrix) -> str | None:
    """Return the call for a filter that runs from the first sample to the last, or None where the matrix is none.

    All its rows but the first (which holds the filter's state at the beginning, too) are one response, moved.
    """
    count = len(weights)
    if weights.shape[1] != count or count < 8 or np.tril(weights, -1).any():
        return None
    inner = weights[1:, 1:]
    if np.abs(inner[1:, 1:] - inner[:-1, :-1]).max() > 1e-7 * np.abs(weights).max():
        return None
    unit = spot.unit
    first, response = unit.table(weights[0]), unit.table(np.append(inner[0], np.float32(0)))
    return f"{unit.helper('shifted', C['shifted'])}({{x}}, {{step}}, {first}, {response}, {{y}}, {count});"


def _runs(spot: Spot, weights: Matrix) -> str | None:
    """Return the call for a matrix that is mostly zeros, or None where a full table is smaller."""
    inputs, outputs = weights.shape
    filled = weights != 0
    any_filled = filled.any(axis=0)
    first = np.where(any_filled, filled.argmax(axis=0), 0)
    count = np.where(any_filled, inputs - filled[::-1].argmax(axis=0) - first, 0)
    starts, counts = smallest(first), smallest(count)
    size = 4 * int(count.sum()) + starts.nbytes + counts.nbytes
    if size >= 0.9 * weights.nbytes:
        return None
    unit = spot.unit
    values = np.concatenate([weights[f : f + c, j] for j, (f, c) in enumerate(zip(first, count, strict=True))])
    bands = len(values) and (values == 1).all()
    if bands and unit.floats and (first[1:] == (first + count)[:-1]).all():
        table = unit.table(smallest(count).astype(np.uint16))
        call = unit.helper("adjacent", C["adjacent"])
        return f"{call}({{x}} + {first[0]} * {{step}}, {{step}}, {table}, {{y}}, {outputs});"
    tables = [unit.table(smallest(v).astype(np.uint16)) for v in (first, count)]
    if bands:
        return f"{unit.helper('bands', C['bands'])}({{x}}, {{step}}, {', '.join(tables)}, {{y}}, {outputs});"
    table = unit.table(np.asarray(values, np.float32)) if len(values) else "0"
    call = unit.helper("runs", C["runs"])
    return f"{call}({{x}}, {{step}}, {table}, {', '.join(tables)}, {{y}}, {outputs});"


def _mirrored(spot: Spot, weights: Matrix) -> str | None:
    """Return the call for a matrix that is itself when turned by half a turn (smoothers), or None where it is not.

    It acts apart on what two mirrored samples have in common and on what they have not: half the numbers.
    """
    count = len(weights)
    if weights.shape[1] != count or count < 8 or count % 2:
        return None
    if np.abs(weights - weights[::-1, ::-1]).max() > 2e-7 * np.abs(weights).max():
        return None
    unit, half = spot.unit, count // 2
    double = ((weights.astype(np.float64) + weights[::-1, ::-1]) / 2)[:, :half].T
    front, back = double[:, :half], double[:, ::-1][:, :half]
    tables = [unit.table(((front + sign * back) / 2).astype(np.float32)) for sign in (1, -1)]
    return f"{unit.helper('mirrored', C['mirrored'])}({{x}}, {{step}}, {', '.join(tables)}, {{y}}, {half});"


def _computed(spot: Spot) -> Source:
    unit = spot.unit
    first, second = unit.stored(spot.source(0)), unit.stored(spot.source(1))
    if len(first.shape) < 2 or len(second.shape) < 2:
        raise ExportError("matrices", f"shapes {first.shape} and {second.shape}", where(spot.node))
    target = unit.fresh(spot.shape)
    inner = first.shape[-1]
    left = first.seen(lambda view: np.broadcast_to(view[..., :1], spot.shape))
    lead = spot.shape[:-2]
    right = second.seen(lambda view: np.broadcast_to(view[..., :1, :], (*lead, spot.shape[-2], spot.shape[-1])))
    walk = loops(spot.shape, (target.leaves[0], left.leaves[0], right.leaves[0]))
    names = tuple(f"i{n}" for n in range(len(walk.lengths)))
    a, b = first.leaves[0], second.leaves[0]
    body = [
        "float a = 0.0f;",
        f"for (int k = 0; k < {inner}; ++k) {{",
        f"    a += {a.buffer.name}[{walk.index(1, names)} + {a.view.strides[-1]} * k]"
        f" * {b.buffer.name}[{walk.index(2, names)} + {b.view.strides[-2]} * k];",
        "}",
        f"{target.leaves[0].buffer.name}[{walk.index(0, names)}] = a;",
    ]
    unit.step(nested(walk.lengths, names, body), (first, second), (target,))
    return target


def over_rows(spot: Spot, source: Source, target: Source, call: str, scratch: tuple[Source, ...] = ()) -> None:
    """Append the call for every row; it may use {x} and {y}, the rows' addresses, and {step}, from entry to entry."""
    rows, cells = (s.seen(lambda view: view[..., :1]) for s in (source, target))
    walk = loops(rows.shape, (cells.leaves[0], rows.leaves[0]))
    names = tuple(f"i{n}" for n in range(len(walk.lengths)))
    leaf = source.leaves[0]
    x, y = f"{leaf.buffer.name} + {walk.index(1, names)}", f"{target.leaves[0].buffer.name} + {walk.index(0, names)}"
    body = call.format(x=x, y=y, step=leaf.view.strides[-1])
    spot.unit.step(nested(walk.lengths, names, [body]), (source,), (target, *scratch))


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
        inverse = np.linalg.inv(np.eye(count) + stiffness * rough)
        away = matrix - inverse
        slope = -stiffness * inverse @ rough @ inverse
        step = float(np.clip(np.sum(away * slope) / np.sum(slope * slope), -2.0, 2.0))
        if abs(step) <= _CONVERGED:
            return stiffness if np.abs(away).max() <= _TOLERANCE * np.abs(inverse).max() else None
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

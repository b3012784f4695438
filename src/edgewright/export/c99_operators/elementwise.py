"""Arithmetic value by value: expressions, which the next loop that needs them works out."""

from __future__ import annotations

import numpy as np

from edgewright.core.operators.elementwise import FAR, LIMIT, NEAR, SPLIT
from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.source import Source, combined, work
from edgewright.export.c99_code.text import number
from edgewright.export.c99_graph.picks import LONG
from edgewright.export.c99_operators import Spot, operator

# Operators more a value for which a long expression is repeated over a larger shape.
_REPEATED = 10
_BINARY = {"Add": "({0} + {1})", "Sub": "({0} - {1})", "Mul": "({0} * {1})", "Div": "({0} / {1})"}
_UNARY = {
    "Neg": "(-{0})",
    "Abs": "fabsf({0})",
    "Sqrt": "sqrtf({0})",
    "Exp": "expf({0})",
    "Log": "logf({0})",
    "Floor": "floorf({0})",
    "Ceil": "ceilf({0})",
    "Round": "rintf({0})",
    "Sin": "sinf({0})",
    "Cos": "cosf({0})",
    "Tanh": "tanhf({0})",
    "Reciprocal": "(1.0f / {0})",
    "Identity": "{0}",
}
_COMPARE = {
    "Greater": "({0} > {1})",
    "GreaterOrEqual": "({0} >= {1})",
    "Less": "({0} < {1})",
    "LessOrEqual": "({0} <= {1})",
    "Equal": "({0} == {1})",
    "And": "({0} && {1})",
    "Or": "({0} || {1})",
    "Xor": "({0} != {1})",
}
C = parts(__file__, "elementwise.c")


def _polynomial(coefficients: tuple[float, ...], x: str) -> str:
    """Horner's scheme, one product and one sum a step."""
    text = number(coefficients[0])
    for coefficient in coefficients[1:]:
        text = f"({text} * {x} + {number(coefficient)})"
    return text


# The error function as core/operators/elementwise.py says it.
_ERF = {"limit": number(LIMIT), "split": number(SPLIT), "far": _polynomial(FAR, "t"), "near": _polynomial(NEAR, "s")}


def expression_of(spot: Spot, text: str, *sources: Source, kind: str = "") -> Source:
    """Return an expression over inputs; one that would be repeated over a larger shape is worked out before."""
    inner = tuple(
        s
        if s.plain or not s.leaves or s.shape == spot.shape or _size(s) == _size_of(spot.shape) or _cheap(spot, s)
        else spot.unit.stored(s)
        for s in sources
    )
    expression = combined(text, kind or spot.kind, inner)
    return expression if expression.shape == spot.shape else expression.spread(spot.shape)


def _cheap(spot: Spot, source: Source) -> bool:
    """Return whether a long expression is rather repeated than kept: memory is dearer than a few instructions."""
    more = _size_of(spot.shape) // max(_size(source), 1) - 1
    return spot.unit.floats and source.shape[-1] >= LONG and work(source) * more <= _REPEATED


def _size(source: Source) -> int:
    return _size_of(source.shape)


def _size_of(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def call(spot: Spot, op: str) -> str:
    """Name of a helper function."""
    return spot.unit.helper(op.lower(), filled(C[op], **_ERF))


@operator(*_BINARY, *_COMPARE)
def binary(spot: Spot) -> Source:
    """Two values."""
    return expression_of(spot, {**_BINARY, **_COMPARE}[spot.node.op], spot.source(0), spot.source(1))


@operator(*_UNARY, "Not")
def unary(spot: Spot) -> Source:
    """One value."""
    return expression_of(spot, "(!{0})" if spot.node.op == "Not" else _UNARY[spot.node.op], spot.source(0))


@operator("Relu", "Sign", "Sigmoid", "IsNaN", "Erf")
def by_helper(spot: Spot) -> Source:
    """One value, by a helper function."""
    return expression_of(spot, call(spot, spot.node.op) + "({0})", spot.source(0))


@operator("LeakyRelu")
def leaky(spot: Spot) -> Source:
    """Relu with a slope below 0."""
    slope = spot.unit.constant(np.asarray(spot.node.attributes.get("alpha", 0.01), np.float32))
    return expression_of(spot, call(spot, "LeakyRelu") + "({0}, {1})", spot.source(0), slope)


@operator("Max", "Min")
def extreme(spot: Spot) -> Source:
    """Return the largest or smallest of several values."""
    function = call(spot, spot.node.op)
    text, sources = "{0}", tuple(s for s in spot.inputs if s is not None)
    for index in range(1, len(sources)):
        text = f"{function}({text}, {{{index}}})"
    return expression_of(spot, text, *sources)


@operator("Clip")
def clip(spot: Spot) -> Source:
    """Between two limits, each of which may be left out."""
    text, sources = "{0}", [spot.source(0)]
    for index, op in ((1, "Max"), (2, "Min")):
        if index < len(spot.inputs) and spot.inputs[index] is not None:
            text = f"{call(spot, op)}({text}, {{{len(sources)}}})"
            sources.append(spot.source(index))
    return expression_of(spot, text, *sources)


@operator("Pow")
def power(spot: Spot) -> Source:
    """Return a power; squares and cubes of a value in memory are products."""
    exponent = spot.constants[1]
    base = spot.source(0)
    if exponent is not None and exponent.size == 1 and float(exponent.ravel()[0]) in (2.0, 3.0):
        base = spot.unit.stored(base)
        times = int(exponent.ravel()[0])
        return expression_of(spot, "(" + " * ".join(["{0}"] * times) + ")", base)
    return expression_of(spot, "powf({0}, {1})", base, spot.source(1))


@operator("Where")
def where_(spot: Spot) -> Source:
    """One of two values by a condition."""
    return expression_of(spot, "({0} ? {1} : {2})", spot.source(0), spot.source(1), spot.source(2))


@operator("Cast")
def cast(spot: Spot) -> Source:
    """Another type; float to whole numbers cuts towards zero."""
    source = spot.source(0)
    if source.kind == spot.kind:
        return source
    text = {"float32": "((float){0})", "bool": "({0} != 0)"}.get(spot.kind, "((int32_t){0})")
    if (source.kind, spot.kind) == ("float32", "int32"):
        text = call(spot, "Whole") + "({0})"
    return expression_of(spot, text, source)

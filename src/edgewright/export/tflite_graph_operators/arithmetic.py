"""Arithmetic value by value; .tflite broadcasts as ONNX does."""

from __future__ import annotations

import numpy as np

from edgewright.export.tflite_graph_operators import Site, cast_to, kind_of, says
from edgewright.schema.errors import InputError

# Operators of the inputs as they stand: two, or one.
_PLAIN = {
    "Abs": "ABS",
    "Add": "ADD",
    "And": "LOGICAL_AND",
    "Ceil": "CEIL",
    "Cos": "COS",
    "Equal": "EQUAL",
    "Exp": "EXP",
    "Floor": "FLOOR",
    "Greater": "GREATER",
    "GreaterOrEqual": "GREATER_EQUAL",
    "Less": "LESS",
    "LessOrEqual": "LESS_EQUAL",
    "Log": "LOG",
    "Mul": "MUL",
    "Neg": "NEG",
    "Not": "LOGICAL_NOT",
    "Or": "LOGICAL_OR",
    "Relu": "RELU",
    "Sigmoid": "LOGISTIC",
    "Sign": "SIGN",
    "Sin": "SIN",
    "Sqrt": "SQRT",
    "Sub": "SUB",
    "Tanh": "TANH",
    # One or the other of two truths is that they differ.
    "Xor": "NOT_EQUAL",
}


@says(*_PLAIN)
def plain(site: Site) -> None:
    """Write an operator that .tflite has as ONNX has it; a missing number stays one in RELU."""
    site.finish(site.step(_PLAIN[site.node.op], *(site.tensor(i) for i in range(len(site.node.inputs)))))


@says("Div")
def divide(site: Site) -> None:
    """DIV of two numbers."""
    if site.kind != "float32":
        raise InputError("float32", site.kind, site.where)
    site.finish(site.step("DIV", site.tensor(0), site.tensor(1)))


@says("Round")
def nearest(site: Site) -> None:
    """ADD and SUB of 1.5 * 2^23, behind which float32 has no digits: halves go to the even neighbour (below 2^22).

    LiteRT's reference kernels and TFLM have no ROUND.
    """
    step = site.builder.number(1.5 * 2.0**23)
    site.finish(site.step("SUB", site.step("ADD", site.tensor(), step), step))


@says("IsNaN")
def is_missing(site: Site) -> None:
    """NOT_EQUAL of a value with itself: only a missing number differs from itself (IEEE 754, 5.11)."""
    value = site.tensor()
    site.finish(site.step("NOT_EQUAL", value, value))


@says("Where")
def choose(site: Site) -> None:
    """SELECT_V2, which broadcasts. TFLM has it for float32 alone: whole numbers become floats and whole ones again."""
    parts = [site.tensor(1), site.tensor(2)]
    whole = site.kind == "int32"
    if whole:
        parts = [cast_to(site, part, site.source(1 + i).shape, "float32") for i, part in enumerate(parts)]
    chosen = site.step("SELECT_V2", site.tensor(0), *parts, kind="float32" if whole else "")
    site.finish(cast_to(site, chosen, site.shape, "int32") if whole else chosen)


@says("Cast")
def cast(site: Site) -> None:
    """CAST; nothing where the file has one type for both."""
    before, value = kind_of(site.source()), site.tensor()
    if before == site.kind:
        site.finish(value)
        return
    site.finish(cast_to(site, value, site.shape, site.kind, before))


_SQUARE = 2


@says("Pow")
def power(site: Site) -> None:
    """SQUARE where the exponent is 2 throughout, POW otherwise, which TFLM has not."""
    exponent = site.fixed(1)
    if site.kind != "float32":
        raise InputError("float32", site.kind, site.where)
    if exponent is not None and site.shape == site.source().shape and (exponent == _SQUARE).all():
        site.finish(site.step("SQUARE", site.tensor()))
        return
    site.finish(site.step("POW", site.tensor(0), site.tensor(1)))


@says("Reciprocal")
def reciprocal(site: Site) -> None:
    """DIV of 1 by the value."""
    unit = site.builder.number(1.0)
    site.finish(site.step("DIV", unit, site.tensor()))


@says("Max", "Min")
def extreme(site: Site) -> None:
    """MAXIMUM or MINIMUM, one input after the other; a missing number stays one only in the last of them."""
    name = "MAXIMUM" if site.node.op == "Max" else "MINIMUM"
    value, shape = site.tensor(), site.source().shape
    for index in range(1, len(site.node.inputs)):
        other = site.source(index)
        shape = np.broadcast_shapes(shape, other.shape)
        value = site.step(name, value, site.tensor(index), shape=shape)
    site.finish(value)

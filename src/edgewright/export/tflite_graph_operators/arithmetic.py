"""Arithmetic value by value; .tflite broadcasts as ONNX does."""

from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

from edgewright.export.tflite_graph_operators import Site, says
from edgewright.schema.errors import InputError

_SQUARE = 2
_BINARY = {
    "Add": ("ADD", schema.AddOptionsT),
    "Sub": ("SUB", schema.SubOptionsT),
    "Mul": ("MUL", schema.MulOptionsT),
    "Div": ("DIV", schema.DivOptionsT),
}
_UNARY = {
    "Abs": ("ABS", schema.AbsOptionsT),
    "Ceil": ("CEIL", None),
    "Cos": ("COS", schema.CosOptionsT),
    "Exp": ("EXP", schema.ExpOptionsT),
    "Floor": ("FLOOR", None),
    "Log": ("LOG", None),
    "Neg": ("NEG", schema.NegOptionsT),
    "Round": ("ROUND", None),
    "Sigmoid": ("LOGISTIC", None),
    "Sign": ("SIGN", None),
    "Sin": ("SIN", None),
    "Sqrt": ("SQRT", None),
    "Tanh": ("TANH", None),
}


@says(*_BINARY)
def binary(site: Site) -> None:
    """ADD, SUB, MUL or DIV of two values."""
    name, options = _BINARY[site.node.op]
    if site.kind != "float32" and name == "DIV":
        raise InputError("float32", site.kind, site.where)
    site.finish(site.step(name, (site.tensor(0), site.tensor(1)), options()))


@says("Pow")
def power(site: Site) -> None:
    """SQUARE where the exponent is 2 throughout, POW otherwise, which TFLM has not."""
    exponent = site.fixed(1)
    if site.kind != "float32":
        raise InputError("float32", site.kind, site.where)
    if exponent is not None and site.shape == site.source().shape and (exponent == _SQUARE).all():
        site.finish(site.step("SQUARE", (site.tensor(),), schema.SquareOptionsT()))
        return
    site.finish(site.step("POW", (site.tensor(0), site.tensor(1)), schema.PowOptionsT()))


@says(*_UNARY)
def unary(site: Site) -> None:
    """An operator of one value."""
    name, options = _UNARY[site.node.op]
    site.finish(site.step(name, (site.tensor(),), None if options is None else options()))


@says("Reciprocal")
def reciprocal(site: Site) -> None:
    """DIV of 1 by the value."""
    one = site.builder.number(1.0)
    site.finish(site.step("DIV", (one, site.tensor()), schema.DivOptionsT()))


@says("Max", "Min")
def extreme(site: Site) -> None:
    """MAXIMUM or MINIMUM, one input after the other; a missing number stays one only in the last of them."""
    name = "MAXIMUM" if site.node.op == "Max" else "MINIMUM"
    made, shape = site.tensor(), site.source().shape
    for index in range(1, len(site.node.inputs)):
        other = site.source(index)
        shape = tuple(_broadcast(shape, other.shape))
        made = site.step(name, (made, site.tensor(index)), schema.MaximumMinimumOptionsT(), shape=shape)
    site.finish(made)


def _broadcast(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    rank = max(len(first), len(second))
    a, b = ((1,) * (rank - len(s)) + tuple(s) for s in (first, second))
    return tuple(max(pair) for pair in zip(a, b, strict=True))

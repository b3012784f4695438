"""Arithmetic value by value; .tflite broadcasts as ONNX does."""

from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

from edgewright.export.tflite_graph_operators import Shape, Site, kind_of, says
from edgewright.schema.errors import InputError

_COMPARISONS = {
    "Equal": ("EQUAL", schema.EqualOptionsT),
    "Greater": ("GREATER", schema.GreaterOptionsT),
    "GreaterOrEqual": ("GREATER_EQUAL", schema.GreaterEqualOptionsT),
    "Less": ("LESS", schema.LessOptionsT),
    "LessOrEqual": ("LESS_EQUAL", schema.LessEqualOptionsT),
}
_LOGIC = {
    "And": ("LOGICAL_AND", schema.LogicalAndOptionsT),
    "Or": ("LOGICAL_OR", schema.LogicalOrOptionsT),
    "Xor": ("NOT_EQUAL", schema.NotEqualOptionsT),
}
_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int32": schema.TensorType.INT32,
    "bool": schema.TensorType.BOOL,
}


@says(*_COMPARISONS)
def compare(site: Site) -> None:
    """Write a comparison of two values."""
    name, options = _COMPARISONS[site.node.op]
    site.finish(site.step(name, (site.tensor(0), site.tensor(1)), options()))


@says(*_LOGIC)
def combine(site: Site) -> None:
    """Two truths joined; one or the other is that they differ."""
    name, options = _LOGIC[site.node.op]
    site.finish(site.step(name, (site.tensor(0), site.tensor(1)), options()))


@says("Not")
def negate(site: Site) -> None:
    """LOGICAL_NOT."""
    site.finish(site.step("LOGICAL_NOT", (site.tensor(),), schema.LogicalNotOptionsT()))


@says("IsNaN")
def is_missing(site: Site) -> None:
    """NOT_EQUAL of a value with itself: only a missing number differs from itself (IEEE 754, 5.11)."""
    value = site.tensor()
    site.finish(site.step("NOT_EQUAL", (value, value), schema.NotEqualOptionsT()))


@says("Where")
def choose(site: Site) -> None:
    """SELECT_V2, which broadcasts. TFLM has it for float32 alone: whole numbers become floats and whole ones again."""
    parts = [site.tensor(1), site.tensor(2)]
    whole = site.kind == "int32"
    if whole:
        parts = [_cast(site, part, site.source(1 + i).shape, "float32") for i, part in enumerate(parts)]
    made = site.step("SELECT_V2", (site.tensor(0), *parts), schema.SelectV2OptionsT(), kind="float32" if whole else "")
    site.finish(_cast(site, made, site.shape, "int32") if whole else made)


@says("Cast")
def cast(site: Site) -> None:
    """CAST; nothing where the file has one type for both."""
    before, value = kind_of(site.source()), site.tensor()
    if before == site.kind:
        site.finish(value)
        return
    site.finish(_cast(site, value, site.shape, site.kind, before))


def _cast(site: Site, value: int, shape: Shape, kind: str, before: str = "") -> int:
    """CAST to a type, from the other of float32 and int32 where it is not said."""
    options = schema.CastOptionsT()
    options.inDataType = _TYPES[before or ("int32" if kind == "float32" else "float32")]
    options.outDataType = _TYPES[kind]
    return site.step("CAST", (value,), options, shape=shape, kind=kind)


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
    """Write an operator of one value."""
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

"""Arithmetic, activations and reductions of float graphs in .tflite."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewright.core.errors import ExportError
from edgewright.core.operators._attributes import constant_integers, integer, number
from edgewright.core.operators.elementwise import FAR, LIMIT, NEAR, SPLIT
from edgewright.export.tflite_graph_operators import Shape, Site, cast_to, kind_of, reshaped, says

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
        raise ExportError("float32", site.kind, site.where)
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
        raise ExportError("float32", site.kind, site.where)
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


@says("LeakyRelu")
def leaky_relu(site: Site) -> None:
    """LEAKY_RELU."""
    site.finish(site.step("LEAKY_RELU", site.tensor(), alpha=number(site.node, "alpha", 0.01)))


@says("Clip")
def clip(site: Site) -> None:
    """MAXIMUM with the lower limit, MINIMUM with the upper one.

    The limit stands first: both kernels are `a > b ? a : b`, so that a missing number, which is second, stays one.
    """
    value = site.tensor()
    for index, name in ((1, "MAXIMUM"), (2, "MINIMUM")):
        if site.given(index):
            value = site.step(name, site.tensor(index), value)
    site.finish(value)


@says("Softmax")
def softmax(site: Site) -> None:
    """SOFTMAX, which .tflite has over the last axis."""
    rank = len(site.shape)
    if integer(site.node, "axis", -1) % rank != rank - 1:
        raise ExportError("softmax over the last axis", f"axis {integer(site.node, 'axis', -1)}", site.where)
    site.finish(site.step("SOFTMAX", site.tensor(), beta=1.0))


@says("Erf")
def error_function(site: Site) -> None:
    """Its two polynomials, of which SELECT_V2 takes one: .tflite has GELU, but not the error function in it."""
    limits = (site.builder.number(-LIMIT), site.builder.number(LIMIT))
    limited = site.step("MINIMUM", limits[1], site.step("MAXIMUM", limits[0], site.tensor()))
    size = site.step("ABS", limited)
    near = site.step(
        "ADD", limited, site.step("MUL", limited, _polynomial(site, NEAR, site.step("MUL", limited, limited)))
    )
    power = site.step("SUB", site.step("MUL", size, _polynomial(site, FAR, size)), size)
    rest = site.step("SUB", site.builder.number(1.0), site.step("EXP", power))
    # The sign: TFLM has no SIGN, and what is 0 is not taken.
    far = site.step("MUL", rest, site.step("DIV", limited, size))
    away = site.step("GREATER", size, site.builder.number(SPLIT), kind="bool")
    site.finish(site.step("SELECT_V2", away, far, near))


def _polynomial(site: Site, coefficients: tuple[float, ...], x: int) -> int:
    value = site.step("MUL", x, site.builder.number(coefficients[0]))
    for coefficient in coefficients[1:-1]:
        value = site.step("MUL", site.step("ADD", value, site.builder.number(coefficient)), x)
    return site.step("ADD", value, site.builder.number(coefficients[-1]))


@says("ArgMax", "ArgMin")
def place_of_extreme(site: Site) -> None:
    """ARG_MAX or ARG_MIN as int32, the first of equals; of two values a comparison, for which Vela refuses no file."""
    node, rank = site.node, site.source().ndim
    if integer(node, "select_last_index", 0):
        raise ExportError("the first of equal values", "the last", site.where)
    axis = integer(node, "axis", 0) % rank
    shape = site.source().shape
    bare = tuple(n for i, n in enumerate(shape) if i != axis)
    if shape[axis] == 2:
        begins = [site.numbers(*(k if i == axis else 0 for i in range(rank))) for k in (0, 1)]
        part = tuple(1 if i == axis else n for i, n in enumerate(shape))
        kind = kind_of(site.source())
        first, second = (
            site.step("SLICE", site.tensor(), begin, site.numbers(*part), shape=part, kind=kind) for begin in begins
        )
        wins = site.step("GREATER" if node.op == "ArgMax" else "LESS", second, first, shape=part, kind="bool")
        site.finish(reshaped(site, cast_to(site, wins, part, "int32", "bool"), part))
        return
    position = site.step(
        "ARG_MAX" if node.op == "ArgMax" else "ARG_MIN",
        site.tensor(),
        site.builder.constant(np.asarray(axis, np.int32)),
        shape=bare,
        kind="int32",
        outputType=schema.TensorType.INT32,
    )
    site.finish(reshaped(site, position, bare))


# Products of more factors than this would become as many operators.
_MOST_FACTORS = 16

_OPERATORS = {
    "ReduceMax": "REDUCE_MAX",
    "ReduceMean": "MEAN",
    "ReduceMin": "REDUCE_MIN",
    "ReduceSum": "SUM",
}


@says(*_OPERATORS)
def reduce(site: Site) -> None:
    """MEAN, SUM, REDUCE_MAX or REDUCE_MIN."""
    _finish(site, _OPERATORS[site.node.op], site.tensor())


@says("ReduceL1")
def sum_of_sizes(site: Site) -> None:
    """SUM of ABS."""
    _finish(site, "SUM", site.step("ABS", site.tensor(), shape=site.source().shape))


@says("ReduceSumSquare")
def sum_of_squares(site: Site) -> None:
    """SUM of SQUARE."""
    _finish(site, "SUM", _squares(site))


@says("ReduceL2")
def length(site: Site) -> None:
    """SQRT of the SUM of SQUARE."""
    axes, squares = _axes(site), _squares(site)
    site.finish(site.step("SQRT", site.step("SUM", squares, site.numbers(*axes), keepDims=_keeps(site))))


@says("ReduceProd")
def product(site: Site) -> None:
    """MUL of one slice after the other: TFLM has no REDUCE_PROD."""
    axes, shape = _axes(site), site.source().shape
    if len(axes) != 1 or shape[axes[0]] > _MOST_FACTORS:
        raise ExportError(f"the product of at most {_MOST_FACTORS} values", f"axes {axes} of {shape}", site.where)
    (axis,) = axes
    slice_shape = tuple(1 if i == axis else n for i, n in enumerate(shape))
    begins = [site.numbers(*(k if i == axis else 0 for i in range(len(shape)))) for k in range(shape[axis])]
    lengths = site.numbers(*slice_shape)
    parts = [site.step("SLICE", site.tensor(), b, lengths, shape=slice_shape) for b in begins]
    total = parts[0]
    for part in parts[1:]:
        total = site.step("MUL", total, part, shape=slice_shape)
    site.finish(reshaped(site, total, slice_shape))


@says("ReduceLogSumExp")
def log_of_sum(site: Site) -> None:
    """LOG of the SUM of EXP, the largest value taken off first so that nothing overflows."""
    axes, whole = site.numbers(*_axes(site)), site.source().shape
    small = tuple(1 if i in _axes(site) else n for i, n in enumerate(whole))
    top = site.step("REDUCE_MAX", site.tensor(), axes, shape=small, keepDims=True)
    rest = site.step("SUB", site.tensor(), top, shape=whole)
    powers = site.step("EXP", rest, shape=whole)
    total = site.step("LOG", site.step("SUM", powers, axes, shape=small, keepDims=True), shape=small)
    site.finish(reshaped(site, site.step("ADD", total, top, shape=small), small))


@says("GlobalAveragePool", "GlobalMaxPool")
def over_everything(site: Site) -> None:
    """MEAN or REDUCE_MAX over all axes but the first two, which stay with length 1."""
    name = "MEAN" if site.node.op == "GlobalAveragePool" else "REDUCE_MAX"
    site.finish(site.step(name, site.tensor(), site.numbers(*range(2, site.source().ndim)), keepDims=True))


def _squares(site: Site) -> int:
    return site.step("SQUARE", site.tensor(), shape=site.source().shape)


def _finish(site: Site, name: str, tensor: int) -> None:
    axes = _axes(site)
    site.finish(site.step(name, tensor, site.numbers(*axes), keepDims=_keeps(site)) if axes else tensor)


def _axes(site: Site) -> Shape:
    constants = [site.constants.get(name) for name in site.node.inputs]
    axes = constant_integers(site.node, constants, 1, "axes")
    rank = site.source().ndim
    if not axes:
        return () if integer(site.node, "noop_with_empty_axes", 0) else tuple(range(rank))
    return tuple(axis % rank for axis in axes)


def _keeps(site: Site) -> bool:
    return bool(integer(site.node, "keepdims", 1))

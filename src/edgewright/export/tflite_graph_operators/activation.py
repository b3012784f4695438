"""Limits and softmax."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewright.core.operators._attributes import integer, number
from edgewright.core.operators.elementwise import FAR, LIMIT, NEAR, SPLIT
from edgewright.export.tflite_graph_operators import Site, cast_to, kind_of, reshaped, says
from edgewright.schema.errors import InputError


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
        raise InputError("softmax over the last axis", f"axis {integer(site.node, 'axis', -1)}", site.where)
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
        raise InputError("the first of equal values", "the last", site.where)
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

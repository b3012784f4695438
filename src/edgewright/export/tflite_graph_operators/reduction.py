"""Reductions along axes."""

from __future__ import annotations

from edgewright.core.operators._attributes import constant_integers, integer
from edgewright.export.tflite_graph_operators import Shape, Site, reshaped, says
from edgewright.schema.errors import InputError

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
        raise InputError(f"the product of at most {_MOST_FACTORS} values", f"axes {axes} of {shape}", site.where)
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

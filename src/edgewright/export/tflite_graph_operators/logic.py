"""Comparisons, choices and types."""

from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

from edgewright.export.tflite_graph_operators import Site, kind_of, says

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
    """A comparison of two values."""
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
    """SELECT_V2, which broadcasts; LiteRT has it for whole numbers too, TFLM for float32 alone."""
    parts = (site.tensor(0), site.tensor(1), site.tensor(2))
    site.finish(site.step("SELECT_V2", parts, schema.SelectV2OptionsT()))


@says("Cast")
def cast(site: Site) -> None:
    """CAST; nothing where the file has one type for both."""
    before, value = kind_of(site.source()), site.tensor()
    if before == site.kind:
        site.finish(value)
        return
    options = schema.CastOptionsT()
    options.inDataType, options.outDataType = _TYPES[before], _TYPES[site.kind]
    site.finish(site.step("CAST", (value,), options))

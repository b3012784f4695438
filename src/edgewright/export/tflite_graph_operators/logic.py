"""Comparisons, choices and types."""

from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

from edgewright.export.tflite_graph_operators import Shape, Site, kind_of, says

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

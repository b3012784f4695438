"""All fitted steps as one graph: raw sample in, answer out."""

from __future__ import annotations

from typing import Any

from edgewright.graph.builder import Builder
from edgewright.graph.stage import emit
from edgewright.runtime.ranges import METADATA, ranges_text
from edgewright.schema.data import Column
from edgewright.schema.graph import Graph


def graph_of(
    steps: list[tuple[str, Any]], shape: tuple[int, ...], name: str, columns: tuple[Column, ...] = ()
) -> Graph:
    """Emits fitted steps, the model last; every stage's end and the float/int8 boundary are marked.

    Args:
        steps: fitted, by name.
        shape: of one sample.
        name: of the graph.
        columns: whose declared ranges travel with the graph.
    """
    model = steps[-1][1]
    builder = Builder(name, tuple(shape), labels=tuple(str(label) for label in getattr(model, "classes_", ())))
    value = builder.input
    for stage, estimator in steps[:-1]:
        value = emit(estimator, builder, value)
        builder.stage(stage, value)
    builder.boundary(value)
    value = emit(model, builder, value)
    builder.stage("model", value)
    declared = ranges_text(columns)
    return builder.finish(model.outputs(builder, value), {METADATA: declared} if declared else None)

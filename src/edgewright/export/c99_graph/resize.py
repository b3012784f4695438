"""The stage `resize` over bytes: sums of integers, written straight into the network's input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_operators._rounding import byte_text
from edgewright.schema.graph import Graph, Node
from edgewright.schema.integer import IntegerValue

# The stage's weights are multiples of one over this.
_UNIT = 128


@dataclass(frozen=True)
class Axis:
    """How pixels of an axis are made: `count` neighbours from `first` on, weights (count, n) in 1/128."""

    first: NDArray[np.int64]
    weights: NDArray[np.int64]


@dataclass(frozen=True)
class Resizing:
    """Both axes, the shape (channels, height, width) that arrives, and the network's input."""

    rows: Axis
    columns: Axis
    shape: tuple[int, ...]
    value: IntegerValue


def resizing_of(graph: Graph, boundary: str, value: IntegerValue) -> Resizing | None:
    """Return how pixels become those of the network; None where anything else stands before it.

    Args:
        graph: of the pipeline.
        boundary: value at which the network begins.
        value: the network's input.
    """
    made = {name: node for node in graph.nodes for name in node.outputs}
    found = []
    for axis in (3, 2):
        terms = _terms(boundary, made, graph, axis)
        sources = {source for source, _, _ in terms}
        if len(sources) != 1:
            return None
        boundary = sources.pop()
        places, weights = (np.stack([np.ravel(term[part]) for term in terms]) for part in (1, 2))
        whole = np.rint(np.broadcast_to(weights, places.shape) * _UNIT).astype(np.int64)
        steps = np.arange(len(places))[:, None]
        if (
            (whole / _UNIT != weights).any()
            or (whole.sum(axis=0) != _UNIT).any()
            or (places != places[0] + steps).any()
        ):
            return None
        found.append(Axis(places[0].astype(np.int64), whole))
    if boundary != graph.inputs[0].name:
        return None
    return Resizing(found[1], found[0], graph.inputs[0].shape, value)


_Term = tuple[str, NDArray[np.generic], NDArray[np.generic]]


def _terms(value: str, made: dict[str, Node], graph: Graph, axis: int) -> list[_Term]:
    """Return the picks that a value is the sum of, each with its source, places and weights; none of another form."""
    node = made.get(value)
    if node is None:
        return []
    if node.op == "Add":
        parts = [_terms(name, made, graph, axis) for name in node.inputs]
        return [*parts[0], *parts[1]] if all(parts) else []
    weights: NDArray[np.generic] = np.ones(1, np.float32)
    if node.op == "Mul" and node.inputs[1] in graph.constants:
        weights, node = graph.constants[node.inputs[1]], made.get(node.inputs[0])
    if node is None or node.op != "Gather" or node.attributes.get("axis") != axis:
        return []
    places = graph.constants.get(node.inputs[1])
    return [] if places is None or places.ndim != 1 else [(node.inputs[0], places, weights)]


def resized(unit: Unit, resizing: Resizing, first: str) -> list[str]:
    """Return lines that fill the network's input from `pixels`.

    Args:
        unit: whose function it is.
        resizing: how.
        first: C address of the network's input.
    """
    unit.place = "resize"
    channels, _, width = resizing.shape
    rows, columns = resizing.rows, resizing.columns
    high, wide = len(rows.first), len(columns.first)
    tables: dict[str, NDArray[np.generic]] = {
        "row": rows.first.astype(np.uint16), "row_weights": rows.weights.astype(np.uint8),
        "column": columns.first.astype(np.uint16), "column_weights": columns.weights.astype(np.uint8),
    }  # fmt: skip
    row, row_weights, column, column_weights = (unit.table(table.reshape(-1), role) for role, table in tables.items())
    return [
        f"    int8_t *const bytes = {first};",
        f"    for (int i = 0; i < {high * wide * channels}; ++i) {{",
        f"        const int y = i / {wide * channels}, x = i / {channels} % {wide};",
        "        int32_t sum = 0;",
        f"        for (int r = 0; r < {len(rows.weights)}; ++r) {{",
        f"            const int place = ({row}[y] + r) * {width} + {column}[x];",
        f"            const uint8_t *p = pixels + place * {channels} + i % {channels};",
        "            int32_t part = 0;",
        f"            for (int c = 0; c < {len(columns.weights)}; ++c, p += {channels}) {{",
        f"                part += {column_weights}[{wide} * c + x] * *p;",
        "            }",
        f"            sum += {row_weights}[{high} * r + y] * part;",
        "        }",
        f"        bytes[i] = {byte_text(unit, f'(float)sum * {1 / _UNIT**2!r}f', resizing.value)};",
        "    }",
    ]

"""A picture as bytes, as a camera gives it: an entry of the generated code that needs no array of floats.

The stage `resize` becomes sums of integers, written straight into the network's input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.network import Graph, IntegerValue, Node
from edgewright.export.c99_code.parts import filled, parts, written
from edgewright.export.c99_code.source import Buffer, Source
from edgewright.export.c99_code.text import number
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_graph.graph import Plan
from edgewright.export.c99_operators._rounding import byte_text
from edgewright.graph.builder import without_mask

# The stage's weights are multiples of one over this.
_UNIT = 128
C = parts(__file__, "pixels.c")


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
    producer = {name: node for node in graph.nodes for name in node.outputs}
    axes = []
    for axis in (3, 2):
        terms = _terms(boundary, producer, graph, axis)
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
        axes.append(Axis(places[0].astype(np.int64), whole))
    if boundary != graph.inputs[0].name:
        return None
    return Resizing(axes[1], axes[0], graph.inputs[0].shape, value)


_Term = tuple[str, NDArray[np.generic], NDArray[np.generic]]


def _terms(value: str, producer: dict[str, Node], graph: Graph, axis: int) -> list[_Term]:
    """Return the picks that a value is the sum of, each with its source, places and weights; none of another form."""
    node = producer.get(value)
    if node is None:
        return []
    if node.op == "Add":
        parts = [_terms(name, producer, graph, axis) for name in node.inputs]
        return [*parts[0], *parts[1]] if all(parts) else []
    weights: NDArray[np.generic] = np.ones(1, np.float32)
    if node.op == "Mul" and node.inputs[1] in graph.constants:
        weights, node = graph.constants[node.inputs[1]], producer.get(node.inputs[0])
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
    unit.layer = "resize"
    channels, _, width = resizing.shape
    rows, columns = resizing.rows, resizing.columns
    high, wide = len(rows.first), len(columns.first)
    tables: dict[str, NDArray[np.generic]] = {
        "row": rows.first.astype(np.uint16), "row_weights": rows.weights.astype(np.uint8),
        "column": columns.first.astype(np.uint16), "column_weights": columns.weights.astype(np.uint8),
    }  # fmt: skip
    row, row_weights, column, column_weights = (unit.table(table.reshape(-1), role) for role, table in tables.items())
    text = filled(
        C["resized"], first=first, count=high * wide * channels, line=wide * channels, channels=channels, rows=high,
        columns=wide, row_taps=len(rows.weights), column_taps=len(columns.weights), width=width, row=row, column=column,
        row_weights=row_weights, column_weights=column_weights,
        value=byte_text(unit, f"(float)sum * {1 / _UNIT**2!r}f", resizing.value),
    )  # fmt: skip
    return [text]


_BYTE = (0.0, 255.0)


@dataclass(frozen=True)
class Pixels:
    """What a picture of bytes becomes where nothing but a resize stands before the network.

    Attributes:
        integers: of the network's input for each byte, shape (256,), int8.
        resizing: how pixels become those of the network; None where they are those.
        count: where the pipeline keeps how many values of a row are there.
        readings: how many there are.
    """

    integers: NDArray[np.int8]
    resizing: Resizing | None
    count: Buffer
    readings: float


def takes_bytes(graph: Graph, limits: Sequence[tuple[float, float] | None]) -> bool:
    """Return whether every channel of an image goes from 0 to 255, and a sample without its values has no answer."""
    return bool(limits) and all(limit == _BYTE for limit in limits) and without_mask(graph)[1] is not None


def pixels_of(graph: Graph, plan: Plan, values: Mapping[str, Source], first: IntegerValue) -> Pixels | None:
    """Return how bytes enter the network; None where anything else stands before it.

    Args:
        graph: of the pipeline, which takes bytes.
        plan: of the code.
        values: what is written so far, by name.
        first: the network's input.
    """
    boundary = plan.alias.get(graph.boundary, graph.boundary)
    read = {name for node in plan.after for name in node.inputs}
    kept = [name for node in plan.before for name in node.outputs if name in read]
    mask = without_mask(graph)[1]
    resizing = None if boundary == graph.inputs[0].name else resizing_of(graph, boundary, first)
    if resizing is None and boundary != graph.inputs[0].name:
        return None
    if mask is None or len(kept) != 1 or {boundary, graph.inputs[0].name} & read:
        return None
    count = values[kept[0]].leaves[0].buffer
    if count.fixed or count.size != 1:
        return None
    real = np.rint(np.arange(256, dtype=np.float32) / np.float32(first.scale)) + first.zero
    return Pixels(np.clip(real, -128, 127).astype(np.int8), resizing, count, float(mask.readings))


def rounded(unit: Unit, pixels: Pixels, first: str, count: str) -> list[str]:
    """Return lines that make bytes the network's input.

    Args:
        unit: whose function it is.
        pixels: what they become.
        first: C address of the network's input.
        count: C address of how many values of a row are there.
    """
    return [*_filled(unit, pixels, first), f"    *({count}) = {number(pixels.readings)};"]


def _filled(unit: Unit, pixels: Pixels, first: str) -> list[str]:
    if pixels.resizing is not None:
        return resized(unit, pixels.resizing, first)
    shift = int(pixels.integers[0])
    if (pixels.integers == np.arange(256) + shift).all():
        value = f"(int8_t)((int)pixels[i] - {-shift})"
    else:
        unit.layer = "input"
        value = f"{unit.table(pixels.integers, 'bytes')}[pixels[i]]"
    return [written(C["taken"], unit.name, first=first, byte=value)]

"""A picture as bytes, as a camera gives it: an entry of the generated code that needs no array of floats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_code.source import Buffer, Source
from edgewright.export.c99_code.text import number
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_graph.graph import Plan
from edgewright.export.c99_graph.resize import Resizing, resized, resizing_of
from edgewright.graph.mask import without_mask
from edgewright.schema.graph import Graph
from edgewright.schema.integer import IntegerValue

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


def entry(unit: Unit, guard: Sequence[str], lines: Sequence[str]) -> list[str]:
    """Return NAME_predict_pixels.

    Args:
        unit: whose function it is.
        guard: lines that come first.
        lines: that run the pipeline and fill the answer.
    """
    name = unit.name
    return [
        f"int {name}_predict_pixels({name}_context *context, const uint8_t *pixels, {name}_answer *answer) {{",
        "    unsigned flags = 0u;",
        *guard,
        *lines,
        "    answer->flags = flags;",
        "    return (int)flags;",
        "}",
    ]


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
        unit.place = "input"
        value = f"{unit.table(pixels.integers, 'bytes')}[pixels[i]]"
    return [
        f"    int8_t *const bytes = {first};",
        f"    for (int i = 0; i < {unit.name.upper()}_INPUTS; ++i) {{",
        f"        bytes[i] = {value};",
        "    }",
    ]

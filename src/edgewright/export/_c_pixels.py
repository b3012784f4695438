"""A picture as bytes, as a camera gives it: an entry of the generated code that needs no array of floats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.export._c_graph import Plan
from edgewright.export._c_source import Buffer, Source
from edgewright.export._c_text import number
from edgewright.export._c_unit import Unit
from edgewright.graph.mask import without_mask
from edgewright.schema.graph import Graph
from edgewright.schema.integer import IntegerValue

_BYTE = (0.0, 255.0)


@dataclass(frozen=True)
class Pixels:
    """What a picture of bytes becomes without floats.

    Attributes:
        integers: of the network's input for each byte, shape (256,), int8.
        count: where the pipeline keeps how many values of a row are there.
        readings: how many there are.
    """

    integers: NDArray[np.int8]
    count: Buffer
    readings: float


def pixels_of(
    graph: Graph,
    plan: Plan,
    values: Mapping[str, Source],
    first: IntegerValue,
    limits: Sequence[tuple[float, float] | None],
) -> Pixels | None:
    """Return how bytes enter the network; None where something else stands before it, or values are no bytes.

    Args:
        graph: of the pipeline.
        plan: of the code.
        values: what is written so far, by name.
        first: the network's input.
        limits: of the channels.
    """
    boundary = plan.alias.get(graph.boundary, graph.boundary)
    if boundary != graph.inputs[0].name or not limits or any(limit != _BYTE for limit in limits):
        return None
    read = {name for node in plan.after for name in node.inputs}
    kept = [name for node in plan.before for name in node.outputs if name in read]
    mask = without_mask(graph)[1]
    if mask is None or len(kept) != 1 or graph.inputs[0].name in read:
        return None
    count = values[kept[0]].leaves[0].buffer
    if count.fixed or count.size != 1:
        return None
    real = np.rint(np.arange(256, dtype=np.float32) / np.float32(first.scale)) + first.zero
    return Pixels(np.clip(real, -128, 127).astype(np.int8), count, float(mask.readings))


def entry(
    unit: Unit, pixels: Pixels, places: Mapping[str, str], guard: Sequence[str], rest: Sequence[str]
) -> list[str]:
    """Return NAME_predict_pixels.

    Args:
        unit: whose function it is.
        pixels: how bytes enter the network.
        places: C addresses of 'first', the network's input, and of 'count'.
        guard: lines that come first.
        rest: lines that run the network and fill the answer.
    """
    name, shift = unit.name, int(pixels.integers[0])
    if (pixels.integers == np.arange(256) + shift).all():
        value = f"(int8_t)((int)pixels[i] - {-shift})"
    else:
        unit.place = "input"
        value = f"{unit.table(pixels.integers, 'bytes')}[pixels[i]]"
    return [
        f"int {name}_predict_pixels({name}_context *context, const uint8_t *pixels, {name}_answer *answer) {{",
        "    unsigned flags = 0u;",
        *guard,
        f"    int8_t *const bytes = {places['first']};",
        f"    for (int i = 0; i < {name.upper()}_INPUTS; ++i) {{",
        f"        bytes[i] = {value};",
        "    }",
        f"    *({places['count']}) = {number(pixels.readings)};",
        *rest,
        "    answer->flags = flags;",
        "    return (int)flags;",
        "}",
    ]

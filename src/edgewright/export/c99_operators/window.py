"""Convolution and pooling on floats, channels first, one or two axes."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from edgewright.core.operators import where
from edgewright.core.operators._attributes import geometry
from edgewright.export.c99_code.source import Source
from edgewright.export.c99_code.unit import nested
from edgewright.export.c99_operators import Spot, operator
from edgewright.schema.errors import InputError

Pair = tuple[int, int]
_AT = re.compile(r"AT<(.+?)>")


@dataclass(frozen=True)
class Frame:
    """A kernel over an image; one axis is a height of 1.

    Attributes:
        kernel, strides, dilations: height and width.
        before, after: padding.
        image: channels, height and width of the input.
        places: of the output.
    """

    kernel: Pair
    strides: Pair
    dilations: Pair
    before: Pair
    after: Pair
    image: tuple[int, int, int]
    places: tuple[int, int, int]


def frame(spot: Spot, kernel: tuple[int, ...]) -> Frame:
    """Return settings of a node.

    Raises:
        InputError: for more than two axes.
    """
    shape, out = spot.source(0).shape[1:], spot.shape[1:]
    if len(kernel) not in (1, 2) or len(shape) != len(kernel) + 1:
        raise InputError("a kernel of one or two axes", f"{len(kernel)}", where(spot.node))
    plan = geometry(spot.node, kernel)
    around = plan.padding(shape[1:])

    def two(values: tuple[int, ...], fill: int) -> Pair:
        return (fill, values[0]) if len(values) == 1 else (values[0], values[1])

    return Frame(
        two(tuple(kernel), 1),
        two(plan.strides, 1),
        two(plan.dilations, 1),
        two(tuple(a for a, _ in around), 0),
        two(tuple(b for _, b in around), 0),
        (shape[0], *two(shape[1:], 1)),
        (out[0], *two(out[1:], 1)),
    )


def walk(spot: Spot, f: Frame, body: tuple[list[str], list[str], list[str]]) -> Source:
    """Return loops over channels and places: lines before the taps, at each tap within the image, and after them.

    The lines may use c (output channel), top, left, y, x, row, column, `out` (place of the result), and AT<channel> for
    the input there.
    """
    source = spot.unit.stored(spot.source(0))
    target = spot.unit.fresh(spot.shape)
    (kh, kw), (dh, dw), (_, h, w) = f.kernel, f.dilations, f.image
    leaf, result = source.leaves[0], target.leaves[0].buffer.name
    start = f"{leaf.offset} + " if leaf.offset else ""
    channel, across = leaf.view.strides[1], leaf.view.strides[-1]
    down = leaf.view.strides[2] if len(source.shape) == 4 else w * across
    # In the order of channels, rows and columns, places need two products; the counts of estimates are of these.
    in_order = source.lying

    def entry(channel_index: re.Match[str]) -> str:
        if in_order:
            return f"{leaf.buffer.name}[{start}({channel_index[1]} * {h} + row) * {w} + column]"
        return f"{leaf.buffer.name}[{start}{channel} * {channel_index[1]} + {down} * row + {across} * column]"

    def filled(lines: list[str]) -> list[str]:
        return [_AT.sub(entry, line).replace("OUT[", f"{result}[") for line in lines]

    before, tap, after = (filled(lines) for lines in body)
    inner = [
        f"const int top = i1 * {f.strides[0]} - {f.before[0]}, left = i2 * {f.strides[1]} - {f.before[1]};",
        f"const int out = (c * {f.places[1]} + i1) * {f.places[2]} + i2;",
        *before,
        f"for (int y = 0; y < {kh}; ++y) {{",
        f"    const int row = top + y * {dh};",
        f"    for (int x = 0; x < {kw} && row >= 0 && row < {h}; ++x) {{",
        f"        const int column = left + x * {dw};",
        f"        if (column >= 0 && column < {w}) {{",
        *("            " + line for line in tap),
        "        }",
        "    }",
        "}",
        *after,
    ]
    spot.unit.step(nested(f.places, ("c", "i1", "i2"), inner), (source,), (target,))
    return target


@operator("Conv")
def conv(spot: Spot) -> Source:
    """Filter of constant weights.

    Raises:
        InputError: for weights that are computed.
    """
    weights = spot.constants[1]
    bias = spot.constants[2] if len(spot.constants) > 2 else None
    if weights is None or (bias is None and len(spot.node.inputs) > 2 and spot.node.inputs[2]):
        raise InputError("constant weights and bias", "others", where(spot.node))
    f = frame(spot, tuple(weights.shape[2:]))
    groups = int(str(spot.node.attributes.get("group", 1)))
    each, width = f.places[0] // groups, weights.shape[1]
    table = spot.unit.table(np.asarray(weights, np.float32), "weights")
    start = "0.0f" if bias is None else f"{spot.unit.table(np.asarray(bias, np.float32), 'bias')}[c]"
    taps = f.kernel[0] * f.kernel[1]
    channel = f"(c / {each} * {width} + k)" if groups > 1 else "k"
    tap = [
        f"for (int k = 0; k < {width}; ++k) {{",
        f"    a += AT<{channel}> * {table}[(c * {width} + k) * {taps} + y * {f.kernel[1]} + x];",
        "}",
    ]
    return walk(spot, f, ([f"float a = {start};"], tap, ["OUT[out] = a;"]))


def _kernel(spot: Spot) -> tuple[int, ...]:
    if spot.node.op.startswith("Global"):
        return spot.source(0).shape[2:]
    kernel = spot.node.attributes.get("kernel_shape", ())
    return tuple(int(length) for length in kernel)  # type: ignore[union-attr]


@operator("MaxPool", "GlobalMaxPool")
def max_pool(spot: Spot) -> Source:
    """Return the largest value under the kernel."""
    f = frame(spot, _kernel(spot))
    value = "AT<c>"
    tap = [f"const float v = {value};", "if (v > a || v != v) {", "    a = v;", "}"]
    return walk(spot, f, (["float a = -INFINITY;"], tap, ["OUT[out] = a;"]))


@operator("AveragePool", "GlobalAveragePool")
def average_pool(spot: Spot) -> Source:
    """Return the mean under the kernel, of values or of padding too."""
    f = frame(spot, _kernel(spot))
    value = "AT<c>"
    counted = bool(spot.node.attributes.get("count_include_pad", 0))
    if not counted:
        return walk(spot, f, (["float a = 0.0f, n = 0.0f;"], [f"a += {value};", "n += 1.0f;"], ["OUT[out] = a / n;"]))
    after = ["int n = 0;"]
    conditions = []
    for axis, name, first in ((0, "y", "top"), (1, "x", "left")):
        # A window that ceil_mode lets reach beyond the padding counts only what is padded.
        conditions.append(f"{first} + {name} * {f.dilations[axis]} < {f.image[axis + 1] + f.after[axis]}")
    after += nested(f.kernel, ("y", "x"), [f"n += {' && '.join(conditions)};"])
    return walk(spot, f, (["float a = 0.0f;"], [f"a += {value};"], [*after, "OUT[out] = a / (float)n;"]))

"""Depthwise convolutions: the plane of four channels is copied with its padding, then taken over in place."""

from __future__ import annotations

import numpy as np

from edgewright.export.c99_code.parts import filled
from edgewright.export.c99_code.source import Source
from edgewright.export.c99_code.text import assembly
from edgewright.export.c99_dual import dual
from edgewright.export.c99_dual._rows import C, instructions
from edgewright.export.c99_operators import Site
from edgewright.export.c99_operators._place import Kernel, kernel_of
from edgewright.export.c99_operators._rounding import exact, factors_of, single, start_of

_CHANNELS = 4
# Taps of a kernel whose rows are written out one after the other in assembly.
_WRITTEN_OUT = 9


def _instructions(k: Kernel) -> str:
    """Return the taps and the rounding at a place; sums in r4 to r7, weights of a tap in r8 and r9."""
    (rows, columns), step = k.size, k.dilations[1]
    line = []
    for tap in range(columns):
        line += [
            "ldrd r8, r9, [r1], #8",
            f"ldr r10, [r0, #{4 * tap * step}]",
            "sxtb16 r11, r10",
            "sxtb16 r10, r10, ror #8",
            "smlabb r4, r8, r11, r4",
            "smlabb r5, r9, r10, r5",
            "smlatt r6, r8, r11, r6",
            "smlatt r7, r9, r10, r7",
        ]
    if rows * columns <= _WRITTEN_OUT:
        return assembly("\n".join([*line, *(["add r0, r0, r3", *line] * (rows - 1))]))
    return assembly("\n".join([f"mov lr, #{rows}", "2:", *line, "add r0, r0, r3", "subs lr, lr, #1", "bne 2b"]))


def _plane(k: Kernel) -> str:
    """Return the function for a size of kernel: its taps side by side are written out."""
    (rows, columns), step = k.size, k.dilations[1]
    taps = []
    for tap in range(columns):
        taps += [
            f"                @_each(t[{2 * tap}], @_bytes(x[{tap * step}]), &s0, &s2);",
            f"                @_each(t[{2 * tap + 1}], @_others(x[{tap * step}]), &s1, &s3);",
        ]
    return filled(
        C["plane"], plane=_name(k), end=4 + 2 * rows * columns, rows=rows, stride=2 * columns, taps="\n".join(taps),
        instructions=_instructions(k),
    )  # fmt: skip


def _name(k: Kernel) -> str:
    return f"planes_{k.size[0]}x{k.size[1]}" + (f"_{k.dilations[1]}" if k.dilations[1] > 1 else "")


@dual("depthwise")
def depthwise(site: Site) -> Source | None:
    """Write a convolution with filters of its own for every channel, four channels at a time."""
    k, unit, own = kernel_of(site), site.unit, site.operator.arrays
    weights, (height, width, channels), filters = own["weights"], k.source, k.places[2]
    start = start_of(site, 2)
    if filters != channels or channels % _CHANNELS or single(site) or start.zero:
        return None
    multiplier, shift = factors_of(site, channels)
    sums = np.abs(start.bias) + 128 * np.abs(weights.reshape(-1, channels).astype(np.int64)).sum(axis=0)
    if not exact(site, sums, multiplier, shift):
        return None
    instructions(unit, single=False)
    unit.helper("each", C["each"])
    unit.helper("planes", C["planes"])
    function = unit.helper(_name(k), _plane(k))
    (kh, kw), (top, left) = k.size, k.before
    rows, columns = (
        (places - 1) * stride + (taps - 1) * step + 1
        for places, stride, taps, step in zip(k.places[:2], k.strides, k.size, k.dilations, strict=True)
    )
    # Rounding twice takes the double of a sum.
    taps = 2 * weights.reshape(kh * kw, channels).astype(np.int64) & 0xFFFF
    four = taps.reshape(kh * kw, -1, _CHANNELS)
    words = np.stack([four[..., 0] | four[..., 2] << 16, four[..., 1] | four[..., 3] << 16], axis=-1)
    blocks = np.concatenate(
        [
            (2 * start.bias & 0xFFFFFFFF).reshape(-1, _CHANNELS),
            words.transpose(1, 0, 2).reshape(channels // _CHANNELS, -1),
            np.stack([multiplier, shift], axis=1).reshape(channels // _CHANNELS, -1),
        ],
        axis=1,
    )
    table = unit.table(blocks.astype(np.uint32), "weights")
    # A plane is copied whole before its places are written.
    target = site.taken_over() if k.places[0] * k.places[1] <= height * width else site.output
    plane = unit.buffer(rows * columns, "uint32")
    fill = f"0x{(site.values[0].zero & 255) * 0x01010101:08X}u"
    padding = [f"for (int i = 0; i < {rows * columns}; ++i) {{", f"    {plane.name}[i] = {fill};", "}"]
    down, right = k.strides
    settings = (*k.places[:2], down * columns, right, k.dilations[0] * columns, channels, site.target.zero)
    block, to = f"{table} + j / {_CHANNELS} * {blocks.shape[1]}", target.leaves[0].buffer.name
    lines = [
        f"static const {unit.name}_planes planes = {{{', '.join(map(str, settings))}}};",
        *(padding if k.padded else []),
        f"for (int j = 0; j < {channels}; j += {_CHANNELS}) {{",
        f"    for (int row = 0; row < {min(height, rows - top)}; ++row) {{",
        f"        uint32_t *to = {plane.name} + (row + {top}) * {columns} + {left};",
        f"        const int8_t *from = {site.name()} + row * {width * channels} + j;",
        f"        for (int column = 0; column < {min(width, columns - left)}; ++column, from += {channels}, ++to) {{",
        "            memcpy(to, from, 4);",
        "        }",
        "    }",
        f"    {function}({plane.name}, {block}, {to} + j, &planes);",
        "}",
    ]
    unit.step(lines, site.inputs, (target, unit.source(plane, (plane.size,))))
    return target

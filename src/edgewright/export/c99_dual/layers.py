"""Integer layers for cores that multiply two pairs of 16-bit numbers at once (ADR 66)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.source import Buffer, Source
from edgewright.export.c99_code.text import NOINLINE, assembly
from edgewright.export.c99_code.unit import UNREAD, Unit
from edgewright.export.c99_dual import dual
from edgewright.export.c99_operators import Site
from edgewright.export.c99_operators._place import Kernel, kernel_of
from edgewright.export.c99_operators._rounding import exact, factors_of, settle, single, start_of
from edgewright.export.cores import SHORT

C = parts(__file__, "dual.c")
"""Functions of these cores: assembly where GCC or Clang read it, else intrinsics of ACLE, else C99."""
# Rows of a block: two pairs, each with a sum of whole words and one of the low bytes.
BLOCK = 4
# The sum of a pair's second row is there 256 times.
_MAX_SUM = 1 << 23
Words = NDArray[np.uint32]


@dataclass(frozen=True)
class Rows:
    """Rows of weights as the instructions take them.

    Attributes:
        words: for each block of four rows: what its sums begin with, then for each two inputs a word of the first pair
            and one of the second. A halfword is 256 times the second row's weight and once the first's.
        multipliers, shifts: one a row, rows without weights included; the shift is that of the upper 32 bits.
        pairs: of inputs.
    """

    words: Words
    multipliers: NDArray[np.int64]
    shifts: NDArray[np.int64]
    pairs: int


def rows_of(site: Site, weights: NDArray[np.int8], *, multiple: int = 2, factors: bool = False) -> Rows | None:
    """Return rows (channels, inputs) packed; None where a bound does not hold.

    Args:
        site: with the operator; its sums take all inputs, those outside an image as its zero point.
        weights: in the order of the inputs.
        multiple: inputs are filled up to it by weights of 0.
        factors: whether each block ends with multiplier and shift of every row.
    """
    start, rows = start_of(site, 0), weights.astype(np.int64)
    bias = start.bias
    multipliers, shifts = factors_of(site, -(-len(rows) // BLOCK) * BLOCK)
    if factors:
        bias, rows = settle(site, start, rows, multipliers, shifts)
    largest = np.abs(bias) + 128 * np.abs(rows).sum(axis=1)
    if start.zero or (rows == -128).any() or (largest >= _MAX_SUM).any():
        return None
    if not exact(site, largest, multipliers, shifts):
        return None
    count, inputs = rows.shape
    padded = np.zeros((-(-count // BLOCK) * BLOCK, -(-inputs // multiple) * multiple), np.int64)
    padded[:count, :inputs] = rows
    bias = np.concatenate([bias, np.zeros(len(padded) - count, np.int64)])
    halves = (256 * padded[1::2] + padded[::2]) & 0xFFFF
    words = halves[:, ::2] | halves[:, 1::2] << 16
    begin = np.stack([256 * bias[1::2] + bias[::2], bias[::2]], axis=1) & 0xFFFFFFFF
    after = np.stack([multipliers, shifts], axis=1)[:, : 2 * factors]
    blocks = [
        np.concatenate([begin[pair : pair + 2].ravel(), words[pair : pair + 2].T.ravel(), ends.ravel()])
        for pair, ends in zip(range(0, len(words), 2), np.split(after, len(words) // 2), strict=True)
    ]
    return Rows(np.concatenate(blocks).astype(np.uint32), multipliers, shifts, padded.shape[1] // 2)


def instructions(unit: Unit, *, single: bool) -> None:
    """Write the functions that the kernels share; `single` says whether they round once."""
    unit.helper("apart", NOINLINE)
    unit.helper("instructions", C["where"])
    rounding = ("rounded_once",) if single else ("rounded_sum", "rounded_twice")
    for name in ("two", "bytes", "others", "second", "byte", *rounding):
        unit.helper(name, C[name])


@dual("conv")
def conv(site: Site) -> Source | None:
    """Write every filter over places two by two; what lies outside the image is its zero point."""
    k, unit, weights = kernel_of(site), site.unit, site.operator.arrays["weights"]
    count = len(weights)
    if site.operator.numbers.get("groups", (1,))[0] > 1 or single(site) or count % BLOCK:
        return None
    flat = weights.reshape(count, -1)
    inputs = flat.shape[1]
    size = -(-inputs // 4) * 4
    turned = np.zeros((count, size), np.int8)
    turned[:, :inputs] = flat
    # As bytes of a word are widened: 0 and 2, then 1 and 3.
    turned = turned.reshape(count, -1, 4)[:, :, [0, 2, 1, 3]].reshape(count, size)
    rows = rows_of(site, turned, factors=True)
    if rows is None:
        return None
    instructions(unit, single=False)
    filters, table = unit.helper("filters", C["filters"]), unit.table(rows.words, "weights")
    function = unit.helper("two_places", C["two_places"])
    wide = unit.buffer(size, "uint32")
    settings = f"{{{site.target.zero}, {table} + {rows.words.size}, {table}, {rows.pairs}}}"
    lines = [f"static const {filters} filters = {settings};"]
    written = [unit.source(wide, (size,))]
    places = k.places[0] * k.places[1]
    interleave = unit.helper("side_by_side", C["side_by_side"])
    target: Source | None = None
    if k.size == (1, 1) and not k.padded and k.source[2] % 4 == 0:
        # Both places are read before they are written, and no later one lies before them.
        if count <= inputs:
            target = site.taken_over()
        first, second = (f"{site.name()} + {_pixel(k, name)}" for name in ("place", "next"))
        gather = [f"{interleave}({first}, {second}, {size}, {wide.name});"]
    else:
        patches = unit.buffer(2 * size, "int8")
        written.append(unit.source(patches, (2 * size,)))
        alike = k.places[:2] == k.source[:2] and k.strides == (1, 1) and k.places[1] % 2 == 0
        target = site.taken_over() if alike and count <= k.source[2] else None
        inside = target is not None and target.leaves[0].buffer is site.inputs[0].leaves[0].buffer
        overwritten = unit.buffer((k.before[0] + 1) * k.source[1] * k.source[2], "int8") if inside else None
        if overwritten is not None:
            written.append(unit.source(overwritten, (overwritten.size,)))
        gather = _patches(unit, site, k, patches.name, size, overwritten)
        gather.append(f"{interleave}({patches.name}, {patches.name} + {size}, {size}, {wide.name});")
        lines.append(_kernel(unit, site, k))
    target = target or site.output
    out = [f"{target.leaves[0].buffer.name} + {name} * {count}" for name in ("place", "next")]
    other = "place + 1" if places % 2 == 0 else f"place + 1 < {places} ? place + 1 : place"
    lines += [
        f"for (int place = 0; place < {places}; place += 2) {{",
        f"    const int next = {other};",
        *("    " + line for line in gather),
        f"    {function}({wide.name}, &filters, {out[0]}, {out[1]});",
        "}",
    ]
    unit.step(lines, site.inputs, (target, *written))
    return target


def _pixel(k: Kernel, name: str) -> str:
    columns, (down, right), (_, width, channels) = k.places[1], k.strides, k.source
    if (down, right) == (1, 1):
        return f"{name} * {channels}"
    return f"({name} / {columns} * {down * width} + {name} % {columns} * {right}) * {channels}"


def _kernel(unit: Unit, site: Site, k: Kernel) -> str:
    unit.helper("patch", C["patch"])
    height, width, channels = k.source
    numbers = (*k.size, *k.dilations, height, width, channels, k.before[0] + 1, site.values[0].zero)
    return f"static const {unit.name}_kernel kernel = {{{', '.join(map(str, numbers))}}};"


def _patches(unit: Unit, site: Site, k: Kernel, to: str, size: int, overwritten: Buffer | None) -> list[str]:
    """Return lines that copy what lies under the kernel at both places; lines that are overwritten are held."""
    columns, whole = k.places[1], k.source[1] * k.source[2]
    lines, before = [], f"{site.name()}, 0"
    if overwritten is not None:
        at = f"place / {columns}"
        lines = [
            f"if (place % {columns} == 0) {{",
            f"    memcpy({overwritten.name} + {at} % kernel.holds * {whole}, {site.name()} + {at} * {whole}, {whole});",
            "}",
        ]
        before = f"{overwritten.name}, {at} + 1"
    for name, start in (("place", to), ("next", f"{to} + {size}")):
        top = f"{name} / {columns} * {k.strides[0]} - {k.before[0]}"
        left = f"{name} % {columns} * {k.strides[1]} - {k.before[1]}"
        lines.append(f"{unit.name}_patch({site.name()}, {before}, {top}, {left}, &kernel, {start});")
    return lines


@dual("dense")
def dense(site: Site) -> Source | None:
    """Write the layer; its inputs and outputs have 16 bits, which the next one takes as they are."""
    unit, weights = site.unit, site.operator.arrays["weights"]
    # A turn of the loop takes two pairs of inputs.
    rows = rows_of(site, weights, multiple=2 if unit.unrolled == SHORT else 4) if weights.shape[1] > 2 else None
    if rows is None or len(set(rows.multipliers.tolist())) > 1 or len(set(rows.shifts.tolist())) > 1:
        return None
    once = single(site)
    instructions(unit, single=once)
    layer, table = unit.helper("layer", C["layer"]), unit.table(rows.words, "weights")
    code = filled(C["dense"], once=once, short=unit.unrolled == SHORT)
    function = unit.helper(f"dense_{'once' if once else 'twice'}", code)
    given = unit.wide.get(site.inputs[0].leaves[0].buffer.key)
    if given is None:
        given = unit.buffer(rows.pairs, "uint32")
        call = f"{unit.helper('widen', C['widen'])}({site.name()}, {weights.shape[1]}, {given.name});"
        unit.step([call], site.inputs, (_whole(unit, given),))
    sums = unit.buffer(len(rows.multipliers) // 2, "uint32")
    factor = f"{rows.shifts[0]}, {site.target.zero}, {rows.multipliers[0]}"
    unit.helper("anew", C["anew"])
    lines = [
        f"static const {layer} layer = {{{factor}, {table} + {rows.words.size}, {table}, {rows.pairs}}};",
        f"{function}({given.name}, &layer, {sums.name});",
        f"{unit.name}_ANEW",
    ]
    unit.step(lines, (_whole(unit, given),), (_whole(unit, sums),))
    unit.wide[site.output.leaves[0].buffer.key] = sums
    call = f"{unit.helper('narrow_bytes', C['narrow_bytes'])}({sums.name}, {len(weights)}, {site.result});"
    unit.step([call], (_whole(unit, sums),), (site.output,), work=UNREAD)
    return site.output


def _whole(unit: Unit, buffer: Buffer) -> Source:
    return unit.source(buffer, (buffer.size,))


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

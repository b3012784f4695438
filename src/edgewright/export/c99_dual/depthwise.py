"""Depthwise convolutions: the plane of four channels is copied with its padding, then taken over in place."""

from __future__ import annotations

import numpy as np

from edgewright.export.c99_code.source import Source
from edgewright.export.c99_code.text import assembly
from edgewright.export.c99_dual import dual
from edgewright.export.c99_dual._instructions import instructions
from edgewright.export.c99_operators import Site
from edgewright.export.c99_operators._bounds import exact, factors_of, single
from edgewright.export.c99_operators._place import Kernel, kernel_of
from edgewright.export.c99_operators._rounding import start_of

_CHANNELS = 4
_TAPS = """\
/* sums[0] + the product of the low halfwords, and sums[1] + that of the high ones. */
static inline void @_each(uint32_t w, uint32_t x, int32_t *low, int32_t *high) {
#ifdef @_INTRINSICS
    *low = __smlabb((int32_t)w, (int32_t)x, *low);
    *high = __smlatt((int32_t)w, (int32_t)x, *high);
#else
    *low += (int32_t)(int16_t)(w & 0xFFFFu) * (int16_t)(x & 0xFFFFu);
    *high += (int32_t)(int16_t)(w >> 16) * (int16_t)(x >> 16);
#endif
}"""


# Taps of a kernel whose rows are written out one after the other in assembly.
_WRITTEN_OUT = 9


def _assembly(k: Kernel) -> str:
    """Return the loop over places; sums in r4 to r7, weights of a tap in r8 and r9."""
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
        taps = [*line, *(["add r0, r0, r3", *line] * (rows - 1))]
    else:
        taps = [f"mov lr, #{rows}", "2:", *line, "add r0, r0, r3", "subs lr, lr, #1", "bne 2b"]
    rounded = []
    for place, s in enumerate(("r4", "r5", "r6", "r7")):
        rounded += [
            "ldrd r8, r9, [r1], #8",
            f"smmulr {s}, {s}, r8",
            f"add {s}, {s}, {s}, asr #31",
            f"asrs {s}, {s}, r9",
            f"adc {s}, {s}, r12",
            f"ssat {s}, #8, {s}",
            f"strb {s}, [r2, #{place}]",
        ]
    return "\n".join(
        [
            "push {r0, r1, r3, r4-r11, lr}",
            # On the stack: place, weights, settings, and what the loops count down.
            "ldr r12, [r3, #24]",
            "ldr r4, [r3]",
            "ldr r3, [r3, #16]",
            "lsl r3, r3, #2",
            "sub sp, sp, #16",
            "str r4, [sp, #4]",
            "0: ldr r8, [sp, #24]",
            "ldr r4, [r8, #4]",
            "ldr r0, [sp, #16]",
            "str r4, [sp]",
            "1: str r0, [sp, #8]",
            "ldr r1, [sp, #20]",
            "ldm r1!, {r4-r7}",
            *taps,
            *rounded,
            "ldr r8, [sp, #24]",
            "ldrd r0, r4, [sp, #4]",
            "ldr r5, [r8, #20]",
            "add r2, r2, r5",
            "ldr r5, [r8, #12]",
            "ldr r6, [sp]",
            "add r0, r4, r5, lsl #2",
            "subs r6, r6, #1",
            "str r6, [sp]",
            "bne 1b",
            "ldr r4, [r8, #8]",
            "ldr r0, [sp, #16]",
            "add r0, r0, r4, lsl #2",
            "str r0, [sp, #16]",
            "ldr r4, [sp, #4]",
            "subs r4, r4, #1",
            "str r4, [sp, #4]",
            "bne 0b",
            "add sp, sp, #28",
            "pop {r4-r11, pc}",
        ]
    )


def _planes(k: Kernel) -> str:
    """Return the function for a size of kernel: its taps side by side are written out."""
    rows, columns = k.size
    step = k.dilations[1]
    taps = []
    for tap in range(columns):
        taps += [
            f"                @_each(t[{2 * tap}], @_bytes(x[{tap * step}]), &s0, &s2);",
            f"                @_each(t[{2 * tap + 1}], @_others(x[{tap * step}]), &s1, &s3);",
        ]
    rounded = [f"@_rounded_sum(s{n}, (int32_t)f[{2 * n}], (int32_t)f[{2 * n + 1}])" for n in range(_CHANNELS)]
    bytes_of = [f"            y[{n}] = (int8_t)@_byte({value} + zero);" for n, value in enumerate(rounded)]
    return f"""\
/* Four channels: w has their biases, two words for each tap, and their factors; biases and weights are doubled. */
#ifdef @_ASSEMBLY
__attribute__((naked, noinline, used)) static void @_{_name(k)}(
    const uint32_t *plane __attribute__((unused)), const uint32_t *w __attribute__((unused)),
    int8_t *y __attribute__((unused)), const @_planes *p __attribute__((unused))) {{
    __asm__ volatile(
{assembly(_assembly(k))}
    );
}}
#else
@_apart static void @_{_name(k)}(const uint32_t *plane, const uint32_t *w, int8_t *y, const @_planes *p) {{
    const int32_t zero = p->zero;
    const uint32_t *const f = w + {4 + 2 * rows * columns};
    for (int row = 0; row < p->rows; ++row, plane += p->down) {{
        const uint32_t *from = plane;
        for (int column = 0; column < p->columns; ++column, from += p->right, y += p->channels) {{
            const uint32_t *x = from, *t = w + 4;
            int32_t s0 = (int32_t)w[0], s1 = (int32_t)w[1], s2 = (int32_t)w[2], s3 = (int32_t)w[3];
            for (int line = 0; line < {rows}; ++line, x += p->line, t += {2 * columns}) {{
{chr(10).join(taps)}
            }}
{chr(10).join(bytes_of)}
        }}
    }}
}}
#endif"""


_SETTINGS = """\
/* Places of the output, words of a plane from one to the next, those of a line of taps, channels, zero point. */
typedef struct {
    int rows, columns, down, right, line, channels;
    int32_t zero;
} @_planes;"""


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
    unit.helper("each", _TAPS)
    unit.helper("planes", _SETTINGS)
    function = unit.helper(_name(k), _planes(k))
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

"""Convolutions: two places at once over four rows, the bytes under the kernel widened and side by side."""

from __future__ import annotations

import numpy as np

from edgewright.export.c99_code.source import Buffer, Source
from edgewright.export.c99_code.text import assembly
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_dual import dual
from edgewright.export.c99_dual._instructions import instructions
from edgewright.export.c99_dual._rows import BLOCK, rows_of
from edgewright.export.c99_operators import Site
from edgewright.export.c99_operators._bounds import single
from edgewright.export.c99_operators._place import Kernel, kernel_of

_FILTERS = """\
/* Filters: zero point of the output, end and beginning of their weights, pairs of inputs. */
typedef struct {
    int32_t zero;
    const uint32_t *end, *weights;
    int32_t pairs;
} @_filters;"""
_SIDE_BY_SIDE = """\
/* Bytes of two places as 16-bit numbers, bytes 0 and 2 of four before 1 and 3, the places in turn; n is one of 4, 8. */
@_apart static void @_side_by_side(const int8_t *x, const int8_t *other, int n, uint32_t *to) {
    for (int i = 0; i < n; i += 4, to += 4) {
        uint32_t a, b;
        memcpy(&a, x + i, 4);
        memcpy(&b, other + i, 4);
        to[0] = @_bytes(a);
        to[1] = @_bytes(b);
        to[2] = @_others(a);
        to[3] = @_others(b);
    }
}"""
_PATCH = """\
/* What lies under a kernel. */
typedef struct {
    int rows, columns, down, right, height, width, channels, holds;
    int8_t zero;
} @_kernel;
/* Lines before `until` lie in `held` by turns, where the output has taken their place. */
@_apart static void @_patch(
    const int8_t *x, const int8_t *held, int until, int top, int left, const @_kernel *k, int8_t *to) {
    const int run = k->columns * k->channels, whole = k->width * k->channels;
    for (int row = 0; row < k->rows; ++row, to += run) {
        const int y = top + row * k->down;
        const int8_t *const line = y < until ? held + y % k->holds * whole : x + y * whole;
        if (y < 0 || y >= k->height) {
            memset(to, k->zero, (size_t)run);
        } else if (k->right == 1 && left >= 0 && left + k->columns <= k->width) {
            memcpy(to, line + left * k->channels, (size_t)run);
        } else {
            for (int column = 0; column < k->columns; ++column) {
                const int at = left + column * k->right;
                int8_t *const tap = to + column * k->channels;
                if (at < 0 || at >= k->width) {
                    memset(tap, k->zero, (size_t)k->channels);
                } else {
                    memcpy(tap, line + at * k->channels, (size_t)k->channels);
                }
            }
        }
    }
}"""


def _step() -> str:
    """Return 46 bytes: two inputs of four rows at two places; x in r2 and r3, sums of the places from r4 and r8 on."""
    lines = ["ldm r0!, {r2, r3}", "ldm r1!, {r12, lr}"]
    both = (("r4", "r8"), ("r6", "r10"))
    first = (("r5", "r9"), ("r7", "r11"))
    for w, sums in zip(("r12", "lr"), both, strict=True):
        lines += [f"smlad {s}, {w}, {x}, {s}" for s, x in zip(sums, ("r2", "r3"), strict=True)]
    for w, sums in zip(("r12", "lr"), first, strict=True):
        lines.append(f"sxtb16 {w}, {w}")
        lines += [f"smlad {s}, {w}, {x}, {s}" for s, x in zip(sums, ("r2", "r3"), strict=True)]
    return "\n".join(lines)


def _finish() -> str:
    lines = []
    for both, first in (("r4", "r5"), ("r6", "r7"), ("r8", "r9"), ("r10", "r11")):
        lines += [f"sub {both}, {both}, {first}", f"asr {both}, {both}, #7", f"lsl {first}, {first}, #1"]
    lines += ["add r12, sp, #12", "ldm r12, {r0, r12, lr}"]
    for pair in (("r5", "r9"), ("r4", "r8"), ("r7", "r11"), ("r6", "r10")):
        lines.append("ldrd r2, r3, [r1], #8")
        for s, y in zip(pair, ("r12", "lr"), strict=True):
            lines += [
                f"smmulr {s}, {s}, r2",
                f"add {s}, {s}, {s}, asr #31",
                f"asrs {s}, {s}, r3",
                f"adc {s}, {s}, r0",
                f"ssat {s}, #8, {s}",
                f"strb {s}, [{y}], #1",
            ]
    return "\n".join(lines)


def _pair() -> str:
    steps = "\n".join(f"{place}:\n{_step()}" for place in range(1, 5))
    text = f"""\
        push {{r4-r11, lr}}
        sub sp, sp, #28
        ldm r1, {{r4-r7}}
        add r8, r0, r7, lsl #3
        mov r9, r4
        strd r0, r7, [sp]
        strd r8, r9, [sp, #8]
        strd r2, r3, [sp, #16]
        str r5, [sp, #24]
        mov r1, r6
        0: ldm sp, {{r0, r12}}
        ldm r1, {{r4-r7}}
        ldm r1!, {{r8-r11}}
        and r12, r12, #3
        tbb [pc, r12]
        5: .byte (1f - 5b) / 2, (4f - 5b) / 2, (3f - 5b) / 2, (2f - 5b) / 2
{steps}
        ldr r2, [sp, #8]
        cmp r0, r2
        bne 1b
{_finish()}
        strd r12, lr, [sp, #16]
        ldr r2, [sp, #24]
        cmp r1, r2
        bne 0b
        add sp, sp, #28
        pop {{r4-r11, pc}}
"""
    return f"""\
/* Two places of all filters, rescaled, in blocks of four: two pairs, each with a sum of both rows and one of the first.
 * x has the places in turn; w begins with what the sums begin with and ends with factors. */
#ifdef @_ASSEMBLY
__attribute__((naked, noinline, used)) static void @_two_places(
    const uint32_t *x __attribute__((unused)), const @_filters *filters __attribute__((unused)),
    int8_t *y __attribute__((unused)), int8_t *other __attribute__((unused))) {{
    __asm__ volatile(
{assembly(text)}
    );
}}
#else
@_apart static void @_two_places(const uint32_t *x, const @_filters *filters, int8_t *y, int8_t *other) {{
    const int32_t zero = filters->zero;
    const uint32_t *w = filters->weights;
    do {{
        int32_t a0 = (int32_t)w[0], s0 = (int32_t)w[1], a1 = (int32_t)w[2], s1 = (int32_t)w[3];
        int32_t b0 = a0, t0 = s0, b1 = a1, t1 = s1;
        const uint32_t *v = x;
        w += 4;
        for (int32_t i = filters->pairs; i > 0; --i, v += 2, w += 2) {{
            const uint32_t low0 = @_bytes(w[0]), low1 = @_bytes(w[1]);
            a0 = @_two(w[0], v[0], a0);
            b0 = @_two(w[0], v[1], b0);
            a1 = @_two(w[1], v[0], a1);
            b1 = @_two(w[1], v[1], b1);
            s0 = @_two(low0, v[0], s0);
            t0 = @_two(low0, v[1], t0);
            s1 = @_two(low1, v[0], s1);
            t1 = @_two(low1, v[1], t1);
        }}
        const int32_t sums[8] = {{
            s0, t0, @_second(a0, s0), @_second(b0, t0), s1, t1, @_second(a1, s1), @_second(b1, t1),
        }};
        for (int k = 0; k < 4; ++k, w += 2) {{
            const int32_t m = (int32_t)w[0], e = (int32_t)w[1];
            *y++ = (int8_t)@_byte(@_rounded_twice(sums[2 * k], m, e) + zero);
            *other++ = (int8_t)@_byte(@_rounded_twice(sums[2 * k + 1], m, e) + zero);
        }}
    }} while (w != filters->end);
}}
#endif"""


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
    filters, table = unit.helper("filters", _FILTERS), unit.table(rows.words, "weights")
    function = unit.helper("two_places", _pair())
    wide = unit.buffer(size, "uint32")
    settings = f"{{{site.target.zero}, {table} + {rows.words.size}, {table}, {rows.pairs}}}"
    lines = [f"static const {filters} filters = {settings};"]
    written = [unit.source(wide, (size,))]
    places = k.places[0] * k.places[1]
    beside = unit.helper("side_by_side", _SIDE_BY_SIDE)
    target: Source | None = None
    if k.size == (1, 1) and not k.padded and k.source[2] % 4 == 0:
        # Both places are read before they are written, and no later one lies before them.
        if count <= inputs:
            target = site.taken_over()
        first, second = (f"{site.name()} + {_pixel(k, name)}" for name in ("place", "next"))
        gather = [f"{beside}({first}, {second}, {size}, {wide.name});"]
    else:
        patches = unit.buffer(2 * size, "int8")
        written.append(unit.source(patches, (2 * size,)))
        alike = k.places[:2] == k.source[:2] and k.strides == (1, 1) and k.places[1] % 2 == 0
        target = site.taken_over() if alike and count <= k.source[2] else None
        inside = target is not None and target.leaves[0].buffer is site.inputs[0].leaves[0].buffer
        held = unit.buffer((k.before[0] + 1) * k.source[1] * k.source[2], "int8") if inside else None
        if held is not None:
            written.append(unit.source(held, (held.size,)))
        gather = _patches(unit, site, k, patches.name, size, held)
        gather.append(f"{beside}({patches.name}, {patches.name} + {size}, {size}, {wide.name});")
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
    unit.helper("patch", _PATCH)
    height, width, channels = k.source
    numbers = (*k.size, *k.dilations, height, width, channels, k.before[0] + 1, site.values[0].zero)
    return f"static const {unit.name}_kernel kernel = {{{', '.join(map(str, numbers))}}};"


def _patches(unit: Unit, site: Site, k: Kernel, to: str, size: int, held: Buffer | None) -> list[str]:
    """Return lines that copy what lies under the kernel at both places; lines that are overwritten are held."""
    columns, whole = k.places[1], k.source[1] * k.source[2]
    lines, before = [], f"{site.name()}, 0"
    if held is not None:
        at = f"place / {columns}"
        lines = [
            f"if (place % {columns} == 0) {{",
            f"    memcpy({held.name} + {at} % kernel.holds * {whole}, {site.name()} + {at} * {whole}, {whole});",
            "}",
        ]
        before = f"{held.name}, {at} + 1"
    for name, start in (("place", to), ("next", f"{to} + {size}")):
        top = f"{name} / {columns} * {k.strides[0]} - {k.before[0]}"
        left = f"{name} % {columns} * {k.strides[1]} - {k.before[1]}"
        lines.append(f"{unit.name}_patch({site.name()}, {before}, {top}, {left}, &kernel, {start});")
    return lines

"""Dense layers: four rows at a time over inputs of 16 bits, from the biases to the bytes in one function."""

from __future__ import annotations

from edgewright.export.c99_code.source import Buffer, Source
from edgewright.export.c99_code.text import assembly
from edgewright.export.c99_code.unit import UNREAD, Unit
from edgewright.export.c99_dual import dual
from edgewright.export.c99_dual._instructions import instructions
from edgewright.export.c99_dual._rows import rows_of
from edgewright.export.c99_operators import Site
from edgewright.export.c99_operators._bounds import single
from edgewright.export.cores import LONG, SHORT

_LAYER = """\
/* A dense layer: shift and zero point of its output, factor, end and beginning of its weights, pairs of inputs. */
typedef struct {
    int16_t e, zero;
    int32_t m;
    const uint32_t *end, *weights;
    int32_t pairs;
} @_layer;"""
_ANEW = """\
/* Addresses are worked out anew for each layer: registers that keep them for the next would be saved on the stack. */
#ifdef @_ASSEMBLY
#define @_ANEW __asm__ volatile("" : "+r"(context));
#else
#define @_ANEW
#endif"""
_WIDEN = """\
/* Bytes as 16-bit numbers, two in a word; what a last word has besides meets weights of 0. */
@_apart static void @_widen(const int8_t *x, int n, uint32_t *to) {
    for (; n > 1; n -= 2, x += 2) {
        *to++ = (uint32_t)(uint16_t)x[0] | (uint32_t)(uint16_t)x[1] << 16;
    }
    if (n > 0) {
        *to = (uint32_t)(uint16_t)x[0];
    }
}"""
_NARROW = """\
static void @_narrow_bytes(const uint32_t *x, int n, int8_t *to) {
    for (; n > 1; n -= 2, ++x, to += 2) {
        to[0] = (int8_t)(*x & 0xFFu);
        to[1] = (int8_t)(*x >> 16 & 0xFFu);
    }
    if (n > 0) {
        to[0] = (int8_t)(*x & 0xFFu);
    }
}"""
# The sums of a pair of rows after its inputs; the first row's where they are rounded twice has its sum doubled.
_FINISH = {
    True: """\
        subs r4, r4, r5
        asrs r4, r4, #8
        subs r6, r6, r7
        asrs r6, r6, #8
""",
    False: """\
        subs r4, r4, r5
        asrs r4, r4, #7
        subs r6, r6, r7
        asrs r6, r6, #7
        lsls r5, r5, #1
        lsls r7, r7, #1
""",
}


def _group() -> str:
    """Return 56 bytes: four inputs of four rows; A and M of the first pair are r4 and r5, of the second r6 and r7."""
    halves = (_half("r12", ("r8", "r9")), _half("lr", ("r10", "r11")))
    return "\n".join(["ldm r0!, {r12, lr}", "ldm r1!, {r8-r11}", *halves])


def _half(x: str, words: tuple[str, str]) -> str:
    """Return two inputs of four rows."""
    lines = []
    for w, (both, first) in zip(words, (("r4", "r5"), ("r6", "r7")), strict=True):
        lines += [f"smlad {both}, {w}, {x}, {both}", f"sxtb16 {w}, {w}", f"smlad {first}, {w}, {x}, {first}"]
    return "\n".join(lines)


def _rounding(once: bool) -> str:
    lines = []
    for s in ("r5", "r4", "r7", "r6"):
        lines += [f"smmul {s}, {s}, r8"] if once else [f"smmulr {s}, {s}, r8", f"add {s}, {s}, {s}, asr #31"]
        # The last bit that is shifted out rounds; the shift is the lowest byte of r3.
        lines += [f"asrs {s}, {s}, r3", f"adcs {s}, {s}, r0", f"ssat {s}, #8, {s}"]
    return "\n".join(lines)


# How the first block of inputs is entered, with what is left over of turns; r3 is the number of pairs of inputs.
_ENTER = {
    SHORT: f"""\
        lsrs r3, r3, #1
        bcc 5f
        ldr lr, [r0], #4
        ldrd r10, r11, [r1], #8
        {_half("lr", ("r10", "r11"))}
        5: lsrs r3, r3, #1
        adc r3, r3, #0
        bcs 2f
""",
    LONG: """\
        lsrs r3, r3, #1
        and r8, r3, #3
        adds r3, r3, #3
        lsrs r3, r3, #2
        tbb [pc, r8]
        5: .byte (1f - 5b) / 2, (4f - 5b) / 2, (3f - 5b) / 2, (2f - 5b) / 2
""",
}


def _dense(once: bool, turns: int) -> str:
    groups = "\n".join(f"{place}:\n{_group()}" for place in range(1, turns + 1))
    text = f"""\
        push {{r4-r11, lr}}
        push {{r1}}
        ldrd r1, r3, [r1, #12]
        push {{r0, r3}}
        0: ldm sp, {{r0, r3}}
        ldm r1!, {{r4-r7}}
{_ENTER[turns]}
{groups}
        subs r3, r3, #1
        bne 1b
{_FINISH[once]}
        ldr r0, [sp, #8]
        ldm r0, {{r3, r8, r9}}
        asrs r0, r3, #16
{_rounding(once)}
        pkhbt r4, r5, r4, lsl #16
        pkhbt r5, r7, r6, lsl #16
        stm r2!, {{r4, r5}}
        cmp r1, r9
        bne 0b
        add sp, sp, #12
        pop {{r4-r11, pc}}
"""
    rounded = f"@_rounded_{'once' if once else 'twice'}"
    return f"""\
/* y = x * rows + biases, rescaled, in blocks of four rows: two pairs, each with a sum of both and one of the first.
 * Numbers of 16 bits, two in a word; w begins with what the sums begin with. */
#ifdef @_ASSEMBLY
__attribute__((naked, noinline, used)) static void @_{_name(once)}(
    const uint32_t *x __attribute__((unused)), const @_layer *layer __attribute__((unused)),
    uint32_t *y __attribute__((unused))) {{
    __asm__ volatile(
{assembly(text)}
    );
}}
#else
@_apart static void @_{_name(once)}(const uint32_t *x, const @_layer *layer, uint32_t *y) {{
    const int32_t m = layer->m, e = layer->e, zero = layer->zero;
    const uint32_t *w = layer->weights;
    do {{
        int32_t a0 = (int32_t)w[0], s0 = (int32_t)w[1], a1 = (int32_t)w[2], s1 = (int32_t)w[3];
        const uint32_t *v = x;
        w += 4;
        for (int32_t i = layer->pairs; i > 0; --i, ++v, w += 2) {{
            a0 = @_two(w[0], *v, a0);
            s0 = @_two(@_bytes(w[0]), *v, s0);
            a1 = @_two(w[1], *v, a1);
            s1 = @_two(@_bytes(w[1]), *v, s1);
        }}
        const int32_t y0 = @_byte({rounded}(s0, m, e) + zero), y1 = @_byte({rounded}(@_second(a0, s0), m, e) + zero);
        const int32_t y2 = @_byte({rounded}(s1, m, e) + zero), y3 = @_byte({rounded}(@_second(a1, s1), m, e) + zero);
        *y++ = (uint32_t)(uint16_t)y0 | (uint32_t)(uint16_t)y1 << 16;
        *y++ = (uint32_t)(uint16_t)y2 | (uint32_t)(uint16_t)y3 << 16;
    }} while (w != layer->end);
}}
#endif"""


def _name(once: bool) -> str:
    return f"dense_{'once' if once else 'twice'}"


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
    layer, table = unit.helper("layer", _LAYER), unit.table(rows.words, "weights")
    function = unit.helper(_name(once), _dense(once, unit.unrolled))
    given = unit.wide.get(site.inputs[0].leaves[0].buffer.key)
    if given is None:
        given = unit.buffer(rows.pairs, "uint32")
        call = f"{unit.helper('widen', _WIDEN)}({site.name()}, {weights.shape[1]}, {given.name});"
        unit.step([call], site.inputs, (_whole(unit, given),))
    made = unit.buffer(len(rows.multipliers) // 2, "uint32")
    factor = f"{rows.shifts[0]}, {site.target.zero}, {rows.multipliers[0]}"
    unit.helper("anew", _ANEW)
    lines = [
        f"static const {layer} layer = {{{factor}, {table} + {rows.words.size}, {table}, {rows.pairs}}};",
        f"{function}({given.name}, &layer, {made.name});",
        f"{unit.name}_ANEW",
    ]
    unit.step(lines, (_whole(unit, given),), (_whole(unit, made),))
    unit.wide[site.output.leaves[0].buffer.key] = made
    call = f"{unit.helper('narrow_bytes', _NARROW)}({made.name}, {len(weights)}, {site.result});"
    unit.step([call], (_whole(unit, made),), (site.output,), work=UNREAD)
    return site.output


def _whole(unit: Unit, buffer: Buffer) -> Source:
    return unit.source(buffer, (buffer.size,))

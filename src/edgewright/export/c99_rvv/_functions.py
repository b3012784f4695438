"""The loops over channels in lanes: RISC-V instructions, and C99 over the same tables.

A strip of as many output channels as the vectors of the processor hold has its sums in 8 registers, v8 to v15. Vectors
of any length give the same bytes.
"""

from __future__ import annotations

from edgewright.export.c99_code.text import APART, assembly
from edgewright.export.c99_code.unit import Unit

_WHERE = """\
/* RISC-V with vectors: assembly where GCC or Clang read it, else C99 over the same tables. -D@_NO_ASSEMBLY leaves the
 * assembly out. */
#if defined(__GNUC__) && defined(__riscv_zve32x) && __riscv_xlen == 32 && !defined(@_NO_ASSEMBLY)
#define @_ASSEMBLY 1
#endif
/* Biases and factors, bytes from one factor to the next, output channels, bytes from a row of the kernel to the next in
 * input and weights, bytes from tap to tap, zero points. */
typedef struct {
    const int32_t *bias, *multiplier, *shift;
    int32_t step, channels, x_row, w_row, tap, from, zero;
} @_layer;"""
TURN = 4
"""Bytes of inputs that one turn of the loop takes."""
_BEGIN = """\
        addi sp, sp, -16
        sw s0, 0(sp)
        sw s1, 4(sp)
        lw a6, 16(a5)
        lw s1, 32(a5)
        mv t6, a6
        .4byte 0x00a05073 @@ csrwi vxrm, 0: halves upwards; assemblers without Zicsr take it, too
        0: vsetvli a7, a6, e32, m8, ta, ma
        lw t0, 0(a5)
        sub t3, t6, a6
        slli t3, t3, 2
        add t0, t0, t3
        vle32.v v8, (t0)
        vsetvli x0, x0, e16, m4, ta, ma
        mv t4, a2
        mv t5, a0
        mv s0, a1
        1: mv t0, t5
        mv t1, s0
"""
_END = """\
        lw t3, 20(a5)
        add t5, t5, t3
        lw t3, 24(a5)
        add s0, s0, t3
        addi t4, t4, -1
        bnez t4, 1b
        vsetvli x0, x0, e32, m8, ta, ma
        lw t0, 4(a5)
        lw t1, 8(a5)
        lw t2, 12(a5)
        sub t3, t6, a6
        mul t3, t3, t2
        add t0, t0, t3
        add t1, t1, t3
        vlse32.v v16, (t0), t2
        vlse32.v v24, (t1), t2
"""
_ROUNDING = {
    True: """\
        vmulh.vv v8, v8, v16
""",
    False: """\
        vsmul.vv v8, v8, v16
        vsra.vi v16, v8, 31
        vadd.vv v8, v8, v16
""",
}
_STORE = """\
        vssra.vv v8, v8, v24
        lw t3, 36(a5)
        vadd.vx v8, v8, t3
        vsetvli x0, x0, e16, m4, ta, ma
        vnclip.wi v0, v8, 0
        vsetvli x0, x0, e8, m2, ta, ma
        vnclip.wi v4, v0, 0
        vse8.v v4, (a4)
        add a4, a4, a7
        add a1, a1, a7
"""
_LEAVE = """\
        sub a6, a6, a7
        bnez a6, 0b
        lw s0, 0(sp)
        lw s1, 4(sp)
        addi sp, sp, 16
        ret
"""
_ROUNDED = {
    True: "(int32_t)((int64_t)v * *m >> 32)",
    False: "(int32_t)(((int64_t)v * *m + (INT64_C(1) << 30)) >> 31)",
}


def _input(place: int, less: bool) -> list[str]:
    """Return one byte of the input times its weights of all channels; registers alternate."""
    byte, wide = (("v4", "v0"), ("v20", "v16"))[place % 2]
    taken = ["sub t3, t3, s1"] if less else []
    weights = [f"vle8.v {byte}, (t1)", *taken, f"vsext.vf2 {wide}, {byte}", "add t1, t1, t6"]
    return [f"lb t3, {place}(t0)", *weights, f"vwmacc.vx v8, t3, {wide}"]


def _filters(less: bool) -> list[str]:
    turn = [line for place in range(TURN) for line in _input(place, less)]
    return [
        f"srli t2, a3, {TURN.bit_length() - 1}",
        "beqz t2, 3f",
        "2:",
        *turn,
        f"addi t0, t0, {TURN}",
        "addi t2, t2, -1",
        "bnez t2, 2b",
        f"3: andi t2, a3, {TURN - 1}",
        "beqz t2, 5f",
        "4:",
        *_input(0, less),
        "addi t0, t0, 1",
        "addi t2, t2, -1",
        "bnez t2, 4b",
        "5:",
    ]


def _planes(less: bool) -> list[str]:
    return [
        "mv t2, a3",
        "lw t3, 28(a5)",
        "2: vle8.v v4, (t0)",
        "vle8.v v20, (t1)",
        "vsext.vf2 v0, v4",
        "vsext.vf2 v16, v20",
        *(["vsub.vx v0, v0, s1"] if less else []),
        "add t0, t0, t3",
        "add t1, t1, t6",
        "vwmacc.vv v8, v0, v16",
        "addi t2, t2, -1",
        "bnez t2, 2b",
    ]


def function(unit: Unit, *, planes: bool, once: bool, less: bool) -> str:
    """Write the function that works all channels out at a place; return its name.

    Args:
        unit: where it goes.
        planes: whether every channel has a plane of its own.
        once: whether products are rounded once.
        less: whether the zero point of the input is taken off each byte.
    """
    unit.helper("apart", APART)
    unit.helper("layer", _WHERE)
    name = "_".join(("planes" if planes else "filters", "once" if once else "twice", *(("less",) if less else ())))
    taps = "\n".join((_planes if planes else _filters)(less))
    on = "        add a0, a0, a7\n" if planes else ""
    text = assembly(f"{_BEGIN}{taps}\n{_END}{_ROUNDING[once]}{_STORE}{on}{_LEAVE}")
    own = " + j" if planes else ""
    step = "layer->tap" if planes else "1"
    byte = "(*a - layer->from)" if less else "*a"
    declared = ("const int8_t *x", "const int8_t *w", "int rows", "int run", "int8_t *y", "const @_layer *layer")
    unused = ",\n    ".join(f"{each} __attribute__((unused))" for each in declared)
    return unit.helper(
        name,
        f"""\
/* y = x * w + biases, rescaled, at one place: rows of `run` taps, with the weights of all channels side by side. */
#ifdef @_ASSEMBLY
__attribute__((naked, noinline, used)) static void @_{name}(
    {unused}) {{
    __asm__ volatile(
{text}
    );
}}
#else
@_apart static void @_{name}({", ".join(declared)}) {{
    for (int j = 0; j < layer->channels; ++j) {{
        const int at = layer->step / 4 * j;
        const int32_t *const m = layer->multiplier + at, e = layer->shift[at];
        int32_t v = layer->bias[j];
        for (int row = 0; row < rows; ++row) {{
            const int8_t *a = x + row * layer->x_row{own}, *b = w + row * layer->w_row + j;
            for (int i = 0; i < run; ++i, a += {step}, b += layer->channels) {{
                v += {byte} * *b;
            }}
        }}
        v = {_ROUNDED[once]};
        v = ((v + (INT32_C(1) << (e - 1)){"" if once else " - (v < 0)"}) >> e) + layer->zero;
        y[j] = (int8_t)(v < -128 ? -128 : v > 127 ? 127 : v);
    }}
}}
#endif""",
    )

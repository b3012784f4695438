/* Layers for RISC-V with vectors, a lane a channel; `__init__.py` writes their tables. */
#include <stdint.h>
#define @_apart
#define $function filters_once
#define $planes 0
#define $once 1
#define $less 0

/* block layer */
/* RISC-V with vectors: assembly where GCC or Clang read it, else C99 over the same tables. -D@_NO_ASSEMBLY leaves the
 * assembly out. */
#if defined(__GNUC__) && (defined(__riscv_zve32x) || defined(__riscv_v)) && !defined(@_NO_ASSEMBLY)
#if __riscv_xlen == 32
#define @_ASSEMBLY 1
#endif
#endif
/* Biases and factors, bytes from one factor to the next, output channels, bytes from a row of the kernel to the next in
 * input and weights, bytes from tap to tap, zero points. */
typedef struct {
    const int32_t *bias, *multiplier, *shift;
    int32_t step, channels, x_row, w_row, tap, from, zero;
} @_layer;

/* block function */
/* y = x * w + biases, rescaled, at one place: rows of `run` taps, with the weights of all channels side by side. */
#ifdef @_ASSEMBLY
__attribute__((naked, noinline, used)) static void @_$function(
    const int8_t *x __attribute__((unused)),
    const int8_t *w __attribute__((unused)),
    int rows __attribute__((unused)),
    int run __attribute__((unused)),
    int8_t *y __attribute__((unused)),
    const @_layer *layer __attribute__((unused))) {
    __asm__ volatile(
        "addi sp, sp, -16\n"
        "sw s0, 0(sp)\n"
        "sw s1, 4(sp)\n"
        "lw a6, 16(a5)\n"
        "lw s1, 32(a5)\n"
        "mv t6, a6\n"
        ".4byte 0x00a05073\n"
        "0: vsetvli a7, a6, e32, m8, ta, ma\n"
        "lw t0, 0(a5)\n"
        "sub t3, t6, a6\n"
        "slli t3, t3, 2\n"
        "add t0, t0, t3\n"
        "vle32.v v8, (t0)\n"
        "vsetvli x0, x0, e16, m4, ta, ma\n"
        "mv t4, a2\n"
        "mv t5, a0\n"
        "mv s0, a1\n"
        "1: mv t0, t5\n"
        "mv t1, s0\n"
#if $planes
        "mv t2, a3\n"
        "lw t3, 28(a5)\n"
        "2: vle8.v v4, (t0)\n"
#else
        "srli t2, a3, 2\n"
        "beqz t2, 3f\n"
        "2:\n"
        "lb t3, 0(t0)\n"
        "vle8.v v4, (t1)\n"
#if $less
        "sub t3, t3, s1\n"
#endif
        "vsext.vf2 v0, v4\n"
        "add t1, t1, t6\n"
        "vwmacc.vx v8, t3, v0\n"
        "lb t3, 1(t0)\n"
#endif
        "vle8.v v20, (t1)\n"
#if !$planes
#if $less
        "sub t3, t3, s1\n"
#endif
        "vsext.vf2 v16, v20\n"
        "add t1, t1, t6\n"
        "vwmacc.vx v8, t3, v16\n"
        "lb t3, 2(t0)\n"
        "vle8.v v4, (t1)\n"
#if $less
        "sub t3, t3, s1\n"
#endif
#endif
        "vsext.vf2 v0, v4\n"
#if !$planes
        "add t1, t1, t6\n"
        "vwmacc.vx v8, t3, v0\n"
        "lb t3, 3(t0)\n"
        "vle8.v v20, (t1)\n"
#if $less
        "sub t3, t3, s1\n"
#endif
#endif
        "vsext.vf2 v16, v20\n"
#if $planes
#if $less
        "vsub.vx v0, v0, s1\n"
#endif
        "add t0, t0, t3\n"
#endif
        "add t1, t1, t6\n"
#if $planes
        "vwmacc.vv v8, v0, v16\n"
#else
        "vwmacc.vx v8, t3, v16\n"
        "addi t0, t0, 4\n"
#endif
        "addi t2, t2, -1\n"
        "bnez t2, 2b\n"
#if !$planes
        "3: andi t2, a3, 3\n"
        "beqz t2, 5f\n"
        "4:\n"
        "lb t3, 0(t0)\n"
        "vle8.v v4, (t1)\n"
#if $less
        "sub t3, t3, s1\n"
#endif
        "vsext.vf2 v0, v4\n"
        "add t1, t1, t6\n"
        "vwmacc.vx v8, t3, v0\n"
        "addi t0, t0, 1\n"
        "addi t2, t2, -1\n"
        "bnez t2, 4b\n"
        "5:\n"
#endif
        "lw t3, 20(a5)\n"
        "add t5, t5, t3\n"
        "lw t3, 24(a5)\n"
        "add s0, s0, t3\n"
        "addi t4, t4, -1\n"
        "bnez t4, 1b\n"
        "vsetvli x0, x0, e32, m8, ta, ma\n"
        "lw t0, 4(a5)\n"
        "lw t1, 8(a5)\n"
        "lw t2, 12(a5)\n"
        "sub t3, t6, a6\n"
        "mul t3, t3, t2\n"
        "add t0, t0, t3\n"
        "add t1, t1, t3\n"
        "vlse32.v v16, (t0), t2\n"
        "vlse32.v v24, (t1), t2\n"
#if $once
        "vmulh.vv v8, v8, v16\n"
#else
        "vsmul.vv v8, v8, v16\n"
        "vsra.vi v16, v8, 31\n"
        "vadd.vv v8, v8, v16\n"
#endif
        "vssra.vv v8, v8, v24\n"
        "lw t3, 36(a5)\n"
        "vadd.vx v8, v8, t3\n"
        "vsetvli x0, x0, e16, m4, ta, ma\n"
        "vnclip.wi v0, v8, 0\n"
        "vsetvli x0, x0, e8, m2, ta, ma\n"
        "vnclip.wi v4, v0, 0\n"
        "vse8.v v4, (a4)\n"
        "add a4, a4, a7\n"
        "add a1, a1, a7\n"
#if $planes
        "add a0, a0, a7\n"
#endif
        "sub a6, a6, a7\n"
        "bnez a6, 0b\n"
        "lw s0, 0(sp)\n"
        "lw s1, 4(sp)\n"
        "addi sp, sp, 16\n"
        "ret\n"
    );
}
#else
@_apart static void @_$function(const int8_t *x, const int8_t *w, int rows, int run, int8_t *y, const @_layer *layer) {
    for (int j = 0; j < layer->channels; ++j) {
        const int at = layer->step / 4 * j;
        const int32_t *const m = layer->multiplier + at, e = layer->shift[at];
        int32_t v = layer->bias[j];
        for (int row = 0; row < rows; ++row) {
#if $planes
            const int8_t *a = x + row * layer->x_row + j, *b = w + row * layer->w_row + j;
            for (int i = 0; i < run; ++i, a += layer->tap, b += layer->channels) {
#else
            const int8_t *a = x + row * layer->x_row, *b = w + row * layer->w_row + j;
            for (int i = 0; i < run; ++i, a += 1, b += layer->channels) {
#endif
#if !$less
                v += *a * *b;
#else
                v += (*a - layer->from) * *b;
#endif
            }
        }
#if $once
        v = (int32_t)((int64_t)v * *m >> 32);
        v = ((v + (INT32_C(1) << (e - 1))) >> e) + layer->zero;
#else
        v = (int32_t)(((int64_t)v * *m + (INT64_C(1) << 30)) >> 31);
        v = ((v + (INT32_C(1) << (e - 1)) - (v < 0)) >> e) + layer->zero;
#endif
        y[j] = (int8_t)(v < -128 ? -128 : v > 127 ? 127 : v);
    }
}
#endif

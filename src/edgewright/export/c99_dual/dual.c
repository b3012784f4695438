/* Integer operators for cores that multiply two pairs of 16-bit numbers at once; the modules beside write the tables. */
#include <stdint.h>
#include <string.h>
#define @_apart
#define $once 1
#define $short 1
#define $plane planes_3x2
#define $end 16
#define $rows 3
#define $stride 4
#define $instructions
#define $taps \
    @_each(t[0], @_bytes(x[0]), &s0, &s2); \
    @_each(t[1], @_others(x[0]), &s1, &s3); \
    @_each(t[2], @_bytes(x[1]), &s0, &s2); \
    @_each(t[3], @_others(x[1]), &s1, &s3);

/* block where */
/* Cores with two 16-bit multipliers: assembly where GCC or Clang read it, else intrinsics, else C99 over the same
 * tables. -D@_NO_ASSEMBLY and -D@_NO_INTRINSICS leave the faster forms out. */
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP && !defined(@_NO_INTRINSICS)
#include <arm_acle.h>
#define @_INTRINSICS 1
#if defined(__GNUC__) && defined(__thumb2__) && !defined(@_NO_ASSEMBLY)
#define @_ASSEMBLY 1
#endif
#endif

/* block two */
/* sum + the product of the low halfwords + that of the high ones. */
static inline int32_t @_two(uint32_t w, uint32_t x, int32_t sum) {
#ifdef @_INTRINSICS
    return __smlad((int16x2_t)w, (int16x2_t)x, sum);
#else
    const int32_t low = (int32_t)(int16_t)(w & 0xFFFFu) * (int16_t)(x & 0xFFFFu);
    const int32_t high = (int32_t)(int16_t)(w >> 16) * (int16_t)(x >> 16);
    return (int32_t)((uint32_t)sum + (uint32_t)low + (uint32_t)high);
#endif
}

/* block bytes */
/* The first and the third byte as halfwords, with their signs. */
static inline uint32_t @_bytes(uint32_t x) {
#ifdef @_INTRINSICS
    return (uint32_t)__sxtb16((int8x4_t)x);
#else
    return (uint32_t)(uint16_t)(int8_t)(x & 0xFFu) | (uint32_t)(uint16_t)(int8_t)(x >> 16 & 0xFFu) << 16;
#endif
}

/* block others */
/* The second and the fourth byte as halfwords, with their signs. */
static inline uint32_t @_others(uint32_t x) {
#ifdef @_ASSEMBLY
    uint32_t made;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(made) : "r"(x));
    return made;
#else
    return @_bytes(x >> 8);
#endif
}

/* block second */
/* The sum of the second row of a pair: `both` has it 256 times, beside that of the first. */
static inline int32_t @_second(int32_t both, int32_t first) {
    return (int32_t)((uint32_t)both - (uint32_t)first) >> 8;
}

/* block rounded_once */
/* v * m / 2^(32 + e), rounded once: no product but 0 ends with 32 zeros, so that its upper half says it all. */
static inline int32_t @_rounded_once(int32_t v, int32_t m, int32_t e) {
    return ((int32_t)((int64_t)v * m >> 32) + (INT32_C(1) << (e - 1))) >> e;
}

/* block rounded_sum */
/* v * m / 2^32 / 2^e, rounded at the product, halves upwards, and at the shift, halves away from zero. */
static inline int32_t @_rounded_sum(int32_t v, int32_t m, int32_t e) {
    const int32_t high = (int32_t)(((int64_t)v * m + (INT64_C(1) << 31)) >> 32);
    return (high + (INT32_C(1) << (e - 1)) - (high < 0)) >> e;
}

/* block rounded_twice */
static inline int32_t @_rounded_twice(int32_t v, int32_t m, int32_t e) {
    return @_rounded_sum(2 * v, m, e);
}

/* block byte */
static inline int32_t @_byte(int32_t v) {
#ifdef @_INTRINSICS
#ifdef __GNUC__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
#endif
    return __ssat(v, 8);
#ifdef __GNUC__
#pragma GCC diagnostic pop
#endif
#else
    return v < -128 ? -128 : v > 127 ? 127 : v;
#endif
}

/* block filters */
/* Filters: zero point of the output, end and beginning of their weights, pairs of inputs. */
typedef struct {
    int32_t zero;
    const uint32_t *end, *weights;
    int32_t pairs;
} @_filters;

/* block side_by_side */
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
}

/* block patch */
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
}

/* block two_places */
/* Two places of all filters, rescaled, in blocks of four: two pairs, each with a sum of both rows and one of the first.
 * x has the places in turn; w begins with what the sums begin with and ends with factors. */
#ifdef @_ASSEMBLY
__attribute__((naked, noinline, used)) static void @_two_places(
    const uint32_t *x __attribute__((unused)), const @_filters *filters __attribute__((unused)),
    int8_t *y __attribute__((unused)), int8_t *other __attribute__((unused))) {
    __asm__ volatile(
        "push {r4-r11, lr}\n"
        "sub sp, sp, #28\n"
        "ldm r1, {r4-r7}\n"
        "add r8, r0, r7, lsl #3\n"
        "mov r9, r4\n"
        "strd r0, r7, [sp]\n"
        "strd r8, r9, [sp, #8]\n"
        "strd r2, r3, [sp, #16]\n"
        "str r5, [sp, #24]\n"
        "mov r1, r6\n"
        "0: ldm sp, {r0, r12}\n"
        "ldm r1, {r4-r7}\n"
        "ldm r1!, {r8-r11}\n"
        "and r12, r12, #3\n"
        "tbb [pc, r12]\n"
        "5: .byte (1f - 5b) / 2, (4f - 5b) / 2, (3f - 5b) / 2, (2f - 5b) / 2\n"
        "1:\n"
        "ldm r0!, {r2, r3}\n"
        "ldm r1!, {r12, lr}\n"
        "smlad r4, r12, r2, r4\n"
        "smlad r8, r12, r3, r8\n"
        "smlad r6, lr, r2, r6\n"
        "smlad r10, lr, r3, r10\n"
        "sxtb16 r12, r12\n"
        "smlad r5, r12, r2, r5\n"
        "smlad r9, r12, r3, r9\n"
        "sxtb16 lr, lr\n"
        "smlad r7, lr, r2, r7\n"
        "smlad r11, lr, r3, r11\n"
        "2:\n"
        "ldm r0!, {r2, r3}\n"
        "ldm r1!, {r12, lr}\n"
        "smlad r4, r12, r2, r4\n"
        "smlad r8, r12, r3, r8\n"
        "smlad r6, lr, r2, r6\n"
        "smlad r10, lr, r3, r10\n"
        "sxtb16 r12, r12\n"
        "smlad r5, r12, r2, r5\n"
        "smlad r9, r12, r3, r9\n"
        "sxtb16 lr, lr\n"
        "smlad r7, lr, r2, r7\n"
        "smlad r11, lr, r3, r11\n"
        "3:\n"
        "ldm r0!, {r2, r3}\n"
        "ldm r1!, {r12, lr}\n"
        "smlad r4, r12, r2, r4\n"
        "smlad r8, r12, r3, r8\n"
        "smlad r6, lr, r2, r6\n"
        "smlad r10, lr, r3, r10\n"
        "sxtb16 r12, r12\n"
        "smlad r5, r12, r2, r5\n"
        "smlad r9, r12, r3, r9\n"
        "sxtb16 lr, lr\n"
        "smlad r7, lr, r2, r7\n"
        "smlad r11, lr, r3, r11\n"
        "4:\n"
        "ldm r0!, {r2, r3}\n"
        "ldm r1!, {r12, lr}\n"
        "smlad r4, r12, r2, r4\n"
        "smlad r8, r12, r3, r8\n"
        "smlad r6, lr, r2, r6\n"
        "smlad r10, lr, r3, r10\n"
        "sxtb16 r12, r12\n"
        "smlad r5, r12, r2, r5\n"
        "smlad r9, r12, r3, r9\n"
        "sxtb16 lr, lr\n"
        "smlad r7, lr, r2, r7\n"
        "smlad r11, lr, r3, r11\n"
        "ldr r2, [sp, #8]\n"
        "cmp r0, r2\n"
        "bne 1b\n"
        "sub r4, r4, r5\n"
        "asr r4, r4, #7\n"
        "lsl r5, r5, #1\n"
        "sub r6, r6, r7\n"
        "asr r6, r6, #7\n"
        "lsl r7, r7, #1\n"
        "sub r8, r8, r9\n"
        "asr r8, r8, #7\n"
        "lsl r9, r9, #1\n"
        "sub r10, r10, r11\n"
        "asr r10, r10, #7\n"
        "lsl r11, r11, #1\n"
        "add r12, sp, #12\n"
        "ldm r12, {r0, r12, lr}\n"
        "ldrd r2, r3, [r1], #8\n"
        "smmulr r5, r5, r2\n"
        "add r5, r5, r5, asr #31\n"
        "asrs r5, r5, r3\n"
        "adc r5, r5, r0\n"
        "ssat r5, #8, r5\n"
        "strb r5, [r12], #1\n"
        "smmulr r9, r9, r2\n"
        "add r9, r9, r9, asr #31\n"
        "asrs r9, r9, r3\n"
        "adc r9, r9, r0\n"
        "ssat r9, #8, r9\n"
        "strb r9, [lr], #1\n"
        "ldrd r2, r3, [r1], #8\n"
        "smmulr r4, r4, r2\n"
        "add r4, r4, r4, asr #31\n"
        "asrs r4, r4, r3\n"
        "adc r4, r4, r0\n"
        "ssat r4, #8, r4\n"
        "strb r4, [r12], #1\n"
        "smmulr r8, r8, r2\n"
        "add r8, r8, r8, asr #31\n"
        "asrs r8, r8, r3\n"
        "adc r8, r8, r0\n"
        "ssat r8, #8, r8\n"
        "strb r8, [lr], #1\n"
        "ldrd r2, r3, [r1], #8\n"
        "smmulr r7, r7, r2\n"
        "add r7, r7, r7, asr #31\n"
        "asrs r7, r7, r3\n"
        "adc r7, r7, r0\n"
        "ssat r7, #8, r7\n"
        "strb r7, [r12], #1\n"
        "smmulr r11, r11, r2\n"
        "add r11, r11, r11, asr #31\n"
        "asrs r11, r11, r3\n"
        "adc r11, r11, r0\n"
        "ssat r11, #8, r11\n"
        "strb r11, [lr], #1\n"
        "ldrd r2, r3, [r1], #8\n"
        "smmulr r6, r6, r2\n"
        "add r6, r6, r6, asr #31\n"
        "asrs r6, r6, r3\n"
        "adc r6, r6, r0\n"
        "ssat r6, #8, r6\n"
        "strb r6, [r12], #1\n"
        "smmulr r10, r10, r2\n"
        "add r10, r10, r10, asr #31\n"
        "asrs r10, r10, r3\n"
        "adc r10, r10, r0\n"
        "ssat r10, #8, r10\n"
        "strb r10, [lr], #1\n"
        "strd r12, lr, [sp, #16]\n"
        "ldr r2, [sp, #24]\n"
        "cmp r1, r2\n"
        "bne 0b\n"
        "add sp, sp, #28\n"
        "pop {r4-r11, pc}\n"
    );
}
#else
@_apart static void @_two_places(const uint32_t *x, const @_filters *filters, int8_t *y, int8_t *other) {
    const int32_t zero = filters->zero;
    const uint32_t *w = filters->weights;
    do {
        int32_t a0 = (int32_t)w[0], s0 = (int32_t)w[1], a1 = (int32_t)w[2], s1 = (int32_t)w[3];
        int32_t b0 = a0, t0 = s0, b1 = a1, t1 = s1;
        const uint32_t *v = x;
        w += 4;
        for (int32_t i = filters->pairs; i > 0; --i, v += 2, w += 2) {
            const uint32_t low0 = @_bytes(w[0]), low1 = @_bytes(w[1]);
            a0 = @_two(w[0], v[0], a0);
            b0 = @_two(w[0], v[1], b0);
            a1 = @_two(w[1], v[0], a1);
            b1 = @_two(w[1], v[1], b1);
            s0 = @_two(low0, v[0], s0);
            t0 = @_two(low0, v[1], t0);
            s1 = @_two(low1, v[0], s1);
            t1 = @_two(low1, v[1], t1);
        }
        const int32_t sums[8] = {
            s0, t0, @_second(a0, s0), @_second(b0, t0), s1, t1, @_second(a1, s1), @_second(b1, t1),
        };
        for (int k = 0; k < 4; ++k, w += 2) {
            const int32_t m = (int32_t)w[0], e = (int32_t)w[1];
            *y++ = (int8_t)@_byte(@_rounded_twice(sums[2 * k], m, e) + zero);
            *other++ = (int8_t)@_byte(@_rounded_twice(sums[2 * k + 1], m, e) + zero);
        }
    } while (w != filters->end);
}
#endif

/* block layer */
/* A dense layer: shift and zero point of its output, factor, end and beginning of its weights, pairs of inputs. */
typedef struct {
    int16_t e, zero;
    int32_t m;
    const uint32_t *end, *weights;
    int32_t pairs;
} @_layer;

/* block anew */
/* Addresses are worked out anew for each layer: registers that keep them for the next would be saved on the stack. */
#ifdef @_ASSEMBLY
#define @_ANEW __asm__ volatile("" : "+r"(context));
#else
#define @_ANEW
#endif

/* block widen */
/* Bytes as 16-bit numbers, two in a word; what a last word has besides meets weights of 0. */
@_apart static void @_widen(const int8_t *x, int n, uint32_t *to) {
    for (; n > 1; n -= 2, x += 2) {
        *to++ = (uint32_t)(uint16_t)x[0] | (uint32_t)(uint16_t)x[1] << 16;
    }
    if (n > 0) {
        *to = (uint32_t)(uint16_t)x[0];
    }
}

/* block narrow_bytes */
static void @_narrow_bytes(const uint32_t *x, int n, int8_t *to) {
    for (; n > 1; n -= 2, ++x, to += 2) {
        to[0] = (int8_t)(*x & 0xFFu);
        to[1] = (int8_t)(*x >> 16 & 0xFFu);
    }
    if (n > 0) {
        to[0] = (int8_t)(*x & 0xFFu);
    }
}

/* block dense */
/* y = x * rows + biases, rescaled, in blocks of four rows: two pairs, each with a sum of both and one of the first.
 * Numbers of 16 bits, two in a word; w begins with what the sums begin with. */
#ifdef @_ASSEMBLY
#if $once
__attribute__((naked, noinline, used)) static void @_dense_once(
#else
__attribute__((naked, noinline, used)) static void @_dense_twice(
#endif
    const uint32_t *x __attribute__((unused)), const @_layer *layer __attribute__((unused)),
    uint32_t *y __attribute__((unused))) {
    __asm__ volatile(
        "push {r4-r11, lr}\n"
        "push {r1}\n"
        "ldrd r1, r3, [r1, #12]\n"
        "push {r0, r3}\n"
        "0: ldm sp, {r0, r3}\n"
        "ldm r1!, {r4-r7}\n"
        "lsrs r3, r3, #1\n"
#if $short
        "bcc 5f\n"
        "ldr lr, [r0], #4\n"
        "ldrd r10, r11, [r1], #8\n"
        "smlad r4, r10, lr, r4\n"
        "sxtb16 r10, r10\n"
        "smlad r5, r10, lr, r5\n"
        "smlad r6, r11, lr, r6\n"
        "sxtb16 r11, r11\n"
        "smlad r7, r11, lr, r7\n"
        "5: lsrs r3, r3, #1\n"
        "adc r3, r3, #0\n"
        "bcs 2f\n"
#else
        "and r8, r3, #3\n"
        "adds r3, r3, #3\n"
        "lsrs r3, r3, #2\n"
        "tbb [pc, r8]\n"
        "5: .byte (1f - 5b) / 2, (4f - 5b) / 2, (3f - 5b) / 2, (2f - 5b) / 2\n"
#endif
        "1:\n"
        "ldm r0!, {r12, lr}\n"
        "ldm r1!, {r8-r11}\n"
        "smlad r4, r8, r12, r4\n"
        "sxtb16 r8, r8\n"
        "smlad r5, r8, r12, r5\n"
        "smlad r6, r9, r12, r6\n"
        "sxtb16 r9, r9\n"
        "smlad r7, r9, r12, r7\n"
        "smlad r4, r10, lr, r4\n"
        "sxtb16 r10, r10\n"
        "smlad r5, r10, lr, r5\n"
        "smlad r6, r11, lr, r6\n"
        "sxtb16 r11, r11\n"
        "smlad r7, r11, lr, r7\n"
        "2:\n"
#if !$short
        "ldm r0!, {r12, lr}\n"
        "ldm r1!, {r8-r11}\n"
        "smlad r4, r8, r12, r4\n"
        "sxtb16 r8, r8\n"
        "smlad r5, r8, r12, r5\n"
        "smlad r6, r9, r12, r6\n"
        "sxtb16 r9, r9\n"
        "smlad r7, r9, r12, r7\n"
        "smlad r4, r10, lr, r4\n"
        "sxtb16 r10, r10\n"
        "smlad r5, r10, lr, r5\n"
        "smlad r6, r11, lr, r6\n"
        "sxtb16 r11, r11\n"
        "smlad r7, r11, lr, r7\n"
        "3:\n"
        "ldm r0!, {r12, lr}\n"
        "ldm r1!, {r8-r11}\n"
        "smlad r4, r8, r12, r4\n"
        "sxtb16 r8, r8\n"
        "smlad r5, r8, r12, r5\n"
        "smlad r6, r9, r12, r6\n"
        "sxtb16 r9, r9\n"
        "smlad r7, r9, r12, r7\n"
        "smlad r4, r10, lr, r4\n"
        "sxtb16 r10, r10\n"
        "smlad r5, r10, lr, r5\n"
        "smlad r6, r11, lr, r6\n"
        "sxtb16 r11, r11\n"
        "smlad r7, r11, lr, r7\n"
        "4:\n"
#endif
        "ldm r0!, {r12, lr}\n"
        "ldm r1!, {r8-r11}\n"
        "smlad r4, r8, r12, r4\n"
        "sxtb16 r8, r8\n"
        "smlad r5, r8, r12, r5\n"
        "smlad r6, r9, r12, r6\n"
        "sxtb16 r9, r9\n"
        "smlad r7, r9, r12, r7\n"
        "smlad r4, r10, lr, r4\n"
        "sxtb16 r10, r10\n"
        "smlad r5, r10, lr, r5\n"
        "smlad r6, r11, lr, r6\n"
        "sxtb16 r11, r11\n"
        "smlad r7, r11, lr, r7\n"
        "subs r3, r3, #1\n"
        "bne 1b\n"
        "subs r4, r4, r5\n"
#if $once
        "asrs r4, r4, #8\n"
#else
        "asrs r4, r4, #7\n"
#endif
        "subs r6, r6, r7\n"
#if $once
        "asrs r6, r6, #8\n"
#else
        "asrs r6, r6, #7\n"
        "lsls r5, r5, #1\n"
        "lsls r7, r7, #1\n"
#endif
        "ldr r0, [sp, #8]\n"
        "ldm r0, {r3, r8, r9}\n"
        "asrs r0, r3, #16\n"
#if $once
        "smmul r5, r5, r8\n"
#else
        "smmulr r5, r5, r8\n"
        "add r5, r5, r5, asr #31\n"
#endif
        "asrs r5, r5, r3\n"
        "adcs r5, r5, r0\n"
        "ssat r5, #8, r5\n"
#if $once
        "smmul r4, r4, r8\n"
#else
        "smmulr r4, r4, r8\n"
        "add r4, r4, r4, asr #31\n"
#endif
        "asrs r4, r4, r3\n"
        "adcs r4, r4, r0\n"
        "ssat r4, #8, r4\n"
#if $once
        "smmul r7, r7, r8\n"
#else
        "smmulr r7, r7, r8\n"
        "add r7, r7, r7, asr #31\n"
#endif
        "asrs r7, r7, r3\n"
        "adcs r7, r7, r0\n"
        "ssat r7, #8, r7\n"
#if $once
        "smmul r6, r6, r8\n"
#else
        "smmulr r6, r6, r8\n"
        "add r6, r6, r6, asr #31\n"
#endif
        "asrs r6, r6, r3\n"
        "adcs r6, r6, r0\n"
        "ssat r6, #8, r6\n"
        "pkhbt r4, r5, r4, lsl #16\n"
        "pkhbt r5, r7, r6, lsl #16\n"
        "stm r2!, {r4, r5}\n"
        "cmp r1, r9\n"
        "bne 0b\n"
        "add sp, sp, #12\n"
        "pop {r4-r11, pc}\n"
    );
}
#else
#if $once
@_apart static void @_dense_once(const uint32_t *x, const @_layer *layer, uint32_t *y) {
#else
@_apart static void @_dense_twice(const uint32_t *x, const @_layer *layer, uint32_t *y) {
#endif
    const int32_t m = layer->m, e = layer->e, zero = layer->zero;
    const uint32_t *w = layer->weights;
    do {
        int32_t a0 = (int32_t)w[0], s0 = (int32_t)w[1], a1 = (int32_t)w[2], s1 = (int32_t)w[3];
        const uint32_t *v = x;
        w += 4;
        for (int32_t i = layer->pairs; i > 0; --i, ++v, w += 2) {
            a0 = @_two(w[0], *v, a0);
            s0 = @_two(@_bytes(w[0]), *v, s0);
            a1 = @_two(w[1], *v, a1);
            s1 = @_two(@_bytes(w[1]), *v, s1);
        }
#if $once
        const int32_t y0 = @_byte(@_rounded_once(s0, m, e) + zero), y1 = @_byte(@_rounded_once(@_second(a0, s0), m, e) + zero);
        const int32_t y2 = @_byte(@_rounded_once(s1, m, e) + zero), y3 = @_byte(@_rounded_once(@_second(a1, s1), m, e) + zero);
#else
        const int32_t y0 = @_byte(@_rounded_twice(s0, m, e) + zero), y1 = @_byte(@_rounded_twice(@_second(a0, s0), m, e) + zero);
        const int32_t y2 = @_byte(@_rounded_twice(s1, m, e) + zero), y3 = @_byte(@_rounded_twice(@_second(a1, s1), m, e) + zero);
#endif
        *y++ = (uint32_t)(uint16_t)y0 | (uint32_t)(uint16_t)y1 << 16;
        *y++ = (uint32_t)(uint16_t)y2 | (uint32_t)(uint16_t)y3 << 16;
    } while (w != layer->end);
}
#endif

/* block each */
/* sums[0] + the product of the low halfwords, and sums[1] + that of the high ones. */
static inline void @_each(uint32_t w, uint32_t x, int32_t *low, int32_t *high) {
#ifdef @_INTRINSICS
    *low = __smlabb((int32_t)w, (int32_t)x, *low);
    *high = __smlatt((int32_t)w, (int32_t)x, *high);
#else
    *low += (int32_t)(int16_t)(w & 0xFFFFu) * (int16_t)(x & 0xFFFFu);
    *high += (int32_t)(int16_t)(w >> 16) * (int16_t)(x >> 16);
#endif
}

/* block planes */
/* Places of the output, words of a plane from one to the next, those of a line of taps, channels, zero point. */
typedef struct {
    int rows, columns, down, right, line, channels;
    int32_t zero;
} @_planes;

/* block plane */
/* Four channels: w has their biases, two words for each tap, and their factors; biases and weights are doubled. */
#ifdef @_ASSEMBLY
__attribute__((naked, noinline, used)) static void @_$plane(
    const uint32_t *plane __attribute__((unused)), const uint32_t *w __attribute__((unused)),
    int8_t *y __attribute__((unused)), const @_planes *p __attribute__((unused))) {
    __asm__ volatile(
        "push {r0, r1, r3, r4-r11, lr}\n"
        "ldr r12, [r3, #24]\n"
        "ldr r4, [r3]\n"
        "ldr r3, [r3, #16]\n"
        "lsl r3, r3, #2\n"
        "sub sp, sp, #16\n"
        "str r4, [sp, #4]\n"
        "0: ldr r8, [sp, #24]\n"
        "ldr r4, [r8, #4]\n"
        "ldr r0, [sp, #16]\n"
        "str r4, [sp]\n"
        "1: str r0, [sp, #8]\n"
        "ldr r1, [sp, #20]\n"
        "ldm r1!, {r4-r7}\n"
$instructions
        "ldrd r8, r9, [r1], #8\n"
        "smmulr r4, r4, r8\n"
        "add r4, r4, r4, asr #31\n"
        "asrs r4, r4, r9\n"
        "adc r4, r4, r12\n"
        "ssat r4, #8, r4\n"
        "strb r4, [r2, #0]\n"
        "ldrd r8, r9, [r1], #8\n"
        "smmulr r5, r5, r8\n"
        "add r5, r5, r5, asr #31\n"
        "asrs r5, r5, r9\n"
        "adc r5, r5, r12\n"
        "ssat r5, #8, r5\n"
        "strb r5, [r2, #1]\n"
        "ldrd r8, r9, [r1], #8\n"
        "smmulr r6, r6, r8\n"
        "add r6, r6, r6, asr #31\n"
        "asrs r6, r6, r9\n"
        "adc r6, r6, r12\n"
        "ssat r6, #8, r6\n"
        "strb r6, [r2, #2]\n"
        "ldrd r8, r9, [r1], #8\n"
        "smmulr r7, r7, r8\n"
        "add r7, r7, r7, asr #31\n"
        "asrs r7, r7, r9\n"
        "adc r7, r7, r12\n"
        "ssat r7, #8, r7\n"
        "strb r7, [r2, #3]\n"
        "ldr r8, [sp, #24]\n"
        "ldrd r0, r4, [sp, #4]\n"
        "ldr r5, [r8, #20]\n"
        "add r2, r2, r5\n"
        "ldr r5, [r8, #12]\n"
        "ldr r6, [sp]\n"
        "add r0, r4, r5, lsl #2\n"
        "subs r6, r6, #1\n"
        "str r6, [sp]\n"
        "bne 1b\n"
        "ldr r4, [r8, #8]\n"
        "ldr r0, [sp, #16]\n"
        "add r0, r0, r4, lsl #2\n"
        "str r0, [sp, #16]\n"
        "ldr r4, [sp, #4]\n"
        "subs r4, r4, #1\n"
        "str r4, [sp, #4]\n"
        "bne 0b\n"
        "add sp, sp, #28\n"
        "pop {r4-r11, pc}\n"
    );
}
#else
@_apart static void @_$plane(const uint32_t *plane, const uint32_t *w, int8_t *y, const @_planes *p) {
    const int32_t zero = p->zero;
    const uint32_t *const f = w + $end;
    for (int row = 0; row < p->rows; ++row, plane += p->down) {
        const uint32_t *from = plane;
        for (int column = 0; column < p->columns; ++column, from += p->right, y += p->channels) {
            const uint32_t *x = from, *t = w + 4;
            int32_t s0 = (int32_t)w[0], s1 = (int32_t)w[1], s2 = (int32_t)w[2], s3 = (int32_t)w[3];
            for (int line = 0; line < $rows; ++line, x += p->line, t += $stride) {
$taps
            }
            y[0] = (int8_t)@_byte(@_rounded_sum(s0, (int32_t)f[0], (int32_t)f[1]) + zero);
            y[1] = (int8_t)@_byte(@_rounded_sum(s1, (int32_t)f[2], (int32_t)f[3]) + zero);
            y[2] = (int8_t)@_byte(@_rounded_sum(s2, (int32_t)f[4], (int32_t)f[5]) + zero);
            y[3] = (int8_t)@_byte(@_rounded_sum(s3, (int32_t)f[6], (int32_t)f[7]) + zero);
        }
    }
}
#endif

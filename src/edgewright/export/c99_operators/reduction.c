/* Reductions that are functions; `reduction.py` writes the calls. */
#include <math.h>
#define @_apart
#define @_apart
#define $name rest
#define $takes const float *x, float p
#define $term *x++ - p
#define $text what neighbours exceed
#define $step
#define $floats 1
#define $instructions
#define $pointers [x] "+r"(x), [n] "+r"(n)
#define $levels [p] "t"(p)

/* block most */
/* The largest of neighbours; not a number where one is not. */
@_apart static float @_most(const float *x, int count) {
    float a = *x;
    for (const float *const end = x + count; x != end; ++x) {
        if (!(*x <= a)) {
            a = *x;
            if (a != a) {
                break;
            }
        }
    }
    return a;
}

/* block softmax */
static void @_softmax(const float *in, float *out, int count, int step) {
    float top = in[0], total = 0.0f;
    for (int i = 1; i < count; ++i) {
        if (in[i * step] > top) {
            top = in[i * step];
        }
    }
    for (int i = 0; i < count; ++i) {
        out[i * step] = expf(in[i * step] - top);
        total += out[i * step];
    }
    for (int i = 0; i < count; ++i) {
        out[i * step] /= total;
    }
}

/* block sum */
/* Sum of $text, in blocks: float32 loses the digits of a block instead of those of the whole length. */
@_apart static float @_$name($takes, int count) {
    float a = 0.0f;
#if $floats
#ifdef @_FLOATS
    while (count >= 8) {
        int n = count < 128 ? count / 8 : 16;
        float b = 0.0f, c = 0.0f, d = 0.0f, e = 0.0f;
        count -= 8 * n;
        __asm__ volatile(
            "0: vldmia %[x]!, {s0-s7}\n"
$instructions
            "subs %[n], %[n], #1\n"
            "bne 0b\n"
            : $pointers, [b] "+t"(b), [c] "+t"(c), [d] "+t"(d), [e] "+t"(e)
            : $levels
            : "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "cc", "memory");
        a += (b + c) + (d + e);
    }
#endif
#endif
    while (count > 0) {
        float b = 0.0f;
        for (int i = count < 32 ? count : 32; i > 0; --i$step) {
            b += $term;
        }
        a += b;
        count -= 32;
    }
    return a;
}

/* block known_sum */
/* Sum of what neighbours exceed, another number in place of those that are missing. */
@_apart static float @_known_sum(const float *x, float missing, float p, int count) {
    float a = @_rest(x, p, count);
    if (fabsf(a) <= 3.4028235e+38f) {
        /* None is missing. */
        return a;
    }
    a = 0.0f;
    while (count > 0) {
        float b = 0.0f;
        for (int i = count < 32 ? count : 32; i > 0; --i, ++x) {
            b += (fabsf(*x) <= 3.4028235e+38f ? *x : missing) - p;
        }
        a += b;
        count -= 32;
    }
    return a;
}

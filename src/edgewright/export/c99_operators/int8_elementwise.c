/* Softmax of bytes; `int8_elementwise.py` writes the table and the calls. */
#include <stdint.h>
int32_t @_divide(int32_t value, int shift);

/* block high */
/* a * b / 2^31, halves upwards. */
static int32_t @_high(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + (INT64_C(1) << 30)) >> 31);
}

/* block reciprocal */
/* 1 / (1 + x) for x from 0 to 1 without integer bits. */
static int32_t @_reciprocal(int32_t x) {
    const int32_t half = (int32_t)(((int64_t)x + INT32_MAX + 1) >> 1);
    int64_t y = 1515870810 + (int64_t)@_high(half, -1010580540);
    for (int i = 0; i < 3; ++i) {
        const int32_t error = (INT32_C(1) << 29) - @_high(half, (int32_t)y);
        y += (int64_t)@_high((int32_t)y, error) * 4;
    }
    y *= 2;
    return y > INT32_MAX ? INT32_MAX : (int32_t)y;
}

/* block softmax_bytes */
/* powers: exp of minus 0 to 255 steps without integer bits, -1 where it is too small to count. */
static void @_softmax_bytes(const int8_t *in, int8_t *out, int count, const int32_t *powers) {
    int8_t top = INT8_MIN;
    int32_t total = 0;
    int headroom = 0;
    for (int i = 0; i < count; ++i) {
        top = in[i] > top ? in[i] : top;
    }
    for (int i = 0; i < count; ++i) {
        const int32_t power = powers[top - in[i]];
        total += power < 0 ? 0 : @_divide(power, 12);
    }
    while (headroom < 31 && ((uint32_t)total << headroom) < UINT32_C(0x80000000)) {
        ++headroom;
    }
    const int32_t inverse = @_reciprocal((int32_t)(((uint32_t)total << headroom) - UINT32_C(0x80000000)));
    for (int i = 0; i < count; ++i) {
        const int32_t power = powers[top - in[i]];
        const int shift = 35 - headroom;
        const int32_t value = power < 0 ? 0 : (shift > 31 ? 0 : @_divide(@_high(inverse, power), shift));
        out[i] = (int8_t)(value > 255 ? 127 : value - 128);
    }
}

/* From sums to bytes: products with a power of two, rounded as LiteRT and TFLM round. */
#include <math.h>
#include <stdint.h>

/* block clamp */
static int8_t @_clamp(int32_t v, int32_t low, int32_t high) {
    v = v < low ? low : v;
    v = v > high ? high : v;
    return (int8_t)v;
}

/* block divide */
/* v / 2^e, halves away from zero. */
static int32_t @_divide(int32_t v, int e) {
    const int32_t mask = (int32_t)((UINT32_C(1) << e) - 1);
    return (v >> e) + ((v & mask) > (mask >> 1) + (v < 0));
}

/* block twice */
/* v * m / 2^31 * 2^s: rounded at the product, halves upwards, and at the shift, halves away from zero. */
static int32_t @_twice(int32_t v, int32_t m, int s) {
    const int64_t left = s > 0 ? INT64_C(1) << s : 1;
    const int32_t high = (int32_t)((v * left * m + (INT64_C(1) << 30)) >> 31);
    return s < 0 ? @_divide(high, -s) : high;
}

/* block down */
/* v * m / 2^31 / 2^e: rounded at the product, halves upwards, and at the shift, halves away from zero; e > 0. */
static int32_t @_down(int32_t v, int32_t m, int e) {
    const int32_t high = (int32_t)(((int64_t)v * m + (INT64_C(1) << 30)) >> 31);
    return (high + (INT32_C(1) << (e - 1)) - (high < 0)) >> e;
}

/* block narrow */
/* v * m / 2^s, rounded once, halves away from zero; s > 31. */
static int32_t @_narrow(int32_t v, int32_t m, int s) {
    const int64_t p = (int64_t)v * m;
    return (int32_t)((p + (INT64_C(1) << (s - 1)) - (p < 0)) >> s);
}

/* block once */
/* v * m / 2^s, rounded once, halves away from zero. */
static int64_t @_once(int32_t v, int64_t m, int s) {
    const int64_t p = v * m;
    return (p + (INT64_C(1) << (s - 1)) - (p < 0)) >> s;
}

/* block clamp_long */
static int8_t @_clamp_long(int64_t v, int64_t low, int64_t high) {
    return (int8_t)(v < low ? low : v > high ? high : v);
}

/* block to_byte */
/* x on a grid: divided in float, halves away from zero; not a number stands for the real number 0. */
static int8_t @_to_byte(float x, float scale, int zero) {
    const float q = x / scale;
    if (!(fabsf(q) < 512.0f)) {
        return (int8_t)(q != q ? zero : q < 0.0f ? -128 : 127);
    }
    const int halves = (int)(2.0f * q), v = (halves + (halves < 0 ? -1 : 1)) / 2 + zero, low = v < -128 ? -128 : v;
    return (int8_t)(low > 127 ? 127 : low);
}

/* block average */
/* sum / count, halves away from zero. */
static int32_t @_average(int32_t sum, int32_t count) {
    return (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
}

/* What layers with a state have in common. */
#include <stdint.h>

/* block within */
static int32_t @_within(int32_t v) {
    return v < INT16_MIN ? INT16_MIN : v > INT16_MAX ? INT16_MAX : v;
}

/* block between */
/* Between two entries of the table, those of x / 2^bits. */
static int32_t @_between(const uint16_t *table, int32_t x, int bits, int32_t beyond) {
    const int32_t i = x >> bits;
    const int32_t first = table[i < 255 ? i : 254], second = table[i < 255 ? i + 1 : 255];
    return i < 255 ? first * (1 << bits) + (x & ((1 << bits) - 1)) * (second - first) : beyond;
}

/* block sigmoid_between */
static int32_t @_sigmoid_between(const uint16_t *table, int32_t x) {
    const int32_t value = @_between(table, x < 0 ? -x : x, 9, 0x7FFF * 1024);
    return (x >= 0 ? value + 512 : (1 << 25) - value + 511) >> 10;
}

/* block tanh_between */
static int32_t @_tanh_between(const uint16_t *table, int32_t x) {
    const int32_t value = @_between(table, x < 0 ? -x : x, 8, 0xFFFF * 256);
    return (x >= 0 ? value - (1 << 23) + 128 : (1 << 23) - value + 127) >> 8;
}

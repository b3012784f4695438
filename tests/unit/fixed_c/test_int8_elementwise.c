#include "c99_operators/int8_elementwise.c"
#include "check.h"

int32_t ew_divide(int32_t value, int shift) {
    const int64_t half = INT64_C(1) << (shift - 1);
    return (int32_t)(value < 0 ? -((half - value) >> shift) : (value + half) >> shift);
}

int main(void) {
    static int32_t powers[256];
    for (int i = 0; i < 256; ++i) {
        /* Halves: exp of a step is 1/2. */
        powers[i] = i < 20 ? INT32_MAX >> i : -1;
    }
    const int8_t equal[4] = {5, 5, 5, 5}, apart[2] = {100, -100};
    int8_t out[4];
    ew_softmax_bytes(equal, out, 4, powers);
    CHECK(out[0] == -64 && out[1] == -64 && out[2] == -64 && out[3] == -64);
    ew_softmax_bytes(apart, out, 2, powers);
    CHECK(out[0] == 127 && out[1] == -128);
    CHECK(ew_high(INT32_C(1) << 30, INT32_C(1) << 30) == INT32_C(1) << 29);
    /* 1 / (1 + 0) is all ones, 1 / (1 + 1) a half. */
    CHECK(ew_reciprocal(0) > INT32_MAX - 64 && is_near(ew_reciprocal(INT32_MAX) / 1073741824.0, 1.0));
    return failures;
}

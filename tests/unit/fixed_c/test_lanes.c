#include "c99_rvv/lanes.c"
#include "check.h"

int main(void) {
    /* Two channels of three inputs; a factor of 2^30 over 2^32 is a quarter, and its shift halves that. */
    const int32_t bias[2] = {8, -800}, multiplier[1] = {1 << 30}, shift[1] = {1};
    const int8_t x[3] = {10, 20, -30}, weights[6] = {4, 1, 2, -1, -1, 3};
    const ew_layer layer = {bias, multiplier, shift, 0, 2, 0, 0, 0, 0, 5};
    int8_t y[2];
    ew_filters_once(x, weights, 1, 3, y, &layer);
    /* (8 + 40 + 40 + 30) / 8 + 5 and (-800 + 10 - 20 - 90) / 8 + 5. */
    CHECK(y[0] == 20 && y[1] == -107);
    return failures;
}

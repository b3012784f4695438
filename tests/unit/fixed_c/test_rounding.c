#include "c99_operators/rounding.c"
#include "check.h"

int main(void) {
    CHECK(ew_clamp(300, -128, 127) == 127 && ew_clamp(-300, -128, 127) == -128 && ew_clamp(5, 0, 6) == 5);
    CHECK(ew_clamp_long(INT64_C(1) << 40, -128, 127) == 127);
    /* Halves go away from zero. */
    CHECK(ew_divide(3, 1) == 2 && ew_divide(-3, 1) == -2 && ew_divide(5, 2) == 1 && ew_divide(-6, 2) == -2);
    /* 2^30 over 2^31 is a half. */
    CHECK(ew_twice(7, 1 << 30, 0) == 4 && ew_twice(-7, 1 << 30, 0) == -3 && ew_twice(7, 1 << 30, 1) == 7);
    CHECK(ew_down(40, 1 << 30, 2) == ew_twice(40, 1 << 30, -2) && ew_down(-40, 1 << 30, 2) == -5);
    CHECK(ew_narrow(3, 1 << 30, 32) == 1 && ew_narrow(6, 1 << 30, 32) == 2 && ew_narrow(-6, 1 << 30, 32) == -2);
    CHECK(ew_once(6, INT64_C(1) << 30, 32) == 2);
    CHECK(ew_to_byte(0.25f, 0.5f, 3) == 4 && ew_to_byte(-0.25f, 0.5f, 3) == 2 && ew_to_byte(NAN, 0.5f, 3) == 3);
    CHECK(ew_to_byte(INFINITY, 0.5f, 3) == 127 && ew_to_byte(-1e9f, 0.5f, 3) == -128);
    CHECK(ew_average(7, 2) == 4 && ew_average(-7, 2) == -4 && ew_average(4, 3) == 1);
    return failures;
}

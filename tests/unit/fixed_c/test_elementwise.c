#include "c99_operators/elementwise.c"
#include "check.h"

int main(void) {
    CHECK(is_near(ew_max(1.0f, 2.0f), 2.0) && is_near(ew_min(1.0f, 2.0f), 1.0) && isnan(ew_max(NAN, 1.0f)));
    CHECK(is_near(ew_relu(-1.0f), 0.0) && isnan(ew_relu(NAN)) && is_near(ew_leakyrelu(-2.0f, 0.1f), -0.2));
    CHECK(is_near(ew_sign(-3.0f), -1.0) && is_near(ew_sigmoid(0.0f), 0.5) && ew_isnan(NAN) && !ew_isnan(1.0f));
    /* What does not fit is the nearest number. */
    CHECK(ew_whole(3e9f) == INT32_MAX && ew_whole(-3e9f) == INT32_MIN && ew_whole(NAN) == 0 && ew_whole(-2.7f) == -2);
    /* Of the error function the two formulas here are 1 - exp(-2 t) and a + a^3. */
    CHECK(is_near(ew_erf(2.0f), 1.0 - exp(-4.0)) && is_near(ew_erf(-2.0f), exp(-4.0) - 1.0));
    CHECK(is_near(ew_erf(-0.5f), -0.625));
    CHECK(ew_erf(4.5f) == 1.0f && ew_erf(-INFINITY) == -1.0f && isnan(ew_erf(NAN)) && is_near(ew_erf(1.0f), 2.0));
    return failures;
}

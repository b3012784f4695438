#include "c99_code/math.c"
#undef ew_apart
#include "c99_code/attributes.c"
#include "c99_code/interval.c"
#include "check.h"

static const float ew_interval_edges[2] = {10.0f, 20.0f};
static const float ew_interval_low[3] = {-1.0f, -2.0f, -3.0f}, ew_interval_high[3] = {1.0f, 4.0f, 9.0f};

/* How far a number is from the nearest of 64 bits, in the last place of 32 bits. */
static double places(float value, double expected) {
    const float nearest = (float)expected;
    return fabs((double)value - expected) / ((double)nextafterf(fabsf(nearest), INFINITY) - (double)fabsf(nearest));
}

int main(void) {
    float low, high, out[3];
    CHECK(ew_float(0x40490FDB) > 3.14159f && ew_float(0x40490FDB) < 3.1416f && is_near(ew_root(2.25f), 1.5));
    /* Every exponent, subnormal numbers among them, at eight fractions. */
    for (int32_t bits = 1; bits < 0x7F800000; bits += 1 << 20) {
        const float x = ew_float(bits);
        CHECK(places(ew_log(x), log((double)x)) <= 1.0);
    }
    CHECK(places(ew_log(3.4028235e+38f), log(3.4028234663852886e38)) <= 1.0);
    CHECK(ew_log(1.0f) == 0.0f && ew_log(0.0f) == -INFINITY && ew_log(INFINITY) == INFINITY);
    CHECK(isnan(ew_log(-1.0f)) && isnan(ew_log(NAN)));
    for (float x = -87.0f; x < 88.7f; x += 0.37f) {
        CHECK(places(ew_exp(x), exp((double)x)) <= 1.0);
    }
    /* The last numbers before what 32 bits hold, and results that are subnormal. */
    CHECK(ew_exp(0.0f) == 1.0f && ew_exp(88.72283f) > 3.4e38f && ew_exp(88.72284f) == INFINITY && isnan(ew_exp(NAN)));
    CHECK(ew_exp(-103.0f) > 0.0f && ew_exp(-103.98f) == 0.0f && ew_exp(-INFINITY) == 0.0f);
    CHECK(places(ew_exp(-100.0f), exp(-100.0)) <= 1.0);
    /* 0.49999997 is below a half, and 8388607.5 the last number with one. */
    CHECK(ew_nearest(0.5f) == 1.0f && ew_nearest(-2.5f) == -3.0f && ew_nearest(0.49999997f) == 0.0f);
    CHECK(ew_nearest(-8388607.5f) == -8388608.0f && ew_nearest(-1e30f) == -1e30f && isnan(ew_nearest(NAN)));
    const float x[3] = {7.0f, NAN, -1.0f};
    out[2] = 77.0f;
    ew_less(out, x, 2.0f, 4.0f, 2);
    CHECK(out[0] == 1.0f && isnan(out[1]) && out[2] == 77.0f);
    /* An amount at an edge counts as below it; without an amount there is no interval. */
    ew_interval(10.0f, &low, &high);
    CHECK(low == 9.0f && high == 11.0f && ew_part(10.0f) == 0);
    ew_interval(10.5f, &low, &high);
    CHECK(low == 8.5f && high == 14.5f && ew_part(10.5f) == 1);
    ew_interval(1e9f, &low, &high);
    CHECK(high == 1e9f + 9.0f && ew_part(1e9f) == 2);
    ew_interval(NAN, &low, &high);
    CHECK(isnan(low) && isnan(high) && ew_part(NAN) == 0);
    return failures;
}

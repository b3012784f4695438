#include "c99_operators/spectrum.c"
#include "check.h"
#include <math.h>

#define PI 3.14159265358979323846
static float x[256], window[128], scale[65], quarter[65], a[128], b[128], out[65];

/* Compares bins with the sum that defines them; every second number of x is a sample, the last ones of none are 0. */
static void compare(int length, int count, const char *kind) {
    for (int k = 0; 2 * k <= length; ++k) {
        double re = 0.0, im = 0.0;
        for (int i = 0; i < count; ++i) {
            re += (double)(x[2 * i] * window[i]) * cos(2 * PI * k * i / length);
            im -= (double)(x[2 * i] * window[i]) * sin(2 * PI * k * i / length);
        }
        const double power = (double)scale[k] * (re * re + im * im), off = fabs((double)out[k] - power);
        if (off > 1e-4 * (1.0 + power)) {
            printf("%s %d: bin %d is %g, not %g\n", kind, length, k, (double)out[k], power);
            ++failures;
        }
    }
}

static int quarter_of(int length) {
    const int turns = length % 4 == 0 ? length / 4 : length % 2 == 0 ? length / 2 : length;
    for (int j = 0; j <= turns; ++j) {
        quarter[j] = (float)cos(PI / 2 * j / turns);
    }
    return turns;
}

static void fast(int count, int half, const uint16_t *radices) {
    const int turns = quarter_of(2 * half);
    ew_power4_8(x, 2, window, count, scale, quarter, turns, radices, half, a, b, out);
    compare(2 * half, count, "fast");
}

int main(void) {
    const uint16_t fours[2] = {4, 4}, mixed[2] = {4, 3}, odd[2] = {3, 5}, large[2] = {8, 2}, prime[1] = {7}, eights[2] = {8, 8};
    const uint16_t longest[3] = {2, 4, 4}, none[1] = {0};
    for (int i = 0; i < 256; ++i) {
        x[i] = (float)(i * i % 37 - 18) / 8.0f;
    }
    for (int i = 0; i < 128; ++i) {
        window[i] = 0.25f + (float)(i % 5) / 4.0f;
        scale[i / 2] = 1.0f + (float)(i / 2 % 3);
    }
    fast(32, 16, fours);
    fast(24, 12, mixed);
    fast(30, 15, odd);
    fast(32, 16, large);
    fast(14, 7, prime);
    fast(64, 32, longest);
    fast(128, 64, eights);
    fast(19, 16, fours);
    fast(2, 1, none);
    const int lengths[4] = {1, 3, 15, 21};
    for (int i = 0; i < 4; ++i) {
        const int turns = quarter_of(lengths[i]), count = lengths[i] - lengths[i] / 4;
        a[0] = 99.0f;
        ew_direct(x, 2, window, count, scale, quarter, turns, lengths[i], a, out);
        compare(lengths[i], count, "direct");
    }
    /* The whole turn of a table of its quarter, of four parts: the cosines of 0 to 15 sixteenths. */
    const int turns = quarter_of(16);
    for (int j = 0; j < 16; ++j) {
        CHECK(is_near(ew_wave(quarter, turns, j), cos(2 * PI * j / 16)));
    }
    /* A window that is the same forwards and backwards: its first number is 0. */
    const float hann[3] = {0.0f, 0.5f, 1.0f};
    ew_hann(x, 2, hann, 4, a, 2);
    CHECK(a[0] == 0.0f && a[1] == x[2] * 0.5f && a[2] == x[4] && a[3] == x[6] * 0.5f);
    /* Both bins at the ends have the first factor, and all others the second. */
    const float two[2] = {4.0f, 8.0f};
    ew_alike(two, out, 0, 8, 1.0f, 2.0f, 3.0f, 0.0f);
    ew_alike(two, out, 3, 8, 1.0f, 2.0f, 3.0f, 0.0f);
    CHECK(is_near(out[0], 5.0) && is_near(out[8], 9.0) && is_near(out[3], 10.0) && is_near(out[5], 18.0));
    return failures;
}

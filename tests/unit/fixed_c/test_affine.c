/* Windows of four samples of six channels: acceleration and rotation. */
#include "c99_learning/affine.c"
#include "check.h"
#include <math.h>

/* Sixteenths of means, and 256 times logarithms of sixteen times a variance and 128; a spread of 1 is 65536. */
static const int32_t ew_adapt_means[18] = {160, 320, 640, 480, 800, 960, 1600, 320, 160, 640, 480, 800};
static const int32_t ew_adapt_logs[18] = {2176, 2176, 2176, 2176, 2176, 2176, 2176, 2176, 2176, 2176, 2176, 2176};
static const int32_t ew_adapt_mean_scales[18] = {65536, 65536, 65536, 65536, 65536, 65536, 65536, 65536, 65536, 65536,
                                                 65536, 65536};
static const int32_t ew_adapt_log_scales[18] = {65536, 65536, 65536, 65536, 65536, 65536, 65536, 65536, 65536, 65536,
                                                65536, 65536};
static ew_adapt_state state;

/* A window 4 above and below where the factory's class is, in eighths and quarters; its variance is 16. */
static void waving(int label, float *window) {
    for (int i = 0; i < 24; ++i) {
        window[i] = ((float)ew_adapt_means[6 * label + i / 4] / 16.0f + (i % 2 ? 4.0f : -4.0f)) / (i < 12 ? 8.0f : 4.0f);
    }
}

static void test_moments(void) {
    float window[24] = {0.125f, 0.25f, 0.375f, 0.5f, -0.125f, -0.25f, -0.375f, -0.625f, 1e9f, 1e9f, -1e9f, -1e9f};
    int32_t mean[6], power[6];
    /* 1, 2, 3 and 4: a mean of 40 and a variance of 1, cut; -1, -2, -3 and -5: -44 and 2. */
    CHECK(ew_adapt_moments(window, mean, power) && mean[0] == 40 && power[0] == 1 && mean[1] == -44 && power[1] == 2);
    CHECK(mean[2] == 0 && power[2] == 4095 * 4095 && mean[5] == 0);
    /* 0, 0, 0 and 2: three quarters are cut. */
    window[19] = 0.5f;
    CHECK(ew_adapt_moments(window, mean, power) && mean[4] == 8 && power[4] == 0);
    window[23] = 5.9f;
    CHECK(ew_adapt_moments(window, mean, power) && mean[5] == 23 * 16 / 4);
    window[23] = 3e38f;
    CHECK(ew_adapt_moments(window, mean, power) && mean[5] == 4095 * 16 / 4);
    window[23] = INFINITY;
    CHECK(!ew_adapt_moments(window, mean, power));
    window[23] = NAN;
    CHECK(!ew_adapt_moments(window, mean, power));
    CHECK(ew_adapt_log2(1) == 0 && ew_adapt_log2(2) == 256 && ew_adapt_log2(3) == 384 && ew_adapt_log2(128) == 1792);
    CHECK(ew_adapt_log2(INT64_C(1) << 40) == 40 * 256);
    CHECK(ew_adapt_square(-3, 65536) == 9 && ew_adapt_square(3, 65535) == 4);
    CHECK(ew_adapt_square(4094, 65536) == 4094 * 4094);
    CHECK(ew_adapt_square(1 << 30, 1 << 29) == 4095 * 4095);
}

static void test_turn(void) {
    float window[24], old[24];
    for (int i = 0; i < 24; ++i) {
        old[i] = (float)(i + 1);
    }
    /* x, z and y with y mirrored: no turn by its order, but one by its sign; rotation is turned by both. */
    memcpy(window, old, sizeof old);
    ew_adapt_turn(window, 8 + 2, 0);
    CHECK(window[0] == 1.0f && window[4] == -9.0f && window[8] == 5.0f);
    CHECK(window[12] == 13.0f && window[16] == -21.0f && window[20] == 17.0f);
    /* A mirror alone turns the other way round it. */
    memcpy(window, old, sizeof old);
    ew_adapt_turn(window, 1, 0);
    CHECK(window[0] == -1.0f && window[4] == 5.0f && window[12] == 13.0f && window[16] == -17.0f);
    CHECK(window[20] == -21.0f);
    /* Of 48 ways all differ, and each leads back. */
    float heads[48][3];
    for (int way = 0; way < 48; ++way) {
        memcpy(window, old, sizeof old);
        ew_adapt_turn(window, way, 0);
        for (int i = 0; i < 3; ++i) {
            heads[way][i] = window[4 * i];
        }
        for (int before = 0; before < way; ++before) {
            CHECK(memcmp(heads[before], heads[way], sizeof heads[way]) != 0);
        }
        ew_adapt_turn(window, way, 1);
        CHECK(memcmp(window, old, sizeof old) == 0);
    }
}

static void test_learn(void) {
    float window[24], worn[24];
    waving(0, window);
    ew_undo(&state);
    CHECK(ew_learn(&state, 0) == -1);
    for (int way = 0; way < 48; ++way) {
        ew_undo(&state);
        /* Eight windows of two classes: not before, and not where nothing changes. */
        for (int k = 0; k < 8; ++k) {
            waving(k % 2, window);
            ew_adapt_turn(window, way, 1);
            CHECK(ew_adapt_learn(&state, window, k % 2) == (k == 7 && way > 0));
        }
        CHECK(state.way == way && state.examples == 8u && state.counts[0] == 4 && state.counts[2] == 0);
        /* A window is turned before it is answered, and the same afterwards, bit by bit. */
        ew_adapt_use(&state);
        memcpy(worn, window, sizeof window);
        ew_adapt_before(window);
        waving(1, worn);
        CHECK(memcmp(window, worn, sizeof worn) == 0);
        ew_adapt_after(window);
        ew_adapt_turn(worn, way, 1);
        CHECK(memcmp(window, worn, sizeof worn) == 0 && state.applied == (way > 0 ? way : 0));
        CHECK(ew_learn(&state, 1) == (way > 0) && state.examples == 9u);
        ew_adapt_use(0);
        ew_adapt_before(window);
        CHECK(memcmp(window, worn, sizeof worn) == 0);
    }
    /* What is missing is not learned, nor is a class that there is not. */
    CHECK(ew_learn(&state, 3) == -1 && ew_learn(&state, -1) == -1);
    window[3] = NAN;
    CHECK(ew_adapt_learn(&state, window, 0) == -1 && state.examples == 9u);
}

static void test_decide(void) {
    float window[24];
    /* One class is not enough, however often. */
    ew_undo(&state);
    for (int k = 0; k < 20; ++k) {
        waving(0, window);
        ew_adapt_turn(window, 5, 1);
        CHECK(ew_adapt_learn(&state, window, 0) == 0);
    }
    CHECK(state.way == 5 && state.used == 0);
    waving(1, window);
    ew_adapt_turn(window, 5, 1);
    CHECK(ew_adapt_learn(&state, window, 1) == 1);
    /* Nor is what lies far from every way: 64 sixteenths off in one channel of a class are 4096 of two times as many. */
    state.sums[0] += 64 * state.counts[0];
    ew_adapt_decide(&state);
    CHECK(state.way == 5 && state.used == 1);
    state.sums[1] += 64 * state.counts[0];
    ew_adapt_decide(&state);
    CHECK(state.used == 1);
    state.sums[2] += 8 * state.counts[0];
    ew_adapt_decide(&state);
    CHECK(state.way == 5 && state.used == 0);
    /* A class is counted up to 128, and then both halves weigh less. */
    ew_undo(&state);
    memset(window, 0, sizeof window);
    window[0] = -1.0f;
    for (int k = 0; k < 129; ++k) {
        (void)ew_adapt_learn(&state, window, 2);
    }
    CHECK(state.counts[2] == 65 && state.sums[12] == 65 * -32 && state.powers[12] == 65 * 12 && state.sums[0] == 0);
    /* The largest variance there is, as often as that, stays within 32 bits. */
    for (int i = 0; i < 24; ++i) {
        window[i] = i % 2 ? 1e9f : -1e9f;
    }
    for (int k = 0; k < 300; ++k) {
        (void)ew_adapt_learn(&state, window, 0);
    }
    CHECK(state.counts[0] > 64 && state.powers[0] == state.counts[0] * (4095 * 4095));
}

int main(void) {
    test_moments();
    test_turn();
    test_learn();
    test_decide();
    return failures;
}

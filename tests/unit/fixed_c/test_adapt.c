/* A number of the last layer is a hidden one plus an eighth of its bias, less 3; class 2 starts at 5 - 3. */
#include "c99_learning/adapt.c"
#include "check.h"
#include <stddef.h>

/* Means in 1/64, which differ by 10 from class to class. */
static const int16_t ew_adapt_prototypes[12] = {640, 0, 0, 0, 0, 640, 0, 0, 0, 0, 640, 0};
static const int16_t ew_adapt_center[4] = {160, 160, 160, 0};
static const int16_t ew_adapt_precision[16] = {1024, 0, 0, 0, 0, 1024, 0, 0, 0, 0, 1024, 0, 0, 0, 0, 1024};
static const uint8_t seen[3][4] = {{9, 0, 0, 0}, {0, 9, 0, 0}, {0, 0, 9, 0}};
static ew_adapt_state state, other;

static void test_forward(void) {
    int8_t out[3];
    uint8_t shifted[4];
    const uint8_t hidden[4] = {10, 20, 30, 0}, much[4] = {0, 0, 0, 1};
    const int8_t bytes[4] = {-128, 127, 0, -1}, ties[3] = {1, 5, 5};
    ew_undo(&state);
    ew_adapt_forward(&state, hidden, out);
    CHECK(out[0] == 7 && out[1] == 17 && out[2] == 32 && ew_adapt_first(out) == 2 && ew_adapt_first(ties) == 1);
    /* Half an eighth rounds up, below zero too, and what does not fit is cut. */
    state.bias[0] = -4;
    state.bias[1] = -5;
    ew_adapt_forward(&state, much, out);
    CHECK(out[0] == -3 && out[1] == -4 && out[2] == 127);
    state.bias[0] = -9999;
    ew_adapt_forward(&state, much, out);
    CHECK(out[0] == -128);
    ew_adapt_shift(bytes, shifted);
    CHECK(shifted[0] == 0 && shifted[1] == 255 && shifted[2] == 128 && shifted[3] == 127);
    /* What flash holds ends where a call's memory begins. */
    CHECK(offsetof(ew_adapt_state, hidden) == EW_ADAPT_BYTES);
}

static void test_keep(void) {
    ew_undo(&state);
    /* The generator of Numerical Recipes begins with 3C6EF35F, 47502932 and D1CCF6E9. */
    CHECK(ew_adapt_draw(&state, 65536u) == 0x3C6E && ew_adapt_draw(&state, 65536u) == 0x4750);
    state.seed = 0u;
    for (int k = 0; k < 8; ++k) {
        ew_adapt_keep(&state, seen[0], 0, k % 2);
    }
    CHECK(state.kept == 8 && state.owners[0] == 0 && state.owners[7] == 128 && ew_adapt_odd(&state) == 0);
    /* A class with fewer examples replaces one of the largest, the sixth. */
    ew_adapt_keep(&state, seen[1], 1, 1);
    CHECK(state.owners[6] == 129 && state.pool[6 * 4 + 1] == 9 && state.kept == 8);
    /* One of the largest stays by chance: the sixth of seven of ten examples, then none. */
    state.counts[0] = 10;
    ew_adapt_keep(&state, seen[2], 0, 0);
    CHECK(state.owners[7] == 0 && state.pool[7 * 4 + 2] == 9);
    memcpy(&other, &state, sizeof state);
    ew_adapt_keep(&state, seen[1], 0, 1);
    CHECK(memcmp(other.owners, state.owners, sizeof state.owners) == 0 && state.seed != other.seed);
    state.owners[3] = 131;
    CHECK(ew_adapt_odd(&state) == 1);
    state.owners[3] = 130;
    state.cursor = 3;
    CHECK(ew_adapt_odd(&state) == 1);
    state.cursor = 2;
    state.kept = 9;
    CHECK(ew_adapt_odd(&state) == 1);
}

static void test_step(void) {
    const uint8_t hidden[4] = {1, 0, 0, 0}, last[4] = {0, 0, 0, 1};
    ew_undo(&state);
    /* -2, -3 and 2 are 1, 1/2 and 16 of 17.5 parts of 32768: 1872, 936 and 29959, which is 2809 below the whole. */
    ew_adapt_step(&state, hidden, 2);
    CHECK(state.weights[0] == 8 - 117 && state.weights[4] == -59 && state.weights[8] == 176 && state.weights[1] == 0);
    CHECK(state.bias[0] == -1872 && state.bias[1] == -936 && state.bias[2] == 40 + 2809);
    /* No weight moves further than 1024 from the factory's, nor a bias than 4096. */
    ew_undo(&state);
    ew_adapt_step(&state, hidden, 1);
    CHECK(state.weights[4] == 1024 && state.weights[8] == -1024 && state.bias[1] == 4096 && state.bias[2] == 40 - 4096);
    /* Nor out of 16 bits: against 127, -3 and -3 the last row is below its class by much. */
    state.weights[11] = 32760;
    state.bias[2] = -32768 * 2;
    ew_adapt_step(&state, last, 2);
    CHECK(state.weights[11] == 32767);
}

static void test_judge(void) {
    ew_undo(&state);
    for (int k = 0; k < 8; ++k) {
        CHECK(ew_adapt_judge(&state) == 0);
        ew_adapt_keep(&state, seen[k % 2], k % 2, 0);
    }
    /* The factory was wrong eight times and this layer never; from the 64th example on it needs a lead of 4. */
    CHECK(ew_adapt_judge(&state) == 1);
    state.examples = 64u;
    state.lead = 3;
    CHECK(ew_adapt_judge(&state) == 0);
    state.lead = 4;
    CHECK(ew_adapt_judge(&state) == 1);
    /* Nothing gained is too little, but for a sure lead. */
    for (int k = 0; k < 8; ++k) {
        state.owners[k] = (uint8_t)(state.owners[k] | 128);
    }
    CHECK(ew_adapt_judge(&state) == 0);
    state.lead = 8;
    CHECK(ew_adapt_judge(&state) == 1);
    /* Nor is a lead enough where a class that the factory knew is lost. */
    state.bias[0] = -80;
    CHECK(ew_adapt_judge(&state) == 0);
    state.bias[0] = 0;
    /* One test vector of two may change its label, not both. */
    state.bias[2] = 80;
    CHECK(ew_adapt_judge(&state) == 0);
    for (int k = 0; k < 8; ++k) {
        state.pool[4 * k + k % 2] = 20;
    }
    CHECK(ew_adapt_judge(&state) == 0);
    state.bias[2] = 40;
    CHECK(ew_adapt_judge(&state) == 1);
    state.examples = 0u;
    state.owners[0] = 0;
    state.bias[1] = -80;
    for (int k = 0; k < 4; ++k) {
        memcpy(state.pool + 4 * (2 * k + 1), seen[2], 4);
        state.owners[2 * k + 1] = 130;
    }
    /* A vector of a class without an example counts as an error where it changes: one gained, one lost. */
    state.lead = 0;
    CHECK(ew_adapt_judge(&state) == 0);
    state.lead = 8;
    CHECK(ew_adapt_judge(&state) == 1);
    state.bias[1] = 0;
    state.lead = 0;
    CHECK(ew_adapt_judge(&state) == 1);
    /* Examples of a single class say nothing. */
    memset(state.owners, 0, sizeof state.owners);
    CHECK(ew_adapt_judge(&state) == 0);
}

static void test_compare(void) {
    ew_undo(&state);
    for (int k = 1; k < 12; ++k) {
        ew_adapt_compare(&state, seen[0], 0, 0);
        CHECK(state.lead == (k < 8 ? k : 8));
    }
    ew_adapt_compare(&state, seen[0], 1, 0);
    CHECK(state.lead == 8);
    state.behind = 3;
    ew_adapt_compare(&state, seen[0], 1, 1);
    CHECK(state.lead == 4 && state.behind == 0);
    state.behind = 9;
    ew_adapt_compare(&state, seen[0], 0, 1);
    CHECK(state.lead == 0);
}

static void test_replay(void) {
    ew_undo(&state);
    ew_adapt_keep(&state, seen[2], 1, 0);
    /* Both times the only example; test vectors of classes without one from the 128th example on. */
    state.examples = 127u;
    memcpy(&other, &state, sizeof state);
    ew_adapt_replay(&state);
    ew_adapt_step(&other, seen[2], 1);
    ew_adapt_step(&other, seen[2], 1);
    CHECK(state.cursor == 1 && memcmp(state.weights, other.weights, sizeof state.weights) == 0);
    state.examples = 128u;
    memcpy(&other, &state, sizeof state);
    ew_adapt_replay(&state);
    ew_adapt_step(&other, seen[0], 0);
    ew_adapt_step(&other, seen[2], 1);
    CHECK(state.cursor == 1 && memcmp(state.weights, other.weights, sizeof state.weights) == 0);
}

static void test_learn(void) {
    const int8_t first[4] = {-128, -128, -119, -128}, second[4] = {-128, -119, -128, -128};
    int8_t out[3] = {-3, -3, 11};
    ew_undo(&state);
    CHECK(ew_learn(&state, 0) == -1 && ew_adapt_learn(&state, first, out, 3) == -1);
    CHECK(ew_adapt_learn(&state, first, out, -1) == -1 && state.examples == 0u);
    /* Nobody learns before a state is in use. */
    ew_adapt_layer(first, out);
    ew_adapt_use(&state);
    for (int k = 0; k < 16; ++k) {
        const int8_t given[3] = {-3, k % 2 ? 6 : -3, k % 2 ? 2 : 11};
        memcpy(out, given, sizeof out);
        ew_adapt_layer(k % 2 ? second : first, out);
        CHECK(memcmp(state.given, given, sizeof given) == 0 && (state.used || memcmp(out, given, sizeof out) == 0));
        CHECK(ew_learn(&state, k % 2) == state.used && state.examples == (uint32_t)k + 1u);
    }
    /* What the factory takes for class 2 is class 0 from now on, and what it knew it still knows. */
    CHECK(state.used == 1 && state.counts[0] == 8 && state.counts[1] == 8);
    ew_adapt_layer(first, out);
    CHECK(ew_adapt_first(out) == 0);
    ew_adapt_layer(second, out);
    CHECK(ew_adapt_first(out) == 1);
    ew_adapt_use(0);
    out[0] = 77;
    ew_adapt_layer(first, out);
    CHECK(out[0] == 77 && memcmp(state.hidden, second, sizeof second) == 0);
    state.counts[2] = 4096;
    (void)ew_adapt_learn(&state, first, out, 2);
    CHECK(state.counts[2] == 2049);
}

static void test_prototypes(void) {
    ew_undo(&state);
    ew_adapt_discriminant(&state);
    /* Means less the centre, within 1024 of the factory's. The bias is half of what both squares differ by. */
    CHECK(state.weights[0] == 480 && state.weights[1] == -160 && state.weights[3] == 0 && state.weights[11] == 30976);
    CHECK(state.bias[0] == -2600);
    /* Four examples of 20 weigh as much as the factory's four of 10. */
    state.counts[0] = 4;
    state.sums[0] = 80;
    state.sums[3] = 40;
    ew_adapt_discriminant(&state);
    CHECK(state.weights[0] == 960 - 160 && state.weights[3] == 320 && state.weights[5] == 480);
    const int8_t given[3] = {0, 1, 0};
    ew_undo(&state);
    const uint8_t hidden[4] = {0, 9, 0, 0};
    state.sums[8] = 3;
    ew_adapt_learned(&state, hidden, given, 1);
    /* The sum of a class, halved where nothing came before it. */
    CHECK(state.sums[5] == 4 && state.sums[8] == 3 && state.sums[1] == 0 && state.kept == 2 && state.owners[0] == 129);
    state.examples = 1u;
    ew_adapt_learned(&state, hidden, given, 1);
    CHECK(state.sums[5] == 13);
}

int main(void) {
    test_forward();
    test_keep();
    test_step();
    test_judge();
    test_compare();
    test_replay();
    test_learn();
    test_prototypes();
    return failures;
}

#include "c99_code/self_test.c"
#include "check.h"
#include <math.h>

static float inputs[2][EW_INPUTS], shift;
static int sample, wrong_output = -1, wrong_byte = -1;

int ew_predict(ew_context *context, const float *input, ew_answer *answer) {
    (void)context;
    for (int i = 0; i < EW_INPUTS; ++i) {
        inputs[sample][i] = input[i];
    }
    for (int i = 0; i < EW_OUTPUTS; ++i) {
        answer->probabilities[i] = (float)(sample * EW_OUTPUTS + i) / 8.0f + (i == wrong_output ? shift : 0.0f);
    }
    sample = !sample;
    return 0;
}

int ew_network(ew_network_context *context, const int8_t *in, int8_t *out) {
    (void)context;
    /* Row 1, column 0, channel 2 of 4, 2 and 3: entry 8. */
    const int at[3] = {0, 8, 23};
    for (int i = 0; i < 3; ++i) {
        out[i] = (int8_t)(in[at[i]] + (i == wrong_byte ? 1 : 0));
    }
    return 0;
}

int main(void) {
    static ew_self_test_context context;
    CHECK(ew_self_test(&context) == 0);
    /* 7 * row + 3 * column + 85 * channel + 11, of which 8 bits stay, less 128; times the channel's step. */
    CHECK(inputs[0][0] == 1.0f + 2.0f * (11 - 128) && inputs[0][1] == 0.5f * (96 - 128));
    CHECK(inputs[0][2] == -1.0f + ((170 + 11) - 128) && inputs[0][23] == -1.0f + ((21 + 3 + 170 + 11) - 128));
    CHECK(inputs[1][0] == 1.0f + 2.0f * -128 && inputs[1][23] == -1.0f + ((3 + 2 + 128) - 128));
    CHECK(ew_test_entry(0, 40, 0, 0) == ((280 + 11) & 255) - 128);
    /* What is off by more than a hundredth, or no number, is wrong, in every output. */
    for (wrong_output = 0; wrong_output < EW_OUTPUTS; ++wrong_output) {
        shift = 0.009f;
        CHECK(ew_self_test(&context) == 0);
        shift = -0.011f;
        CHECK(ew_self_test(&context) == EW_PREDICT_WRONG);
        shift = 0.011f;
        CHECK(ew_self_test(&context) == EW_PREDICT_WRONG);
        shift = NAN;
        CHECK(ew_self_test(&context) == EW_PREDICT_WRONG);
    }
    CHECK(ew_test_network(&context, 0) && ew_test_network(&context, 1));
    for (wrong_byte = 0; wrong_byte < 3; ++wrong_byte) {
        CHECK(!ew_test_network(&context, 0) && !ew_test_network(&context, 1));
    }
    return failures;
}

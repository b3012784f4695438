#include "_extension/answer.c"
#include "check.h"

static int8_t taken[4];

int before_predict(whole_context *context, const float *input, before_answer *answer) {
    (void)context;
    memcpy(answer->prediction, input, 4 * sizeof(float));
    return 0;
}

int after_predict(whole_context *context, const float *input, after_answer *answer) {
    (void)context;
    memcpy(answer->prediction, input, sizeof answer->prediction);
    answer->label = 2;
    return 0;
}

int whole_predict(whole_context *context, const float *input, whole_answer *answer) {
    (void)context;
    answer->prediction[0] = input[0];
    answer->confidence = input[1];
    answer->label = 1;
    return 0;
}

int whole_network(int *context, const int8_t *in, int8_t *out) {
    (void)context;
    memcpy(taken, in, sizeof taken);
    for (int i = 0; i < 6; ++i) {
        out[i] = (int8_t)i;
    }
    return 0;
}

int main(void) {
    struct answer answer;
    const whole_answer known = {.prediction = {7.0f}, .confidence = 0.5f, .label = 4};
    /* A step of .5 and a zero of 3; halves go away from zero, and what does not fit is cut. */
    const float row[4] = {0.25f, -0.25f, 1000.0f, NAN};
    split_answer(row, NULL);
    CHECK(is_near(features[0], 0.25) && is_near(features[2], 1000.0));
    split_answer(row, &answer);
    CHECK(taken[0] == 4 && taken[1] == 2 && taken[2] == 127 && taken[3] == 3 && answer.label == 2);
    /* Two places of three channels come channel by channel: 0 3 1 4 2 5, of which each lies 3 above its zero. */
    CHECK(is_near(answer.values[0], 1.5) && is_near(answer.values[1], 3.0) && is_near(answer.values[2], 2.0));
    copy(&known, &answer);
    CHECK(answer.label == 4 && is_near(answer.confidence, 0.5) && is_near(answer.values[0], 7.0));
    /* A group without a value has no answer, nor has one without confidence. */
    const float there[4] = {1.0f, 0.0f, 2.0f, NAN}, missing[4] = {1.0f, 1.0f, NAN, INFINITY};
    evaluate(missing, &answer);
    CHECK(answer.label == -1 && is_near(answer.values[0], 0.0));
    answer.confidence = 0.0f;
    evaluate(there, &answer);
    CHECK(answer.label == -1 && is_near(answer.values[0], 1.0));
    return failures != 0;
}

#define EW_TAPS
#include "c99_code/model.c"
#include "check.h"
#include <math.h>

const unsigned char *ew_constants;

static int flags_of(const float *input, ew_answer *answer) {
    static ew_context context;
    const int flags = ew_predict(&context, input, answer);
    CHECK(flags == (int)answer->flags);
    return flags;
}

int main(void) {
    static const unsigned char weights[1] = {0};
    static float input[EW_INPUTS];
    static ew_answer answer;
    const float *values;
    int count;
    for (int i = 0; i < EW_INPUTS; ++i) {
        input[i] = 0.75f;
    }
    CHECK(flags_of(input, &answer) == EW_NO_WEIGHTS && answer.label == -1 && is_near(answer.confidence, 0.0));
    ew_constants = weights;
    CHECK(flags_of(input, &answer) == 0);
    /* Channels that lie side by side go up to 1 and to 2, those one behind the other up to 1; NAN is missing. */
    input[5] = 1.5f;
    CHECK(flags_of(input, &answer) == EW_OUT_OF_RANGE);
    input[5] = -0.5f;
    CHECK(flags_of(input, &answer) == EW_OUT_OF_RANGE);
    input[5] = NAN;
    CHECK(flags_of(input, &answer) == 0);
    input[5] = INFINITY;
    CHECK(flags_of(input, &answer) == 0);
    /* The confidence of this answer is the first number. */
    input[0] = 0.25f;
    CHECK(flags_of(input, &answer) == EW_UNSURE);
    input[0] = 0.0f;
    CHECK(flags_of(input, &answer) == (EW_MISSING | EW_UNSURE));
    for (int i = 0; i < EW_INPUTS; ++i) {
        input[i] = NAN;
    }
    CHECK(flags_of(input, &answer) == (EW_MISSING | EW_UNSURE));
    ew_stage(0, &values, &count);
    CHECK(values == ew_tap0 && count == 24 && strcmp(ew_stage_names[0], "input") == 0);
    return failures != 0;
}

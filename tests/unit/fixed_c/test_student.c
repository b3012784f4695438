#define EW_TAPS
#include "c99_language/student.c"
#include "check.h"

/* Four hidden numbers of two rows; the first two intents read one each, the third the difference of two. */
static const int8_t ew_table[64 * 4] = {64, -64, 127, 0, [2 * 4] = 1, [63 * 4] = 0, 127, -128, 1};
static const int8_t ew_head[4 * EW_INTENTS] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, -1};
static const int32_t ew_bias[4] = {0, 256, 0, -256}, ew_last[EW_INTENTS] = {0, 0, -5}, ew_limits[EW_INTENTS] = {9, 2, 9};
static uint32_t rows[16], count;

int32_t ew_normalise(ew_context *context, const char *text, size_t bytes) {
    (void)context;
    return bytes == 0 ? 0 : text[0] == '!' ? -EW_TOO_LONG : 7;
}

uint32_t ew_add_rows(ew_context *context, int32_t length) {
    for (uint32_t i = 0; length == 7 && i < count; ++i) {
        ew_add(context, rows[i]);
    }
    return count;
}

uint32_t ew_root(uint32_t value) {
    return (uint32_t)sqrt((double)value);
}

int main(void) {
    static ew_context context;
    ew_answer answer = {0, 0, 0, 0.0f};
    CHECK(ew_parse(&context, "", 0, &answer) == EW_NO_WORD && ew_parse(&context, "!", 1, &answer) == EW_TOO_LONG);
    /* Downwards, below zero too. */
    CHECK(ew_shifted(1023) == 0 && ew_shifted(1024) == 1 && ew_shifted(-1) == -1 && ew_shifted(-1024) == -1);
    CHECK(ew_shifted(-1025) == -2);
    /* One row is as it is: 64, 256/256 - 64 below 0, 127 and 0 - 1. */
    count = 1u;
    CHECK(ew_parse(&context, "a", 1, &answer) == 0 && ew_logits(&context)[0] == 64 && ew_logits(&context)[1] == 0);
    CHECK(ew_logits(&context)[2] == 122 && answer.intent == 2 && answer.nearest == 2 && answer.logit == 122);
    /* Steps of half a logit: 29 below it and 61 below it. */
    CHECK(is_near(answer.confidence, 1.0 / (1.0 + exp(-29.0) + exp(-61.0))) && ew_grams[0] == 1u && ew_grams[1] == 0u);
    /* Four rows are halved: 32, 1 - 32 + 63.5 rounded up, 63.5 - 64 up to 0, and 0.5 - 1 up to 0; hidden are at most 127. */
    count = 4u;
    rows[1] = 63u;
    rows[2] = rows[3] = 5u;
    CHECK(ew_parse(&context, "a", 1, &answer) == 0 && ew_logits(&context)[0] == 32 && ew_logits(&context)[1] == 33);
    CHECK(answer.intent == 1 && is_near(answer.confidence, 1.0 / (1.0 + exp(-0.5) + exp(-19.0))) && ew_grams[1] == 73u);
    rows[0] = rows[2] = rows[3] = 63u;
    CHECK(ew_parse(&context, "a", 1, &answer) == 0 && ew_logits(&context)[1] == 127);
    CHECK(ew_logits(&context)[2] == -5 - 1);
    /* Equal ones: the first. */
    count = 1u;
    rows[0] = 2u;
    CHECK(ew_parse(&context, "a", 1, &answer) == 0 && answer.nearest == 0 && answer.logit == 1);
    CHECK(ew_logits(&context)[1] == 1);
    /* Without a row biases alone count: the first of the nearest ones that is beyond its limit is out of scope. */
    count = 0u;
    CHECK(ew_parse(&context, "a", 1, &answer) == 0 && answer.intent == EW_OUT_OF_SCOPE && answer.nearest == 1);
    CHECK(answer.logit == 1);
    return failures;
}

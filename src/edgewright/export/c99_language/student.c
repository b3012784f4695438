/* An utterance to its intent; `student.py` writes the tables. */
#include "student.h"
#include <math.h>
#include <string.h>
#define $hidden 4
#define $shift 10
#define $half 9
#define $bias_shift 2
#define $factor 262144
#define $scale 0.5f
static const int8_t @_table[64 * 4], @_head[4 * @@_INTENTS];
static const int32_t @_bias[4], @_last[@@_INTENTS], @_limits[@@_INTENTS];
int32_t @_normalise(@_context *context, const char *text, size_t bytes);
uint32_t @_add_rows(@_context *context, int32_t length);
uint32_t @_root(uint32_t value);

/* block add */
#ifdef @@_TAPS
/* How many rows were added up, and the sum of their numbers, for comparisons. */
uint32_t @_grams[2];
#endif

static void @_add(@_context *context, uint32_t row) {
#ifdef @@_TAPS
    ++@_grams[0];
    @_grams[1] += row;
#endif
    const int8_t *const weights = &@_table[row * ${hidden}u];
    for (int j = 0; j < $hidden; ++j) {
        context->sums[j] += weights[j];
    }
}

/* block parse */
/* Rounds down, for negative numbers too, whatever the compiler does with >> of them. */
static int64_t @_shifted(int64_t value) {
    return value >= 0 ? value >> $shift : -((-value + ((INT64_C(1) << $shift) - 1)) >> $shift);
}

int @_parse(@_context *context, const char *text, size_t bytes, @_answer *answer) {
    const int32_t length = @_normalise(context, text, bytes);
    if (length <= 0) {
        return length == 0 ? @@_NO_WORD : (int)-length;
    }
    memset(context->sums, 0, sizeof context->sums);
    const uint32_t count = @_add_rows(context, length);
    const int64_t factor = count == 0u ? 0 : INT64_C($factor) / (int64_t)@_root(count << 16);
    memcpy(context->out, @_last, sizeof context->out);
    for (int j = 0; j < $hidden; ++j) {
        const int64_t bias = (int64_t)@_bias[j] * (INT64_C(1) << $bias_shift) + (INT64_C(1) << $half);
        const int64_t raw = @_shifted((int64_t)context->sums[j] * factor + bias);
        const int32_t hidden = raw < 0 ? 0 : raw > 127 ? 127 : (int32_t)raw;
        for (int k = 0; hidden != 0 && k < @@_INTENTS; ++k) {
            context->out[k] += hidden * @_head[j * @@_INTENTS + k];
        }
    }
    int32_t best = 0;
    for (int32_t k = 1; k < @@_INTENTS; ++k) {
        best = context->out[k] > context->out[best] ? k : best;
    }
    float sum = 0.0f;
    for (int k = 0; k < @@_INTENTS; ++k) {
        sum += expf((float)(context->out[k] - context->out[best]) * $scale);
    }
    answer->intent = context->out[best] >= @_limits[best] ? best : @@_OUT_OF_SCOPE;
    answer->nearest = best;
    answer->logit = context->out[best];
    answer->confidence = 1.0f / sum;
    return 0;
}

const int32_t *@_logits(const @_context *context) {
    return context->out;
}

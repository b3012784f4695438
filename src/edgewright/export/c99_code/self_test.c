/* Samples that a few numbers describe, and known answers; `self_test.py` writes them. */
#include "self_test.h"
#define $samples 2
#define $patterns {7, 3, 85, 11}, {1, 2, 64, 0}
#define $channels 3
#define $rows 4
#define $columns 2
#define $middle 1.0f, 0.0f, -1.0f
#define $step 2.0f, 0.5f, 1.0f
#define $answers 0.0f, 0.125f, 0.25f, 0.375f, 0.5f, 0.625f
#define $place (row * 2 + column) * 3 + channel
#define $given context->answer.probabilities
#define $off 0.01f
#define $network
#define $call
#define $bytes -117, 60, 77, -128, 1, 5

/* lines source */
#include "@_self_test.h"

static const int @_test_patterns[$samples][4] = {$patterns};
static const float @_test_middle[$channels] = {
$middle
};
static const float @_test_step[$channels] = {
$step
};
static const float @_test_answers[$samples * @@_OUTPUTS] = {
$answers
};

static int @_test_entry(int sample, int row, int column, int channel) {
    const int *p = @_test_patterns[sample];
    return ((row * p[0] + column * p[1] + channel * p[2] + p[3]) & 255) - 128;
}

static int @_test_predict(@_self_test_context *context, int sample) {
    for (int row = 0; row < $rows; ++row) {
        for (int column = 0; column < $columns; ++column) {
            for (int channel = 0; channel < $channels; ++channel) {
                const float value = (float)@_test_entry(sample, row, column, channel);
                context->input[$place] = @_test_middle[channel] + value * @_test_step[channel];
            }
        }
    }
    (void)@_predict(&context->model, context->input, &context->answer);
    const float *given = $given;
    for (int i = 0; i < @@_OUTPUTS; ++i) {
        const float off = given[i] - @_test_answers[sample * @@_OUTPUTS + i];
        /* Not a number is not right either. */
        if (!(off <= $off && -off <= $off)) {
            return 0;
        }
    }
    return 1;
}
$network
int @_self_test(@_self_test_context *context) {
    int wrong = 0;
    for (int sample = 0; sample < $samples; ++sample) {
        wrong |= @_test_predict(context, sample) ? 0 : @@_PREDICT_WRONG;
$call    }
    return wrong;
}

/* lines network */

static const int8_t @_test_bytes[$samples * @@_NETWORK_OUTPUTS] = {
$bytes
};

static int @_test_network(@_self_test_context *context, int sample) {
    for (int row = 0; row < $rows; ++row) {
        for (int column = 0; column < $columns; ++column) {
            for (int channel = 0; channel < $channels; ++channel) {
                context->in[(row * $columns + column) * $channels + channel] =
                    (int8_t)@_test_entry(sample, row, column, channel);
            }
        }
    }
    (void)@_network(&context->model.values.network, context->in, context->out);
    for (int i = 0; i < @@_NETWORK_OUTPUTS; ++i) {
        if (context->out[i] != @_test_bytes[sample * @@_NETWORK_OUTPUTS + i]) {
            return 0;
        }
    }
    return 1;
}

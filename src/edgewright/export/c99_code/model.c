/* What stands around the steps of a pipeline: limits of its input, doubts about its answer, and what taps show;
 * `files.py` writes the tables. */
#include "model.h"
#include <string.h>
#define $label 1
#define $low low
#define $high high
#define $column i % 2
#define $first 0
#define $last 2
#define $each 12
#define $least -1.0f
#define $most 1.0f
#define $asked 0
#define $none !(answer->confidence > 0.0f)
#define $threshold 1
#define $confidence 0.5f
#define $names "input",
#define $taps @_tap0
#define $counts 24
#define $memory static float @_tap0[24];
static const float low[2] = {-1.0f, 0.0f}, high[2] = {1.0f, 2.0f};

int @_predict(@_context *context, const float *input, @_answer *answer) {
    unsigned flags = 0u;
    (void)context;
    answer->confidence = input[0];

/* block guard */
    if (@_constants == 0) {
        memset(answer, 0, sizeof *answer);
#if $label
        answer->label = -1;
#endif
        answer->flags = @@_NO_WEIGHTS;
        return (int)answer->flags;
    }

/* block limits */
    for (int i = 0; i < @@_INPUTS; ++i) {
        if (input[i] - input[i] == 0.0f && (input[i] < $low[$column] || input[i] > $high[$column])) {
            flags |= @@_OUT_OF_RANGE;
        }
    }

/* block rows */
    for (int c = $first; c < $last; ++c) {
        const float *const x = input + $each * c;
        const float low = $least, high = $most;
        for (int i = 0; i < $each; ++i) {
            if (!(x[i] >= low && x[i] <= high) && x[i] - x[i] == 0.0f) {
                flags |= @@_OUT_OF_RANGE;
            }
        }
    }

/* block doubts */
#if !$asked
    int there = 0;
    for (int i = 0; i < @@_INPUTS; ++i) {
        there |= input[i] - input[i] == 0.0f;
    }
    if (there == 0 || $none) {
#else
    if ($none) {
#endif
        flags |= @@_MISSING | @@_UNSURE;
#if $threshold
    } else if (!(answer->confidence >= $confidence)) {
        flags |= @@_UNSURE;
#endif
    }

/* block ending */
    answer->flags = flags;
    return (int)flags;
}

/* block memory */
#ifdef @@_TAPS
$memory
#endif

/* block taps */
#ifdef @@_TAPS
const char *const @_stage_names[] = {
$names
};

void @_stage(int index, const float **values, int *count) {
    static const float *const all[] = {$taps};
    static const int counts[] = {$counts};
    *values = all[index];
    *count = counts[index];
}
#endif

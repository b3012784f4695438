/* What detectors have in common; `_source.py` writes scores and verdicts. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#define @@_DETECT_CHANNELS 3
typedef struct {
    uint32_t rows, part;
    float parts[3];
} @_detect_context;
typedef struct {
    float score;
} @_anomaly;
float @_score(@_detect_context *context, const float *row);
int @_judge(@_detect_context *context, float score, @_anomaly *anomaly);
#define $C 3
#define $S 8
#define $F 4
#define $channels 3
#define $season 86400000000
#define $slots 24

/* block finite */
static int @_finite(float x) {
    return x >= -FLT_MAX && x <= FLT_MAX;
}

/* block bounded */
static float @_bounded(float x, float most) {
    return x > most ? most : x < -most ? -most : x;
}

/* block seen */
static float @_seen(@_detect_context *context, const float *row) {
    for (int i = 0; i < $channels; ++i) {
        if (@_finite(row[i])) {
            return @_score(context, row);
        }
    }
    /* A row without any number is not odd, and leaves everything as it is. */
    memset(context->parts, 0, sizeof context->parts);
    return 0.0f;
}

/* block features */
/* Rounded; a number that float32 has not is none. */
static float @_single(double x) {
    return fabs(x) <= (double)FLT_MAX ? (float)x : NAN;
}

/* Mean, deviation, mean step and range of every channel; NAN without two values in a row. Summed up in double, once a
   window, and then rounded: these are the features the detector was fitted on, to the bit. */
static void @_features(const float *window, float *made) {
    for (int i = 0; i < $C; ++i) {
        const float *const x = window + $S * i;
        float *const out = made + $F * i;
        float low = FLT_MAX, high = -FLT_MAX;
        double sum = 0.0, steps = 0.0, squares = 0.0;
        int many = 0, pairs = 0;
        for (int k = 0; k < $S; ++k) {
            if (!@_finite(x[k])) {
                continue;
            }
            ++many;
            sum += (double)x[k];
            low = x[k] < low ? x[k] : low;
            high = x[k] > high ? x[k] : high;
            if (k > 0 && @_finite(x[k - 1])) {
                steps += fabs((double)x[k] - (double)x[k - 1]);
                ++pairs;
            }
        }
        if (pairs == 0) {
            for (int k = 0; k < $F; ++k) {
                out[k] = NAN;
            }
            continue;
        }
        const double mean = sum / many;
        for (int k = 0; k < $S; ++k) {
            const double far = (double)x[k] - mean;
            squares += @_finite(x[k]) ? far * far : 0.0;
        }
        out[0] = @_single(mean);
        out[1] = @_single(sqrt(squares / many));
        out[2] = @_single(steps / pairs);
        out[3] = high - low;
    }
}

/* block rows */
float @_detect_score(@_detect_context *context, const float row[@@_DETECT_CHANNELS]) {
    ++context->rows;
    return @_seen(context, row);
}

int @_detect(@_detect_context *context, const float row[@@_DETECT_CHANNELS], @_anomaly *anomaly) {
    return @_judge(context, @_detect_score(context, row), anomaly);
}

/* block time */
void @_detect_time(@_detect_context *context, int64_t microseconds) {
    const int64_t season = INT64_C($season);
    const int64_t phase = (microseconds % season + season) % season;
    context->part = (uint32_t)(phase * $slots / season) + 1u;
}

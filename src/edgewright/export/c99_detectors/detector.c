/* A detector around its score: `_source.py` writes tables, the score and what it remembers. */
#include "detector.h"
#include <float.h>
#include <math.h>
#include <string.h>
#define $constants 0
#define $tables
#define $bounds 1
#define $helped 0
#define $helpers
#define $score return @_bounded(row[0], (float)context->rows);
#define $seen 12
#define $threshold 1.5f
#define $quiet 1
#define $pause 9u
#define $channels 3
#define $windows 1
#define $own_windows 1
#define $features 4
#define $samples 8
#define $step 9
#define $kept 0
#define $skipped 1
#define $timed 1
#define $begin
#define $season 86400000000
#define $slots 24
#define $rows 4
#define $twice 8
#define $value x

/* lines source */
#include "@_detect.h"

#include <float.h>
#include <math.h>
#include <string.h>

#if $constants
$tables

#endif
static int @_finite(float x) {
    return x >= -FLT_MAX && x <= FLT_MAX;
}

#if $bounds
static float @_bounded(float x, float most) {
    return x > most ? most : x < -most ? -most : x;
}

#endif
#if $helped
$helpers

#endif
static float @_score(@_detect_context *context, const float *row) {
$score
}

static float @_seen(@_detect_context *context, const float *row) {
    for (int i = 0; i < $seen; ++i) {
        if (@_finite(row[i])) {
            return @_score(context, row);
        }
    }
    /* A row without any number is not odd, and leaves everything as it is. */
    memset(context->parts, 0, sizeof context->parts);
    return 0.0f;
}

#ifdef @@_DETECT_TAPS
float @_detect_judged;
uint32_t @_detect_judgements;
#endif

static int @_judge(@_detect_context *context, float score, @_anomaly *anomaly) {
    const int odd = score >= $threshold;
#ifdef @@_DETECT_TAPS
    @_detect_judged = score;
    ++@_detect_judgements;
#endif
#if $quiet
    if (context->quiet > 0u) {
        --context->quiet;
        return 0;
    }
    if (!odd) {
        return 0;
    }
    context->quiet = $pause;
#else
    const uint32_t before = context->odd;
    context->odd = odd ? 1u : 0u;
    if (!odd || before != 0u) {
        return 0;
    }
#endif
    float most = 0.0f;
    anomaly->channel = -1;
    for (int i = 0; i < $channels; ++i) {
#if $windows
        float part = 0.0f;
        for (int k = 0; k < $features; ++k) {
            part += context->parts[$features * i + k];
        }
#else
        const float part = context->parts[i];
#endif
        if (part > most) {
            most = part;
            anomaly->channel = i;
        }
    }
    anomaly->score = score;
    anomaly->row = context->rows - 1u;
    return 1;
}

#if !$windows
float @_detect_score(@_detect_context *context, const float row[@@_DETECT_CHANNELS]) {
    ++context->rows;
    return @_seen(context, row);
}

int @_detect(@_detect_context *context, const float row[@@_DETECT_CHANNELS], @_anomaly *anomaly) {
    return @_judge(context, @_detect_score(context, row), anomaly);
}

#else
/* Rounded; a number that float32 has not is none. */
static float @_single(double x) {
    return fabs(x) <= (double)FLT_MAX ? (float)x : NAN;
}

/* Mean, deviation, mean step and range of every channel; NAN without two values in a row. Summed up in double, once a
   window, and then rounded: these are the features the detector was fitted on, to the bit. */
static void @_features(const float *window, float *made) {
    for (int i = 0; i < $channels; ++i) {
        const float *const x = window + $samples * i;
        float *const out = made + $features * i;
        float low = FLT_MAX, high = -FLT_MAX;
        double sum = 0.0, steps = 0.0, squares = 0.0;
        int many = 0, pairs = 0;
        for (int k = 0; k < $samples; ++k) {
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
            for (int k = 0; k < $features; ++k) {
                out[k] = NAN;
            }
            continue;
        }
        const double mean = sum / many;
        for (int k = 0; k < $samples; ++k) {
            const double far = (double)x[k] - mean;
            squares += @_finite(x[k]) ? far * far : 0.0;
        }
        out[0] = @_single(mean);
        out[1] = @_single(sqrt(squares / many));
        out[2] = @_single(steps / pairs);
        out[3] = high - low;
    }
}

#if !$own_windows
float @_detect_window_score(@_detect_context *context, const float window[@@_DETECT_CHANNELS * @@_DETECT_WINDOW]) {
    ++context->rows;
    float row[$seen];
    @_features(window, row);
    return @_seen(context, row);
}

int @_detect_window(@_detect_context *context, const float window[@@_DETECT_CHANNELS * @@_DETECT_WINDOW], @_anomaly *anomaly) {
    return @_judge(context, @_detect_window_score(context, window), anomaly);
}

#else
static float @_window_score(@_detect_context *context, const float *window) {
    float row[$seen];
    @_features(window, row);
    return @_seen(context, row);
}

int @_detect(@_detect_context *context, const float row[@@_DETECT_CHANNELS], @_anomaly *anomaly) {
    ++context->rows;
#if $skipped
    if (context->skip > 0) {
        --context->skip;
        return 0;
    }
#endif
    for (int i = 0; i < $channels; ++i) {
        context->window[$samples * i + context->filled] = row[i];
    }
    if (++context->filled < $samples) {
        return 0;
    }
    const float score = @_window_score(context, context->window);
#if $kept
    for (context->filled = 0; context->filled < $kept; ++context->filled) {
        for (int i = 0; i < $channels; ++i) {
            context->window[$samples * i + context->filled] = context->window[$samples * i + context->filled + $step];
        }
    }
#else
    context->filled = 0;
#endif
#if $skipped
    context->skip = $skipped;
#endif
    return @_judge(context, score, anomaly);
}

void @_detect_gap(@_detect_context *context) {
    context->filled = 0;
#if $skipped
    context->skip = 0;
#endif
}

#endif
#endif
#if $timed
void @_detect_time(@_detect_context *context, int64_t microseconds) {
    const int64_t season = INT64_C($season);
    const int64_t phase = (microseconds % season + season) % season;
    context->part = (uint32_t)(phase * $slots / season) + 1u;
}

#endif
void @_detect_init(@_detect_context *context) {
    memset(context, 0, sizeof *context);
$begin}

/* alone */
void @_mean(@_detect_context *context, const float *row, float *mean);
void @_mean(@_detect_context *context, const float *row, float *mean) {

/* block mean */
    float z[$channels];
    for (int i = 0; i < $channels; ++i) {
        const float x = row[i];
        z[i] = @_finite(x) ? @_bounded($value, 1e12f) : 0.0f;
    }
#if $rows > 1
    memcpy(context->ring + ${channels}u * (context->next % ${rows}u), z, sizeof z);
    context->next = context->next + 1u < ${twice}u ? context->next + 1u : ${rows}u;
    const int many = context->next < ${rows}u ? (int)context->next : $rows;
    for (int i = 0; i < $channels; ++i) {
        float sum = 0.0f;
        for (int k = 0; k < many; ++k) {
            sum += context->ring[$channels * k + i];
        }
        z[i] = sum / (float)many;
    }
#endif

/* alone */
    memcpy(mean, z, sizeof z);
}

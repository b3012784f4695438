/* What stands out of the spectrum of the last rows; `spectral_residual.py` writes the sizes. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
typedef struct {
    uint32_t seen;
    float parts[3], held[36], values[17], real[17], turned[17], logs[9];
} @_detect_context;
static float @_cosine[17], @_sine[17];
int @_finite(float x);
float @_bounded(float x, float most);
float @_score(@_detect_context *context, const float *row);
#define $channels 3
#define $samples 12
#define $newest 11
#define $before 10
#define $first 5
#define $level 6
#define $slope 5
#define $points 17
#define $half 9
#define $bins 17
#define $from -1
#define $to 2
#define $smooth 4
#define $whole 1
#define $ends f > 0

/* block helpers */
/* Directions of the spectrum of the window, prolonged, and the logarithms of its amplitudes; 0 for what is still. */
static int @_spectrum(@_detect_context *context, const float *held) {
    float low = held[0], high = held[0], mean = 0.0f, slope = 0.0f;
    for (int k = 1; k < $samples; ++k) {
        low = held[k] < low ? held[k] : low;
        high = held[k] > high ? held[k] : high;
    }
    if (!(high > low)) {
        return 0;
    }
    for (int k = 0; k < $samples; ++k) {
        context->values[k] = (held[k] - low) / (high - low);
        mean += context->values[k];
    }
    mean /= $samples.0f;
    for (int k = 0; k < $samples; ++k) {
        context->values[k] -= mean;
    }
    /* The newest row takes no part: a spike would be prolonged. */
    for (int k = 0; k < $slope; ++k) {
        slope += (context->values[$before] - context->values[$first + k]) / (float)($slope - k);
    }
    for (int k = $samples; k < $points; ++k) {
        context->values[k] = context->values[$level] + slope;
    }
    for (int f = 0; f < $half; ++f) {
        float real = 0.0f, turned = 0.0f;
        for (int k = 0, place = 0; k < $points; ++k) {
            real += context->values[k] * @_cosine[place];
            turned -= context->values[k] * @_sine[place];
            place += place + f < $points ? f : f - $points;
        }
        const float amplitude = sqrtf(real * real + turned * turned) + 1e-8f;
        context->logs[f] = logf(amplitude);
        context->real[f] = real / amplitude;
        context->turned[f] = turned / amplitude;
    }
    return 1;
}

/* The logarithm at a place of the ring that a spectrum is. */
static float @_log(@_detect_context *context, int place) {
    const int at = place < 0 ? place + $points : place < $points ? place : place - $points;
    return context->logs[at < $half ? at : $points - at];
}

/* Amplitudes become what they are above the mean of their neighbours. */
static void @_residual(@_detect_context *context) {
#if $whole
    for (int f = $half; f < $points; ++f) {
        context->real[f] = context->real[$points - f];
        context->turned[f] = -context->turned[$points - f];
    }
#endif
    for (int f = 0; f < $bins; ++f) {
        float mean = 0.0f;
        for (int k = $from; k <= $to; ++k) {
            mean += @_log(context, f + k);
        }
#if $whole
        const float grown = expf(@_log(context, f) - mean / $smooth.0f);
#else
        float grown = expf(@_log(context, f) - mean / $smooth.0f);
        grown *= $ends ? 2.0f : 1.0f;
#endif
        context->real[f] *= grown;
        context->turned[f] *= grown;
    }
}

/* How far the newest row is above the mean saliency of the window, in means. */
static float @_saliency(@_detect_context *context, const float *held) {
    if (!@_spectrum(context, held)) {
        return 0.0f;
    }
    @_residual(context);
    float newest = 0.0f, mean = 0.0f;
    for (int k = 0; k < $samples; ++k) {
#if $whole
        float real = 0.0f, turned = 0.0f;
#else
        float real = 0.0f;
#endif
        for (int f = 0, place = 0; f < $bins; ++f) {
            real += context->real[f] * @_cosine[place] - context->turned[f] * @_sine[place];
#if $whole
            turned += context->real[f] * @_sine[place] + context->turned[f] * @_cosine[place];
#endif
            place += place + k < $points ? k : k - $points;
        }
#if $whole
        newest = sqrtf(real * real + turned * turned) / $points.0f;
#else
        newest = fabsf(real) / $points.0f;
#endif
        mean += newest;
    }
    mean /= $samples.0f;
    const float above = newest - mean;
    return above > 0.0f ? above / (mean > 1e-8f ? mean : 1e-8f) : 0.0f;
}

/* alone */
float @_score(@_detect_context *context, const float *row) {

/* block score */
    const uint32_t before = context->seen;
    for (int i = 0; i < $channels; ++i) {
        float *const held = context->held + $samples * i;
        const float missing = before > 0u ? held[$newest] : 0.0f;
        memmove(held, held + 1, ${newest}u * sizeof *held);
        held[$newest] = @_finite(row[i]) ? @_bounded(row[i], 1e37f) : missing;
        context->parts[i] = 0.0f;
    }
    context->seen += before < ${samples}u ? 1u : 0u;
    if (context->seen < ${samples}u) {
        return NAN;
    }
    float most = 0.0f;
    for (int i = 0; i < $channels; ++i) {
        context->parts[i] = @_finite(row[i]) ? @_saliency(context, context->held + $samples * i) : 0.0f;
        most = context->parts[i] > most ? context->parts[i] : most;
    }
    return most;

/* alone */
}

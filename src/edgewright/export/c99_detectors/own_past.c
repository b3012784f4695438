/* A stream against its own past; `own_past.py` writes the rates. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
typedef struct {
    uint32_t part;
    float parts[3], first[3], seen[3], low[3], high[3], near[3], fast[3], slow[3], level[9], shift[9], day[9], timed[3],
        means[24], counts[24];
} @_detect_context;
int @_finite(float x);
float @_bounded(float x, float most);
float @_score(@_detect_context *context, const float *row);
#define $short 0.1f
#define $past 1e-4f
#define $channels 3
#define $maximum 2000
#define $near 0.02f
#define $fast 0.02f
#define $slow 0.001f
#define $bins 8
#define $enough 6
#define $forget 0.2f
#define $leak 0.5f
#define $beyond 0.2f
#define $deviations 3.0f
#define $warm 50

/* block unusual */
/* By how many deviations the short mean of a distance is above what it usually is. */
static float @_unusual(float *tail, float distance, float seen) {
    const float own = 1.0f / seen;
    tail[0] += (own > $short ? own : $short) * (distance - tail[0]);
    const float step = tail[0] - tail[1], variance = tail[2], rate = own > $past ? own : $past;
    tail[1] += rate * step;
    tail[2] += rate * (step * step * (1.0f - rate) - variance);
    return variance > 0.0f && step > 0.0f ? step / sqrtf(variance) : 0.0f;
}

/* alone */
float @_score(@_detect_context *context, const float *row) {

/* block score */
    float most = 0.0f;
    int learning = 1;
    for (int i = 0; i < $channels; ++i) {
        context->parts[i] = 0.0f;
        if (!@_finite(row[i])) {
            continue;
        }
        /* Relative to the first value, so that float32 keeps what leaks from a range far from zero. */
        if (context->seen[i] == 0.0f) {
            context->first[i] = row[i];
        }
        /* No square passes float32: one broken number must not be remembered for ever. */
        const float x = @_bounded(row[i] - context->first[i], 1e18f);
        context->seen[i] += context->seen[i] < $maximum.0f ? 1.0f : 0.0f;
        const float own = 1.0f / context->seen[i];
        const float level = fabsf(x - context->near[i]);
        context->near[i] += (own > $near ? own : $near) * (x - context->near[i]);
        context->fast[i] += (own > $fast ? own : $fast) * (x - context->fast[i]);
        const float shift = fabsf(context->fast[i] - context->slow[i]);
        context->slow[i] += (own > $slow ? own : $slow) * (x - context->slow[i]);
        const float far = @_unusual(context->level + 3 * i, level, context->seen[i]);
        const float moved = @_unusual(context->shift + 3 * i, shift, context->seen[i]);
        float sum = far * far + moved * moved, known = 2.0f;
#if $bins
        if (context->part != 0u) {
            const int at = $bins * i + (int)context->part - 1;
            const float apart = fabsf(x - context->means[at]), before = context->counts[at];
            context->counts[at] += before < $enough.0f ? 1.0f : 0.0f;
            const float part = 1.0f / context->counts[at];
            context->means[at] += (part > $forget ? part : $forget) * (x - context->means[at]);
            if (before > 0.0f) {
                context->timed[i] += context->timed[i] < $maximum.0f ? 1.0f : 0.0f;
                const float odd = @_unusual(context->day + 3 * i, apart, context->timed[i]);
                sum += odd * odd;
                known = 3.0f;
            }
        }
#endif
        const float width = context->high[i] - context->low[i];
        const float above = x - context->high[i], below = context->low[i] - x;
        const float outside = above > 0.0f ? above : below > 0.0f ? below : 0.0f;
        context->high[i] = above > 0.0f ? x : context->high[i];
        context->low[i] = below > 0.0f ? x : context->low[i];
        const float leak = $leak * (own > $past ? own : $past) * (context->high[i] - context->low[i]);
        context->high[i] -= leak;
        context->low[i] += leak;
        const float ranged = (width > 0.0f ? outside / width : outside > 0.0f ? 1.0f : 0.0f) / $beyond;
        const float unusual = sqrtf(sum / known) / $deviations;
        if (context->seen[i] > $warm.0f) {
            learning = 0;
            context->parts[i] = ranged > unusual ? ranged : unusual;
            most = context->parts[i] > most ? context->parts[i] : most;
        }
    }
    return learning ? NAN : most;

/* alone */
}

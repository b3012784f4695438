/* The largest mean residual of an autoregression; `var.py` writes the tables. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
typedef struct {
    uint32_t seen;
    float parts[3], last[6];
} @_detect_context;
static const float @_mean[3], @_deviation[3], @_weights[21], @_unit[3];
int @_finite(float x);
float @_bounded(float x, float most);
float @_score(@_detect_context *context, const float *row);
#define $channels 3
#define $order 2
#define $inputs 6
#define $stride 7
#define $kept 3
#define $rows 4
#define $mean const int many = 1; const float z[3] = {now[0] - foretold[0], now[1] - foretold[1], now[2] - foretold[2]};
float @_score(@_detect_context *context, const float *row) {

/* block score */
    float foretold[$channels], now[$channels];
    const int learning = context->seen < ${order}u;
    for (int i = 0; i < $channels; ++i) {
        const float *const weights = @_weights + $stride * i;
        foretold[i] = weights[$inputs];
        for (int k = 0; k < $inputs; ++k) {
            foretold[i] += weights[k] * context->last[k];
        }
        /* A missing value is as foretold, or at its mean while nothing can be foretold. */
        const float z = @_bounded((row[i] - @_mean[i]) / @_deviation[i], 1e12f);
        now[i] = @_finite(row[i]) ? z : learning ? 0.0f : foretold[i];
        context->parts[i] = 0.0f;
    }
#if $kept
    memmove(context->last + $channels, context->last, ${kept}u * sizeof *context->last);
#endif
    memcpy(context->last, now, sizeof now);
    if (learning) {
        ++context->seen;
        return NAN;
    }
$mean
    float most = 0.0f;
    for (int i = 0; i < $channels; ++i) {
#if $rows > 1
        context->parts[i] = fabsf(z[i]) / @_unit[i] * sqrtf((float)many / $rows.0f);
#else
        context->parts[i] = fabsf(z[i]) / @_unit[i];
#endif
        most = context->parts[i] > most ? context->parts[i] : most;
    }
    return most;

/* alone */
}

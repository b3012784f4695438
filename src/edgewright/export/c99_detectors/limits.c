/* The distance from the median as a share of the limit's; `limits.py` writes the tables. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
typedef struct {
    float parts[3];
} @_detect_context;
static const float @_middle[3], @_up[3], @_down[3], @_least[3];
int @_finite(float x);
float @_bounded(float x, float most);
float @_score(@_detect_context *context, const float *row);
#define $channels 3
#define $logs 1
float @_score(@_detect_context *context, const float *row) {

/* block score */
    float most = 0.0f;
    for (int i = 0; i < $channels; ++i) {
        const float x = row[i];
        context->parts[i] = 0.0f;
        if (@_finite(x)) {
#if $logs
            const float away = (@_least[i] > 0.0f ? logf(x > @_least[i] ? x : @_least[i]) : x) - @_middle[i];
#else
            const float away = (x) - @_middle[i];
#endif
            const float share = away > 0.0f ? away / @_up[i] : -away / @_down[i];
            context->parts[i] = @_bounded(share, 1e12f);
            most = context->parts[i] > most ? context->parts[i] : most;
        }
    }
    return most;

/* alone */
}

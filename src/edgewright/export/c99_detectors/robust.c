/* The largest robust z-score; `robust.py` writes the tables. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
typedef struct {
    uint32_t part;
    float parts[3];
} @_detect_context;
float @_score(@_detect_context *context, const float *row);
#define $channels 3
#define $season 1
#define $mean const float *const z = row + part;
float @_score(@_detect_context *context, const float *row) {

/* block score */
#if $season
    const int part = context->part > 0u ? (int)context->part - 1 : 0;
#endif
$mean
    float most = 0.0f;
    for (int i = 0; i < $channels; ++i) {
        context->parts[i] = fabsf(z[i]);
        most = context->parts[i] > most ? context->parts[i] : most;
    }
    return most;

/* alone */
}

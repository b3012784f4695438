/* T² within the usual directions, Q outside of them; `pca.py` writes the tables. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
typedef struct {
    float parts[3];
} @_detect_context;
static const float @_axes[6], @_variances[2], @_limits[2];
float @_score(@_detect_context *context, const float *row);
#define $channels 3
#define $axes 2
#define $rows 4
#define $mean const float *const z = row; const int many = 2;
float @_score(@_detect_context *context, const float *row) {

/* block score */
$mean
    float inside[$channels], outside[$channels], t2 = 0.0f, q = 0.0f;
    for (int i = 0; i < $channels; ++i) {
        inside[i] = 0.0f;
        outside[i] = z[i];
    }
    for (int k = 0; k < $axes; ++k) {
        const float *const axis = @_axes + $channels * k;
        float along = 0.0f;
        for (int i = 0; i < $channels; ++i) {
            along += axis[i] * z[i];
        }
        for (int i = 0; i < $channels; ++i) {
            inside[i] += axis[i] * (along / @_variances[k]);
            outside[i] -= axis[i] * along;
        }
    }
    for (int i = 0; i < $channels; ++i) {
        inside[i] *= z[i];
        outside[i] *= outside[i];
        t2 += inside[i];
        q += outside[i];
    }
    t2 /= @_limits[0];
    q /= @_limits[1];
    for (int i = 0; i < $channels; ++i) {
        context->parts[i] = q > t2 ? outside[i] : inside[i] > 0.0f ? inside[i] : 0.0f;
    }
    const float most = q > t2 ? q : t2;
#if $rows > 1
    return (most > 0.0f ? most : 0.0f) * ((float)many / $rows.0f);
#else
    return (most > 0.0f ? most : 0.0f);
#endif

/* alone */
}

/* The distance to the nearest of a few centres; `k_means.py` writes the tables. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
typedef struct {
    float parts[3];
} @_detect_context;
static const float @_mean[3], @_deviation[3], @_centres[6];
int @_finite(float x);
float @_score(@_detect_context *context, const float *row);
#define $channels 3
#define $count 2
float @_score(@_detect_context *context, const float *row) {

/* block score */
    float z[$channels], least = FLT_MAX;
    int nearest = 0, present = 0;
    for (int i = 0; i < $channels; ++i) {
        present += @_finite(row[i]);
        z[i] = @_finite(row[i]) ? (row[i] - @_mean[i]) / @_deviation[i] : 0.0f;
    }
    for (int k = 0; k < $count; ++k) {
        float sum = 0.0f;
        for (int i = 0; i < $channels; ++i) {
            const float far = z[i] - @_centres[$channels * k + i];
            sum += @_finite(row[i]) ? far * far : 0.0f;
        }
        if (sum < least) {
            least = sum;
            nearest = k;
        }
    }
    for (int i = 0; i < $channels; ++i) {
        const float far = z[i] - @_centres[$channels * nearest + i];
        context->parts[i] = @_finite(row[i]) ? far * far : 0.0f;
    }
    return sqrtf(least / (float)present);

/* alone */
}

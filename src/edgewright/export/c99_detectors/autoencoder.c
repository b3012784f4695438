/* What an autoencoder cannot give back; `autoencoder.py` writes the tables. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include "../c99_code/model.h" /* as @_net */
typedef struct {
    uint32_t next;
    float parts[3], ring[12];
    @_net_context net;
} @_detect_context;
static const float @_mean[3], @_unit[3];
int @_finite(float x);
float @_score(@_detect_context *context, const float *row);
#define $channels 3
#define $mean \
    const int many = 2; \
    const float z[3] = {whole[0] - answer.prediction[0], whole[1] - answer.prediction[1], whole[2] - answer.prediction[2]};
#define $rows 4
float @_score(@_detect_context *context, const float *row) {

/* block score */
    float whole[$channels];
    @_net_answer answer;
    for (int i = 0; i < $channels; ++i) {
        whole[i] = @_finite(row[i]) ? row[i] : @_mean[i];
    }
    (void)@_net_predict(&context->net, whole, &answer);
$mean
    float sum = 0.0f;
    for (int i = 0; i < $channels; ++i) {
        const float far = z[i] / @_unit[i];
#if $rows > 1
        context->parts[i] = far * far * ((float)many / $rows.0f);
#else
        context->parts[i] = far * far;
#endif
        sum += context->parts[i];
    }
    return sqrtf(sum / $channels.0f);

/* alone */
}

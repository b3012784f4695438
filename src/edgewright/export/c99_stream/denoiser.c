/* A step of a denoiser around its network; `denoiser.py` writes the numbers. */
#include "denoiser.h"
#include <math.h>
#include <string.h>
static const float @_mean[@@_CHANNELS], @_unit[@@_CHANNELS], @_deviation[@@_CHANNELS];
#define $clear context->arena[3] = 9;
#define $limit 12.7f
#define $in_scale 0.1f
#define $in_zero 3.0f
#define $out_scale 0.1f
#define $out_zero 3
#define $wait out[i] = in[i] - noise;
#define $waiting 4

/* block step */

void @_network_init(@_network_context *context) {
    memset(context, 0, sizeof *context);
$clear}

void @_init(@_context *context) {
    memset(context, 0, sizeof *context);
    @_network_init(&context->network);
}

/* x in deviations on the network's grid: divided in float, halves away from zero; not a number is the mean. */
static int8_t @_to_byte(float x) {
    float q = x > -$limit ? x : -$limit;
    q = q < $limit ? q : $limit;
    q = roundf(q / $in_scale);
    q = x != x ? $in_zero : q + $in_zero;
    return (int8_t)(q < -128.0f ? -128.0f : q > 127.0f ? 127.0f : q);
}

void @_step(@_context *context, const float *in, float *out) {
    int8_t *const bytes = context->bytes[0], *const made = context->bytes[1];
    for (int i = 0; i < @@_HOP * @@_CHANNELS; ++i) {
        const int c = i % @@_CHANNELS;
        bytes[i] = @_to_byte((in[i] - @_mean[c]) * @_unit[c]);
    }
    (void)@_network(&context->network, bytes, made);
    for (int i = 0; i < @@_HOP * @@_CHANNELS; ++i) {
        const float noise = ($out_scale * (float)(made[i] - ($out_zero))) * @_deviation[i % @@_CHANNELS];
$wait    }
}

/* alone */
void @_late(@_context *context, const float *in, float *out, int i, float noise);
void @_late(@_context *context, const float *in, float *out, int i, float noise) {

/* lines wait */
        const float then = context->late[context->next];
        context->late[context->next] = in[i];
        context->next = context->next + 1 < $waiting ? context->next + 1 : 0;
        out[i] = then - noise;

/* alone */
}

/* Operators of a network for this machine, the channels of a place side by side; `network.py` writes the shapes. */
#include <math.h>
#include <stdint.h>
#include <string.h>
#define OFFSET 0.0f
typedef float byte;
typedef struct {
    int unused;
} @_network_context;
int @_network(@_network_context *context, const int8_t *in, int8_t *out);
void @_under(const float *v0, float *v1);
void @_max_pool(const float *v0, float *out);
void @_mean(const float *v0, float *out);
void @_average_pool(const float *v0, float *out);
void @_add(const float *v0, const float *v1, float *out);
void @_portable(const float *v0, float *out);
#define $type float
#define $kind float
#define $name v0
#define $places for (int r = 0; r < 2; ++r) for (int c = 0; c < 2; c += 1) {
#define $pixel (out + (r * 2 + c) * 2)
#define $kernel_rows 2
#define $kernel_columns 2
#define $row_step 1
#define $row_gap 1
#define $column_step 1
#define $column_gap 1
#define $wide 3
#define $channels 2
#define $low -9.0f
#define $high 9.0f
#define $under \
    for (int a = 0; a < 2; ++a) for (int e = 0; e < 2; ++e) { \
        const float *const under = v0 + ((r + a) * 3 + c + e) * 2;
#define $room 16
#define $count 4
#define $given x[ch]
#define $finish for (int ch = 0; ch < 2; ++ch) out[ch] = total[ch] / 4.0f;
#define $less
#define $quotient total[ch] / 4.0f
#define $more
#define $operator @
#define $first v0
#define $second v1
#define $sum out
#define $outputs 4
void @_under(const float *v0, float *v1) {
    const int r = 0, c = 0;
    memset(v1, 0, sizeof *v1);

/* block under */
    for (int a = 0; a < $kernel_rows; ++a) for (int e = 0; e < $kernel_columns; ++e) {
        const __typeof__(*$name) *const under = $name + ((r * $row_step + a * $row_gap) * $wide + c * $column_step + e * $column_gap) * $channels;

/* alone */
        memset(v1, under[0] > 0.0f, sizeof *v1);
    }
}
void @_max_pool(const float *v0, float *out) {

/* block max_pool */
$places
    $type *const best = $pixel;
    for (int ch = 0; ch < $channels; ++ch) best[ch] = $low;
$under
        for (int ch = 0; ch < $channels; ++ch) best[ch] = under[ch] > best[ch] ? under[ch] : best[ch];
    }
    for (int ch = 0; ch < $channels; ++ch) best[ch] = best[ch] > $high ? $high : best[ch];
}

/* alone */
}
void @_mean(const float *v0, float *out) {

/* block mean */
{
    $kind total[$room] = {0};
    for (int i = 0; i < $count; ++i) {
        const $type *const x = $name + i * $channels;
        for (int ch = 0; ch < $channels; ++ch) total[ch] += $given;
    }
    $finish
}

/* alone */
}
void @_average_pool(const float *v0, float *out) {

/* block average_pool */
$places
    $type *const mean = $pixel;
    $kind total[$room] = {0};
$under
        for (int ch = 0; ch < $channels; ++ch) total[ch] += under[ch]$less;
    }
    for (int ch = 0; ch < $channels; ++ch) {
        const $kind one = $quotient;
        mean[ch] = (one < $low ? $low : one > $high ? $high : one)$more;
    }
}

/* alone */
}
void @_add(const float *v0, const float *v1, float *out) {

/* block add */
for (int i = 0; i < $count; ++i) {
    const float one = $first[i] + $second[i];
    $sum[i] = one < $low ? $low : one > $high ? $high : one;
}

/* alone */
}
void @_portable(const float *v0, float *out) {

/* block portable */
{
    static ${operator}_network_context memory;
    static int8_t taken[$count], given[$outputs];
    for (int i = 0; i < $count; ++i) taken[i] = (int8_t)($first[i] - OFFSET);
    ${operator}_network(&memory, taken, given);
    for (int i = 0; i < $outputs; ++i) $sum[i] = (byte)(given[i] + OFFSET);
}

/* alone */
}

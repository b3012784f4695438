/* Counts of patterns in a window, in integers of 16 bits: how many sums of nine values, weighed by -1 and 2, exceed a
 * bias. `kernels.py` writes the tables and the calls. */
#include <stdint.h>

/* Rounds the values of a window to -limit..limit, halves to the even neighbour; 0 where a value is missing. */
static void round_values(const float *x, int channel, int sample, const float *levels, const float *factors,
                         int limit, int channels, int samples, int16_t *out) {
    for (int c = 0; c < channels; ++c) {
        for (int i = 0; i < samples; ++i) {
            const float v = x[c * channel + i * sample] - levels[c];
            const float scaled = v - v == 0.0f ? v * factors[c] : 0.0f, size = scaled < 0.0f ? -scaled : scaled;
            int whole = size < (float)limit ? (int)size : limit;
            const float rest = size - (float)whole;
            whole += whole < limit && (rest > 0.5f || (rest == 0.5f && whole % 2 != 0));
            *out++ = (int16_t)(scaled < 0.0f ? -whole : whole);
        }
    }
}

/* Counts how many of 3 * (x[0] + x[b] + x[c]) - x[nine] exceed a bias. */
static int count_above(const int16_t *x, int b, int c, int nine, int samples, int bias) {
    uint32_t n = 0;
    for (const int16_t *const end = x + samples; x != end; ++x) {
        n += (uint32_t)(bias + x[nine] - 3 * (x[0] + x[b] + x[c])) >> 31;
    }
    return (int)n;
}

/* Counts less their centres, over powers of two. A row is the sum of two channels, or of their differences, between at
 * most `wide` zeros; behind it are the sums of nine of its values. Four bytes of `rows`: dilation, channels, kernels. */
static void count_kernels(const int16_t *values, int channels, int samples, const uint8_t *rows, int many,
                          const uint16_t *taps, const int16_t *biases, const uint8_t *centres, int step,
                          int wide, int16_t *row, float *out) {
    for (const uint8_t *const end = rows + 4 * many; rows != end; rows += 4) {
        const int d = 1 << rows[0], later = rows[1] >= channels;
        const int16_t *one = values + (rows[1] - (later ? channels : 0)) * samples;
        const int16_t *other = values + (rows[2] - (later ? channels : 0)) * samples;
        int16_t *const first = row + wide, *const before = first - 4 * d, *const nine = first + samples + wide;
        for (int i = 0; i < 4 * d; ++i) {
            before[i] = first[samples + i] = 0;
        }
        for (int i = 0; i < samples; ++i) {
            first[i] = (int16_t)(one[i] + other[i]);
        }
        for (int i = samples - 1; later && i >= 0; --i) {
            first[i] = (int16_t)(i > 0 ? first[i] - first[i - 1] : 0);
        }
        for (int i = 0; i < samples; ++i) {
            int sum = i < d ? 0 : nine[i - d] + before[i + 8 * d] - before[i - d];
            for (int k = 0; i < d && k < 9; ++k) {
                sum += before[i + k * d];
            }
            nine[i] = (int16_t)sum;
        }
        for (int k = 0; k < rows[3]; ++k) {
            const int t = *taps++, a = (t & 15) * d, b = (t >> 4 & 15) * d, c = (t >> 8 & 15) * d;
            const int count = count_above(before + a, b - a, c - a, samples + wide + 4 * d - a, samples, *biases++);
            *out++ = (float)(count - step * *centres++) / (float)(1 << (t >> 12));
        }
    }
}

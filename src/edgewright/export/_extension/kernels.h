/* Kernels for the machine that compiles them. Every function is inlined with constant lengths, so that a compiler
 * unrolls it for the layer at hand. Weights come in groups of 16 outputs, padded with zeros; see packing.py.
 */
#ifndef EDGEWRIGHT_KERNELS_H
#define EDGEWRIGHT_KERNELS_H
#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSSE3__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define INLINED static inline __attribute__((always_inline))
#define GROUP 16
#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
#define PARTS (GROUP / LANES)
/* Sums side by side: about eight registers, so that none waits for the one before. */
#define SIDE_BY_SIDE(sums) (8 / (sums) > 1 ? 8 / (sums) : 1)
#define AT_MOST(limit, count) ((limit) < (count) ? (limit) : (count))
/* Rows of inputs at once, of `count`: a weight is fetched once for all of them. */
#define FLOAT_ROWS(groups, count) AT_MOST(SIDE_BY_SIDE((groups) * PARTS), count)
typedef float floats __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

/* The larger and the smaller of both; the second where one is not a number, which stays what it is. */
#if defined(__AVX512F__)
INLINED floats larger(floats a, floats b) { return (floats)_mm512_max_ps((__m512)a, (__m512)b); }
INLINED floats smaller(floats a, floats b) { return (floats)_mm512_min_ps((__m512)a, (__m512)b); }
#elif defined(__AVX2__)
INLINED floats larger(floats a, floats b) { return (floats)_mm256_max_ps((__m256)a, (__m256)b); }
INLINED floats smaller(floats a, floats b) { return (floats)_mm256_min_ps((__m256)a, (__m256)b); }
#else
INLINED floats larger(floats a, floats b) {
    for (int lane = 0; lane < LANES; ++lane) {
        b[lane] = a[lane] > b[lane] ? a[lane] : b[lane];
    }
    return b;
}
INLINED floats smaller(floats a, floats b) {
    for (int lane = 0; lane < LANES; ++lane) {
        b[lane] = a[lane] < b[lane] ? a[lane] : b[lane];
    }
    return b;
}
#endif

/* Clamps and stores as many of a vector as there are. */
INLINED void put_floats(floats value, float *restrict y, int count, float low, float high) {
    if (low > -INFINITY) {
        value = larger((floats){0} + low, value);
    }
    if (high < INFINITY) {
        value = smaller((floats){0} + high, value);
    }
    if (count > 0) {
        memcpy(y, &value, sizeof(float) * (size_t)(count < LANES ? count : LANES));
    }
}

/* y = clamp(x w + b) for `groups` groups of outputs and `rows` rows, whose inputs lie `step` and outputs `stride` apart.
 */
INLINED void dense_floats(const float *restrict x, int step, int rows, const float *restrict w,
                          const float *restrict b, float *restrict y, int stride, int inputs, int groups, int outputs,
                          float low, float high) {
    const int each = groups * PARTS, ways = SIDE_BY_SIDE(rows * each);
    floats sum[32];
#pragma GCC unroll 32
    for (int i = 0; i < ways * rows * each; ++i) {
        sum[i] = (floats){0};
    }
    int k = 0;
    for (; k + ways <= inputs; k += ways) {
#pragma GCC unroll 16
        for (int way = 0; way < ways; ++way) {
#pragma GCC unroll 8
            for (int row = 0; row < rows; ++row) {
                const floats value = (floats){0} + x[row * step + k + way];
#pragma GCC unroll 16
                for (int i = 0; i < each; ++i) {
                    sum[(way * rows + row) * each + i] +=
                        value * *(const floats *)(w + (k + way) * groups * GROUP + i * LANES);
                }
            }
        }
    }
    for (; k < inputs; ++k) {
#pragma GCC unroll 8
        for (int row = 0; row < rows; ++row) {
            const floats value = (floats){0} + x[row * step + k];
#pragma GCC unroll 16
            for (int i = 0; i < each; ++i) {
                sum[row * each + i] += value * *(const floats *)(w + k * groups * GROUP + i * LANES);
            }
        }
    }
#pragma GCC unroll 8
    for (int row = 0; row < rows; ++row) {
#pragma GCC unroll 16
        for (int i = 0; i < each; ++i) {
            floats total = sum[row * each + i] + *(const floats *)(b + i * LANES);
#pragma GCC unroll 16
            for (int way = 1; way < ways; ++way) {
                total += sum[(way * rows + row) * each + i];
            }
            put_floats(total, y + row * stride + i * LANES, outputs - i * LANES, low, high);
        }
    }
}

/* One filter a channel. Weights: [taps][channels in groups of 16]; taps lie `down` and `across` values apart. */
INLINED void depthwise_floats(const float *restrict x, const float *restrict w, const float *restrict b,
                              float *restrict y, int channels, int height, int width, int down, int across, float low,
                              float high) {
    const int whole = (channels + GROUP - 1) / GROUP * GROUP;
    for (int ch = 0; ch < channels; ch += LANES) {
        floats sum = *(const floats *)(b + ch);
#pragma GCC unroll 16
        for (int tap = 0; tap < height * width; ++tap) {
            const float *const at = x + ch + tap / width * down + tap % width * across;
            sum += *(const floats *)at * *(const floats *)(w + tap * whole + ch);
        }
        put_floats(sum, y + ch, channels - ch, low, high);
    }
}

/* Bytes between operators are kept as value + OFFSET: where an instruction multiplies bytes without a sign by signed
 * ones and adds four products to a sum of 32 bits (VNNI), 128; elsewhere they keep their sign.
 */
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
#define OFFSET 128
typedef uint8_t byte;
#else
#define OFFSET 0
typedef int8_t byte;
#endif

/* Vectors of `WIDE` sums. `dot` adds to each sum the products of four bytes with four weights, exactly: pairs of
 * products would saturate at 16 bits if one factor kept 8 bits without a sign, so it takes |x| and moves the sign of x to
 * the weight. 128 * 127 twice fits; weights are at least -127 (packing.py).
 */
#if defined(__AVX512VNNI__)
#define WIDE 16
typedef __m512i sum_lanes;
typedef __m512i byte_factor;
INLINED sum_lanes load_sums(const void *p) { return _mm512_loadu_si512(p); }
INLINED void store_sums(void *p, sum_lanes x) { _mm512_storeu_si512(p, x); }
INLINED sum_lanes plus(sum_lanes a, sum_lanes b) { return _mm512_add_epi32(a, b); }
INLINED byte_factor four_bytes(int32_t x) { return _mm512_set1_epi32(x); }
/* Written out: compilers copied every sum before its instruction and read a weight again for every row. */
INLINED sum_lanes dot(sum_lanes sum, byte_factor x, sum_lanes w) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
    return sum;
}
#elif defined(__AVX2__)
#define WIDE 8
typedef __m256i sum_lanes;
INLINED sum_lanes load_sums(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
INLINED void store_sums(void *p, sum_lanes x) { _mm256_storeu_si256((__m256i *)p, x); }
INLINED sum_lanes plus(sum_lanes a, sum_lanes b) { return _mm256_add_epi32(a, b); }
#if defined(__AVXVNNI__)
typedef __m256i byte_factor;
INLINED byte_factor four_bytes(int32_t x) { return _mm256_set1_epi32(x); }
INLINED sum_lanes dot(sum_lanes sum, byte_factor x, sum_lanes w) { return _mm256_dpbusd_avx_epi32(sum, x, w); }
#else
typedef struct {
    __m256i x, size;
} byte_factor;
INLINED byte_factor four_bytes(int32_t x) {
    const __m256i all = _mm256_set1_epi32(x);
    return (byte_factor){all, _mm256_abs_epi8(all)};
}
INLINED sum_lanes dot(sum_lanes sum, byte_factor x, sum_lanes w) {
    const __m256i pairs = _mm256_maddubs_epi16(x.size, _mm256_sign_epi8(w, x.x));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
#endif
#elif defined(__SSSE3__)
#define WIDE 4
typedef __m128i sum_lanes;
typedef struct {
    __m128i x, size;
} byte_factor;
INLINED sum_lanes load_sums(const void *p) { return _mm_loadu_si128((const __m128i *)p); }
INLINED void store_sums(void *p, sum_lanes x) { _mm_storeu_si128((__m128i *)p, x); }
INLINED sum_lanes plus(sum_lanes a, sum_lanes b) { return _mm_add_epi32(a, b); }
INLINED byte_factor four_bytes(int32_t x) {
    const __m128i all = _mm_set1_epi32(x);
    return (byte_factor){all, _mm_abs_epi8(all)};
}
INLINED sum_lanes dot(sum_lanes sum, byte_factor x, sum_lanes w) {
    const __m128i pairs = _mm_maddubs_epi16(x.size, _mm_sign_epi8(w, x.x));
    return _mm_add_epi32(sum, _mm_madd_epi16(pairs, _mm_set1_epi16(1)));
}
#elif defined(__ARM_NEON)
#define WIDE 4
typedef int32x4_t sum_lanes;
typedef int8x16_t byte_factor;
INLINED sum_lanes load_sums(const void *p) { return vld1q_s32((const int32_t *)p); }
INLINED void store_sums(void *p, sum_lanes x) { vst1q_s32((int32_t *)p, x); }
INLINED sum_lanes plus(sum_lanes a, sum_lanes b) { return vaddq_s32(a, b); }
INLINED byte_factor four_bytes(int32_t x) { return vreinterpretq_s8_s32(vdupq_n_s32(x)); }
#if defined(__ARM_FEATURE_DOTPROD)
INLINED sum_lanes dot(sum_lanes sum, byte_factor x, sum_lanes w) { return vdotq_s32(sum, vreinterpretq_s8_s32(w), x); }
#else
INLINED sum_lanes dot(sum_lanes sum, byte_factor x, sum_lanes w) {
    const int8x16_t weights = vreinterpretq_s8_s32(w);
    const int32x4_t first = vpaddlq_s16(vmull_s8(vget_low_s8(weights), vget_low_s8(x)));
    const int32x4_t second = vpaddlq_s16(vmull_s8(vget_high_s8(weights), vget_high_s8(x)));
    const int32x2_t low = vpadd_s32(vget_low_s32(first), vget_high_s32(first));
    return vaddq_s32(sum, vcombine_s32(low, vpadd_s32(vget_low_s32(second), vget_high_s32(second))));
}
#endif
#endif

#if defined(WIDE)
#define PIECES (GROUP / WIDE)
#if WIDE == GROUP
/* 32 registers hold up to 14 sums: two rows share a weight that comes from the second cache. */
#define ROWS(groups, count) AT_MOST(((groups) + 7) / (groups), count)
#else
#define ROWS(groups, count) AT_MOST(SIDE_BY_SIDE((groups) * PIECES), count)
#endif
#else
#define ROWS(groups, count) 1
#endif

/* Sums of products of bytes and weights for `groups` groups of 16 outputs and `rows` rows of inputs `step` bytes apart.
 * The inputs of a row are `lines` times `quads` groups of four, lines `down` bytes apart.
 * Weights: [lines][quads][groups][16 outputs][4 inputs]. Biases stand twice, for bytes + 128 and for signed ones; both
 * hold what the zero point adds. `total`: [rows][groups][16].
 */
INLINED void dense_sums(const byte *restrict x, int step, int rows, const int8_t *restrict w, const int32_t *restrict b,
                        int32_t *restrict total, int lines, int down, int quads, int groups) {
    b += OFFSET ? 0 : groups * GROUP;
#if defined(WIDE)
    /* An instruction that multiplies and adds answers after four or five cycles: single sums are split. */
    const int each = groups * PIECES, ways = OFFSET ? SIDE_BY_SIDE(rows * each) : 1;
    sum_lanes sum[64];
#pragma GCC unroll 32
    for (int i = 0; i < ways * rows * each; ++i) {
        sum[i] = i < rows * each ? load_sums(b + i % each * WIDE) : (sum_lanes){0};
    }
    for (int line = 0; line < lines; ++line, x += down, w += quads * each * 4 * WIDE) {
        int k = 0;
        for (; k + ways <= quads; k += ways) {
#pragma GCC unroll 8
            for (int way = 0; way < ways; ++way) {
#pragma GCC unroll 8
                for (int row = 0; row < rows; ++row) {
                    int32_t four;
                    memcpy(&four, x + row * step + 4 * (k + way), 4);
                    const byte_factor value = four_bytes(four);
#pragma GCC unroll 32
                    for (int i = 0; i < each; ++i) {
                        const int8_t *at = w + ((k + way) * each + i) * 4 * WIDE;
                        const int place = (way * rows + row) * each + i;
                        sum[place] = dot(sum[place], value, load_sums(at));
                    }
                }
            }
        }
        for (; k < quads; ++k) {
#pragma GCC unroll 8
            for (int row = 0; row < rows; ++row) {
                int32_t four;
                memcpy(&four, x + row * step + 4 * k, 4);
                const byte_factor value = four_bytes(four);
#pragma GCC unroll 32
                for (int i = 0; i < each; ++i) {
                    sum[row * each + i] = dot(sum[row * each + i], value, load_sums(w + (k * each + i) * 4 * WIDE));
                }
            }
        }
    }
#pragma GCC unroll 32
    for (int i = 0; i < rows * each; ++i) {
#pragma GCC unroll 8
        for (int way = 1; way < ways; ++way) {
            sum[i] = plus(sum[i], sum[way * rows * each + i]);
        }
        store_sums(total + i * WIDE, sum[i]);
    }
#else
    for (int row = 0; row < rows; ++row, total += groups * GROUP, x += step) {
        memcpy(total, b, sizeof(int32_t) * (size_t)(groups * GROUP));
        for (int k = 0; k < lines * quads; ++k) {
            for (int i = 0; i < groups * GROUP; ++i) {
                const int8_t *at = w + (k * groups * GROUP + i) * 4;
                for (int lane = 0; lane < 4; ++lane) {
                    total[i] += (int32_t)x[k / quads * down + 4 * (k % quads) + lane] * at[lane];
                }
            }
        }
    }
#endif
}

/* Adds the sums of further weights to `total`. */
INLINED void more_sums(const byte *restrict x, int step, int rows, const int8_t *restrict w, const int32_t *restrict b,
                       int32_t *restrict total, int lines, int down, int quads, int groups) {
    int32_t more[rows * groups * GROUP];
    dense_sums(x, step, rows, w, b, more, lines, down, quads, groups);
    for (int i = 0; i < rows * groups * GROUP; ++i) {
        total[i] += more[i];
    }
}

#if defined(__AVX512VNNI__) && defined(__AVX512BW__)
#define FOURS
/* Four parts of 16 bytes: four bytes of the first, of the second and so on become a part. */
INLINED __m512i turned(__m512i parts) {
    const __m512i order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    return _mm512_permutexvar_epi32(order, parts);
}
/* The 16 channels of four taps: four taps of a channel beside each other. */
INLINED __m512i four_taps(__m512i taps) {
    const __m128i order = _mm_set_epi8(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    return _mm512_shuffle_epi8(turned(taps), _mm512_broadcast_i32x4(order));
}
#endif

/* One filter a channel. Weights: [(taps + 1) / 2][channels in groups of 16][2 taps], and again in bytes as
 * [(taps + 3) / 4][channels in groups of 16][4 taps]; taps lie `down` and `across` bytes apart. Biases as above, a row of
 * whole groups each.
 */
INLINED void depthwise_sums(const byte *restrict x, const int16_t *restrict w, const int8_t *restrict quads,
                            const int32_t *restrict b, int32_t *restrict total, int channels, int height, int width,
                            int down, int across) {
    const int whole = (channels + GROUP - 1) / GROUP * GROUP, taps = height * width;
    b += OFFSET ? 0 : whole;
    for (int ch = 0; ch < whole; ch += GROUP) {
#if defined(FOURS)
        __m512i sum = _mm512_loadu_si512(b + ch);
#define TAP(n) _mm_loadu_si128((const __m128i *)(x + ch + (n) / width * down + (n) % width * across))
#pragma GCC unroll 16
        for (int tap = 0; tap < taps; tap += 4) {
            const __m512i factors = _mm512_loadu_si512(quads + (tap * whole + ch * 4));
            if (tap + 1 == taps) {
                sum = _mm512_dpbusd_epi32(sum, _mm512_cvtepu8_epi32(TAP(tap)), factors);
                break;
            }
            __m512i all = _mm512_inserti32x4(_mm512_zextsi128_si512(TAP(tap)), TAP(tap + 1), 1);
            all = tap + 2 < taps ? _mm512_inserti32x4(all, TAP(tap + 2), 2) : all;
            all = tap + 3 < taps ? _mm512_inserti32x4(all, TAP(tap + 3), 3) : all;
            sum = _mm512_dpbusd_epi32(sum, four_taps(all), factors);
        }
#undef TAP
        _mm512_storeu_si512(total + ch, sum);
#elif defined(__AVX2__)
        __m256i low = _mm256_loadu_si256((const __m256i *)(b + ch));
        __m256i high = _mm256_loadu_si256((const __m256i *)(b + ch + 8));
#pragma GCC unroll 16
        for (int tap = 0; tap < taps; tap += 2) {
            const int next = tap + 1 < taps ? tap + 1 : tap;
            const byte *const at = x + ch, *const factors = (const byte *)(w + (tap * whole + ch * 2));
            const __m128i one = _mm_loadu_si128((const __m128i *)(at + tap / width * down + tap % width * across));
            const __m128i two = _mm_loadu_si128((const __m128i *)(at + next / width * down + next % width * across));
            const __m128i first = _mm_unpacklo_epi8(one, two), second = _mm_unpackhi_epi8(one, two);
#if OFFSET
            const __m256i a = _mm256_cvtepu8_epi16(first), c = _mm256_cvtepu8_epi16(second);
#else
            const __m256i a = _mm256_cvtepi8_epi16(first), c = _mm256_cvtepi8_epi16(second);
#endif
            const __m256i *const both = (const __m256i *)factors;
            low = _mm256_add_epi32(low, _mm256_madd_epi16(a, _mm256_loadu_si256(both)));
            high = _mm256_add_epi32(high, _mm256_madd_epi16(c, _mm256_loadu_si256(both + 1)));
        }
        _mm256_storeu_si256((__m256i *)(total + ch), low);
        _mm256_storeu_si256((__m256i *)(total + ch + 8), high);
#elif defined(__SSE4_1__)
        __m128i sum[4];
        for (int i = 0; i < 4; ++i) {
            sum[i] = _mm_loadu_si128((const __m128i *)(b + ch + 4 * i));
        }
#pragma GCC unroll 16
        for (int tap = 0; tap < taps; tap += 2) {
            const int next = tap + 1 < taps ? tap + 1 : tap;
            const byte *const at = x + ch;
            const __m128i one = _mm_loadu_si128((const __m128i *)(at + tap / width * down + tap % width * across));
            const __m128i two = _mm_loadu_si128((const __m128i *)(at + next / width * down + next % width * across));
            const __m128i first = _mm_unpacklo_epi8(one, two), second = _mm_unpackhi_epi8(one, two);
            const __m128i *const both = (const __m128i *)(w + (tap * whole + ch * 2));
            const __m128i wide[4] = {_mm_cvtepi8_epi16(first), _mm_cvtepi8_epi16(_mm_srli_si128(first, 8)),
                                     _mm_cvtepi8_epi16(second), _mm_cvtepi8_epi16(_mm_srli_si128(second, 8))};
            for (int i = 0; i < 4; ++i) {
                sum[i] = _mm_add_epi32(sum[i], _mm_madd_epi16(wide[i], _mm_loadu_si128(both + i)));
            }
        }
        for (int i = 0; i < 4; ++i) {
            _mm_storeu_si128((__m128i *)(total + ch + 4 * i), sum[i]);
        }
#else
        /* A loop that compilers turn into vectors. */
        int32_t sum[GROUP];
        memcpy(sum, b + ch, sizeof sum);
        for (int tap = 0; tap < taps; ++tap) {
            const byte *const at = x + ch + tap / width * down + tap % width * across;
            const int16_t *const factors = w + (tap / 2 * 2 * whole + ch * 2 + tap % 2);
            for (int i = 0; i < GROUP; ++i) {
                sum[i] += (int32_t)at[i] * factors[2 * i];
            }
        }
        memcpy(total + ch, sum, sizeof sum);
#endif
    }
}

/* What a rounded value becomes: moved by the zero point, clamped, stored as a byte. */
INLINED byte stored(int64_t value, int zero, int low, int high) {
    value = value < low - zero ? low - zero : (value > high - zero ? high - zero : value);
    return (byte)(value + zero + OFFSET);
}

/* Sums to bytes, rounded once: x * multiplier / 2^shift, halves away from zero (core/integer, `once`). */
INLINED void round_once_long(const int32_t *restrict total, const int64_t *restrict multiplier,
                             const int64_t *restrict shift, byte *restrict y, int outputs, int zero, int low,
                             int high) {
    for (int i = 0; i < outputs; ++i) {
        const int64_t product = (int64_t)total[i] * multiplier[i];
        const int64_t half = ((int64_t)1 << shift[i]) >> 1;
        y[i] = stored((product + half - (product < 0 && shift[i] > 0)) >> shift[i], zero, low, high);
    }
}

/* Rounded at the product and again at the shift (core/integer, `twice`). */
INLINED void round_twice_long(const int32_t *restrict total, const int64_t *restrict multiplier,
                              const int64_t *restrict shift, byte *restrict y, int outputs, int zero, int low,
                              int high) {
    for (int i = 0; i < outputs; ++i) {
        const int64_t left = shift[i] > 0 ? shift[i] : 0, right = shift[i] < 0 ? -shift[i] : 0;
        const int64_t product = (total[i] * ((int64_t)1 << left)) * multiplier[i];
        const int64_t first = (product + ((int64_t)1 << 30)) >> 31;
        const int64_t half = ((int64_t)1 << right) >> 1;
        y[i] = stored((first + half - (first < 0 && right > 0)) >> right, zero, low, high);
    }
}

/* The same on vectors of `SPAN` values: `once_vector` and `twice_vector`; `put` stores 16 of them, of a group that is not
 * full as many as it has. Products of 32 bits by 31 are made of even and odd lanes; halves go away from zero because
 * sizes are rounded and get their sign back.
 */
#if defined(__AVX2__)
INLINED void put_words(__m256i words, byte *y, int count, int zero, int low, int high) {
    words = _mm256_adds_epi16(words, _mm256_set1_epi16((short)zero));
    __m128i made = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    made = _mm_min_epi8(_mm_max_epi8(made, _mm_set1_epi8((char)low)), _mm_set1_epi8((char)high));
    made = _mm_add_epi8(made, _mm_set1_epi8((char)OFFSET));
    if (count >= GROUP) {
        _mm_storeu_si128((__m128i *)y, made);
    } else {
        memcpy(y, &made, (size_t)count);
    }
}
#endif
#if defined(__AVX512F__)
#define SPAN 16
#define VECTOR(name) _mm512_##name
typedef __m512i lanes;
INLINED lanes at_values(const int32_t *p) { return _mm512_loadu_si512(p); }
INLINED lanes both_lanes(lanes even, lanes odd) { return _mm512_mask_blend_epi32(0xAAAA, even, odd); }
INLINED lanes sum_of(lanes a, lanes b) { return _mm512_add_epi32(a, b); }
INLINED lanes with_sign(lanes x, lanes sign) {
    const __m512i none = _mm512_setzero_si512();
    return _mm512_mask_sub_epi32(x, _mm512_cmplt_epi32_mask(sign, none), none, x);
}
INLINED void put(const lanes *x, byte *y, int count, int zero, int low, int high) {
    put_words(_mm512_cvtsepi32_epi16(x[0]), y, count, zero, low, high);
}
#elif defined(__AVX2__)
#define SPAN 8
#define VECTOR(name) _mm256_##name
typedef __m256i lanes;
INLINED lanes at_values(const int32_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
INLINED lanes both_lanes(lanes even, lanes odd) { return _mm256_blend_epi32(even, odd, 0xAA); }
INLINED lanes sum_of(lanes a, lanes b) { return _mm256_add_epi32(a, b); }
INLINED lanes with_sign(lanes x, lanes sign) { return _mm256_sign_epi32(x, sign); }
INLINED void put(const lanes *x, byte *y, int count, int zero, int low, int high) {
    put_words(_mm256_permute4x64_epi64(_mm256_packs_epi32(x[0], x[1]), 0xD8), y, count, zero, low, high);
}
#endif
#if defined(VECTOR)
INLINED lanes once_vector(lanes x, lanes m, lanes s) {
    const lanes one = VECTOR(set1_epi32)(1), size = VECTOR(abs_epi32)(x), down = VECTOR(sub_epi32)(s, one);
    const lanes down_even = VECTOR(srli_epi64)(VECTOR(slli_epi64)(down, 32), 32);
    const lanes size_odd = VECTOR(srli_epi64)(size, 32), m_odd = VECTOR(srli_epi64)(m, 32);
    const lanes even = VECTOR(srlv_epi64)(VECTOR(mul_epu32)(size, m), down_even);
    const lanes odd = VECTOR(srlv_epi64)(VECTOR(mul_epu32)(size_odd, m_odd), VECTOR(srli_epi64)(down, 32));
    const lanes twofold = both_lanes(even, VECTOR(slli_epi64)(odd, 32));
    return with_sign(VECTOR(srli_epi32)(VECTOR(add_epi32)(twofold, one), 1), x);
}
INLINED lanes twice_vector(lanes x, lanes m, lanes s) {
    const lanes nudge = VECTOR(srli_epi64)(VECTOR(set1_epi32)(1 << 30), 32), one = VECTOR(set1_epi32)(1);
    const lanes even = VECTOR(add_epi64)(VECTOR(mul_epi32)(x, m), nudge);
    const lanes odd =
        VECTOR(add_epi64)(VECTOR(mul_epi32)(VECTOR(srli_epi64)(x, 32), VECTOR(srli_epi64)(m, 32)), nudge);
    const lanes first = both_lanes(VECTOR(srli_epi64)(even, 31), VECTOR(slli_epi64)(odd, 1));
    const lanes half = VECTOR(srli_epi32)(VECTOR(sllv_epi32)(one, s), 1);
    return with_sign(VECTOR(srlv_epi32)(VECTOR(add_epi32)(VECTOR(abs_epi32)(first), half), s), first);
}
#elif defined(__ARM_NEON)
#define SPAN 4
typedef int32x4_t lanes;
INLINED lanes at_values(const int32_t *p) { return vld1q_s32(p); }
INLINED lanes sum_of(lanes a, lanes b) { return vaddq_s32(a, b); }
INLINED lanes with_sign(uint32x4_t size, lanes sign) {
    const lanes x = vreinterpretq_s32_u32(size);
    return vbslq_s32(vcltq_s32(sign, vdupq_n_s32(0)), vnegq_s32(x), x);
}
INLINED lanes once_vector(lanes x, lanes m, lanes s) {
    const uint32x4_t size = vreinterpretq_u32_s32(vabsq_s32(x)), factor = vreinterpretq_u32_s32(m);
    const int64x2_t down = vmovl_s32(vneg_s32(vget_low_s32(s))), down2 = vmovl_s32(vneg_s32(vget_high_s32(s)));
    const uint64x2_t low = vrshlq_u64(vmull_u32(vget_low_u32(size), vget_low_u32(factor)), down);
    const uint64x2_t high = vrshlq_u64(vmull_u32(vget_high_u32(size), vget_high_u32(factor)), down2);
    return with_sign(vcombine_u32(vmovn_u64(low), vmovn_u64(high)), x);
}
INLINED lanes twice_vector(lanes x, lanes m, lanes s) {
    const lanes first = vqrdmulhq_s32(x, m);
    return with_sign(vrshlq_u32(vreinterpretq_u32_s32(vabsq_s32(first)), vnegq_s32(s)), first);
}
INLINED void put(const lanes *x, byte *y, int count, int zero, int low, int high) {
    const int16x8_t move = vdupq_n_s16((int16_t)zero);
    const int16x8_t first = vqaddq_s16(vcombine_s16(vqmovn_s32(x[0]), vqmovn_s32(x[1])), move);
    const int16x8_t second = vqaddq_s16(vcombine_s16(vqmovn_s32(x[2]), vqmovn_s32(x[3])), move);
    int8x16_t made = vcombine_s8(vqmovn_s16(first), vqmovn_s16(second));
    made = vminq_s8(vmaxq_s8(made, vdupq_n_s8((int8_t)low)), vdupq_n_s8((int8_t)high));
    memcpy(y, &made, (size_t)(count < GROUP ? count : GROUP));
}
#endif

/* Both, where multipliers have 31 bits and the factor is below 1, so that results fit 32 bits; shifts to the right. */
INLINED void round_once(const int32_t *restrict total, const int32_t *restrict multiplier,
                        const int32_t *restrict shift, byte *restrict y, int outputs, int zero, int low, int high) {
#if defined(SPAN)
    for (int i = 0; i < outputs; i += GROUP) {
        lanes made[GROUP / SPAN];
        for (int part = 0; part < GROUP / SPAN; ++part) {
            const int at = i + part * SPAN;
            made[part] = once_vector(at_values(total + at), at_values(multiplier + at), at_values(shift + at));
        }
        put(made, y + i, outputs - i, zero, low, high);
    }
#else
    for (int i = 0; i < outputs; ++i) {
        const int64_t product = (int64_t)total[i] * (int64_t)multiplier[i];
        const int64_t half = (int64_t)1 << (shift[i] - 1);
        y[i] = stored((product + half - (product < 0)) >> shift[i], zero, low, high);
    }
#endif
}

#if !defined(SPAN)
INLINED int64_t twice_of(int64_t value, int64_t multiplier, int shift) {
    const int64_t first = (value * multiplier + ((int64_t)1 << 30)) >> 31, half = ((int64_t)1 << shift) >> 1;
    return (first + half - (first < 0 && shift > 0)) >> shift;
}
#endif

INLINED void round_twice(const int32_t *restrict total, const int32_t *restrict multiplier,
                         const int32_t *restrict shift, byte *restrict y, int outputs, int zero, int low, int high) {
#if defined(SPAN)
    for (int i = 0; i < outputs; i += GROUP) {
        lanes made[GROUP / SPAN];
        for (int part = 0; part < GROUP / SPAN; ++part) {
            const int at = i + part * SPAN;
            made[part] = twice_vector(at_values(total + at), at_values(multiplier + at), at_values(shift + at));
        }
        put(made, y + i, outputs - i, zero, low, high);
    }
#else
    for (int i = 0; i < outputs; ++i) {
        y[i] = stored(twice_of(total[i], multiplier[i], shift[i]), zero, low, high);
    }
#endif
}

#if defined(FOURS)
/* Four vectors of values to which zero point and OFFSET are added: a quarter of each in every part of 16 bytes. */
INLINED __m512i narrowed(const __m512i *made, int low, int high) {
    __m512i bytes = _mm512_packus_epi16(_mm512_packs_epi32(made[0], made[1]), _mm512_packs_epi32(made[2], made[3]));
    bytes = low > -128 ? _mm512_max_epu8(bytes, _mm512_set1_epi8((char)(low + OFFSET))) : bytes;
    return high < 127 ? _mm512_min_epu8(bytes, _mm512_set1_epi8((char)(high + OFFSET))) : bytes;
}
#endif

/* Rows of sums, [rows][groups][16], to rows of bytes that lie `stride` apart. `within`: a sum with the zero point moved by
 * the shift stays within 32 bits, and no shift is 0 where low < zero; then four vectors become bytes at once.
 * A rounded product below 0 belongs to a sum below 0, and one less before the shift rounds its halves away from zero;
 * where all below the zero point is clamped, that changes nothing.
 */
INLINED void round_twice_rows(const int32_t *restrict total, int rows, int groups, const int32_t *restrict multiplier,
                              const int32_t *restrict shift, byte *restrict y, int stride, int outputs, int zero,
                              int low, int high, int within) {
#if defined(FOURS)
    const __m512i nudge = _mm512_set1_epi64(1 << 30), move = _mm512_set1_epi32(2 * (zero + OFFSET) + 1);
    const int count = rows * groups;
    for (int i = 0; within && i < count; i += 4) {
        __m512i made[4];
#pragma GCC unroll 4
        for (int part = 0; part < 4; ++part) {
            const int at = i + part < count ? i + part : i, group = at % groups * GROUP;
            const __m512i x = at_values(total + at * GROUP), m = at_values(multiplier + group);
            const __m512i s = at_values(shift + group);
            const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(x, m), nudge), up = _mm512_srli_epi64(x, 32);
            const __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(up, _mm512_srli_epi64(m, 32)), nudge);
            __m512i one = both_lanes(_mm512_srli_epi64(even, 31), _mm512_slli_epi64(odd, 1));
            one = _mm512_add_epi32(one, _mm512_srli_epi32(_mm512_sllv_epi32(move, s), 1));
            one = low < zero ? _mm512_add_epi32(one, _mm512_srai_epi32(x, 31)) : one;
            made[part] = _mm512_srav_epi32(one, s);
        }
        const __m512i bytes = turned(narrowed(made, low, high));
        if (outputs == groups * GROUP && stride == outputs && i + 4 <= count) {
            _mm512_storeu_si512(y + i * GROUP, bytes);
            continue;
        }
        byte four[4 * GROUP];
        _mm512_storeu_si512(four, bytes);
#pragma GCC unroll 4
        for (int part = 0; part < 4 && i + part < count; ++part) {
            const int at = i + part, group = at % groups * GROUP;
            memcpy(y + at / groups * stride + group, four + part * GROUP, (size_t)AT_MOST(GROUP, outputs - group));
        }
    }
    rows = within ? 0 : rows;
#else
    (void)within;
#endif
    for (int row = 0; row < rows; ++row) {
        round_twice(total + row * groups * GROUP, multiplier, shift, y + row * stride, outputs, zero, low, high);
    }
}

/* Sum of two values: each brought to twice the larger scale with `bits` more bits, added, brought to the output's scale
 * (core/kernels, `add`). Factors: multiplier and shift to the right of the first, the second and the sum, 16 times each.
 * `one_half` and `two_half`: the factor is exactly a half. `line`: factors of 30 bits that give the same bytes for every
 * pair of bytes (elementwise.py), both lower 15 bits, both upper 15 bits, the constant's lower and upper, and the shift;
 * NULL where there are none.
 */
INLINED void add_bytes(const byte *restrict one, const byte *restrict two, byte *restrict y, int count,
                       const int32_t *restrict factors, const int32_t *restrict line, int bits, int one_half,
                       int two_half, int one_zero, int two_zero, int zero, int low, int high) {
#if defined(FOURS)
    for (int i = 0; line != NULL && i < count; i += 4 * GROUP) {
        const __m512i lower = _mm512_set1_epi32(line[0]), upper = _mm512_set1_epi32(line[1]);
        const __m512i add_lower = _mm512_set1_epi32(line[2]), add_upper = _mm512_set1_epi32(line[3]);
        const __m512i a = _mm512_loadu_si512(one + i), b = _mm512_loadu_si512(two + i), none = _mm512_setzero_si512();
        const __m512i first = _mm512_unpacklo_epi8(a, b), second = _mm512_unpackhi_epi8(a, b);
        __m512i made[4] = {_mm512_unpacklo_epi8(first, none), _mm512_unpackhi_epi8(first, none),
                           _mm512_unpacklo_epi8(second, none), _mm512_unpackhi_epi8(second, none)};
#pragma GCC unroll 4
        for (int part = 0; part < 4; ++part) {
            const __m512i carry = _mm512_srai_epi32(_mm512_dpwssd_epi32(add_lower, made[part], lower), 15);
            const __m512i sum = _mm512_add_epi32(_mm512_dpwssd_epi32(add_upper, made[part], upper), carry);
            made[part] = _mm512_sra_epi32(sum, _mm_cvtsi32_si128(line[4]));
        }
        const __m512i bytes = narrowed(made, low, high);
        /* Bytes of the last vector are masked: gcc 12 copies 32 of 64 by memcpy from the wrong place. */
        _mm512_mask_storeu_epi8(y + i, i + 4 * GROUP <= count ? ~0ULL : (1ULL << (count - i)) - 1, bytes);
    }
    count = line != NULL ? 0 : count;
#else
    (void)line;
#endif
    for (int i = 0; i < count; i += GROUP) {
        int32_t first[GROUP], second[GROUP];
        for (int n = 0; n < GROUP; ++n) {
            first[n] = ((int32_t)one[i + n] - OFFSET - one_zero) * (1 << (bits - one_half));
            second[n] = ((int32_t)two[i + n] - OFFSET - two_zero) * (1 << (bits - two_half));
        }
#if defined(SPAN)
        lanes made[GROUP / SPAN];
        const lanes factor[6] = {at_values(factors),      at_values(factors + 16), at_values(factors + 32),
                                 at_values(factors + 48), at_values(factors + 64), at_values(factors + 80)};
        for (int part = 0; part < GROUP / SPAN; ++part) {
            lanes a = at_values(first + part * SPAN), b = at_values(second + part * SPAN);
            a = one_half ? a : twice_vector(a, factor[0], factor[1]);
            b = two_half ? b : twice_vector(b, factor[2], factor[3]);
            made[part] = twice_vector(sum_of(a, b), factor[4], factor[5]);
        }
        put(made, y + i, count - i, zero, low, high);
#else
        for (int n = 0; n < GROUP && i + n < count; ++n) {
            const int64_t a = one_half ? first[n] : twice_of(first[n], factors[0], factors[16]);
            const int64_t b = two_half ? second[n] : twice_of(second[n], factors[32], factors[48]);
            y[i + n] = stored(twice_of(a + b, factors[64], factors[80]), zero, low, high);
        }
#endif
    }
}
#endif

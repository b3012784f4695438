/* Kernels for the machine that compiles them. Every function is inlined with constant lengths, so that a compiler
 * unrolls it for the layer at hand. Weights come in groups of 16 outputs, padded with zeros; see packing.py.
 */
#ifndef EDGEWRIGHT_KERNELS_H
#define EDGEWRIGHT_KERNELS_H
#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif
#if defined(__ARM_FEATURE_DOTPROD)
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
/* Sums side by side for `groups` groups: about eight registers, half of them where a group takes more than one. */
#define WAYS(groups) (8 / (groups) / PARTS > 0 ? 8 / (groups) / PARTS : 1)
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

/* y = clamp(x w + b) for `groups` groups of outputs; sums are split in `ways`, so that additions do not wait. */
INLINED void dense_floats(const float *restrict x, const float *restrict w, const float *restrict b,
                          float *restrict y, int inputs, int groups, int ways, int outputs, float low, float high) {
    floats sum[32];
#pragma GCC unroll 32
    for (int i = 0; i < ways * groups * PARTS; ++i) {
        sum[i] = (floats){0};
    }
    int k = 0;
    for (; k + ways <= inputs; k += ways) {
#pragma GCC unroll 16
        for (int way = 0; way < ways; ++way) {
            const floats value = (floats){0} + x[k + way];
#pragma GCC unroll 16
            for (int i = 0; i < groups * PARTS; ++i) {
                sum[way * groups * PARTS + i] +=
                    value * *(const floats *)(w + (k + way) * groups * GROUP + i * LANES);
            }
        }
    }
    for (; k < inputs; ++k) {
        const floats value = (floats){0} + x[k];
        for (int i = 0; i < groups * PARTS; ++i) {
            sum[i] += value * *(const floats *)(w + k * groups * GROUP + i * LANES);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < groups * PARTS; ++i) {
        floats total = sum[i] + *(const floats *)(b + i * LANES);
        for (int way = 1; way < ways; ++way) {
            total += sum[way * groups * PARTS + i];
        }
        if (low > -INFINITY) {
            total = larger((floats){0} + low, total);
        }
        if (high < INFINITY) {
            total = smaller((floats){0} + high, total);
        }
        const int rest = outputs - i * LANES;
        if (rest > 0) {
            memcpy(y + i * LANES, &total, sizeof(float) * (size_t)(rest < LANES ? rest : LANES));
        }
    }
}

/* Sums of products of bytes without a sign (value + 128) and signed weights, for `groups` groups of 16 outputs.
 * Weights: [inputs / 4][groups][16 outputs][4 inputs]. `total` starts as the bias with what 128 and the zero point add.
 */
INLINED void dense_sums(const uint8_t *restrict x, const int8_t *restrict w, const int32_t *restrict b,
                        int32_t *restrict total, int quads, int groups, int ways) {
#if defined(__AVX512VNNI__)
    __m512i sum[16];
    for (int i = 0; i < groups; ++i) {
        sum[i] = _mm512_loadu_si512(b + i * GROUP);
    }
    for (int i = groups; i < ways * groups; ++i) {
        sum[i] = _mm512_setzero_si512();
    }
    int k = 0;
    for (; k + ways <= quads; k += ways) {
        for (int way = 0; way < ways; ++way) {
            int32_t four;
            memcpy(&four, x + 4 * (k + way), 4);
            const __m512i value = _mm512_set1_epi32(four);
            for (int i = 0; i < groups; ++i) {
                const int8_t *at = w + ((k + way) * groups + i) * 64;
                /* Weights beyond the second cache arrive too late otherwise: the hardware stops at every page. */
                if (FAR_WEIGHTS) {
                    __builtin_prefetch(at + 512);
                }
                sum[way * groups + i] = _mm512_dpbusd_epi32(sum[way * groups + i], value, _mm512_loadu_si512(at));
            }
        }
    }
    for (; k < quads; ++k) {
        int32_t four;
        memcpy(&four, x + 4 * k, 4);
        const __m512i value = _mm512_set1_epi32(four);
        for (int i = 0; i < groups; ++i) {
            sum[i] = _mm512_dpbusd_epi32(sum[i], value, _mm512_loadu_si512(w + (k * groups + i) * 64));
        }
    }
    for (int i = 0; i < groups; ++i) {
        for (int way = 1; way < ways; ++way) {
            sum[i] = _mm512_add_epi32(sum[i], sum[way * groups + i]);
        }
        _mm512_storeu_si512(total + i * GROUP, sum[i]);
    }
#elif defined(__AVX2__)
    (void)ways;
    for (int i = 0; i < groups; ++i) {
        /* Sixteen-bit products in pairs: exact, where multiplying bytes directly would saturate. */
        __m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                          _mm256_setzero_si256()};
        for (int k = 0; k < quads; ++k) {
            int32_t four;
            memcpy(&four, x + 4 * k, 4);
            const __m256i value = _mm256_cvtepu8_epi16(_mm_set1_epi32(four));
            const int8_t *at = w + (k * groups + i) * 64;
            for (int part = 0; part < 4; ++part) {
                const __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(at + 16 * part)));
                sum[part] = _mm256_add_epi32(sum[part], _mm256_madd_epi16(value, wide));
            }
        }
        for (int part = 0; part < 4; ++part) {
            int32_t pairs[8];
            _mm256_storeu_si256((__m256i *)pairs, sum[part]);
            for (int lane = 0; lane < 4; ++lane) {
                const int at = i * GROUP + 4 * part + lane;
                total[at] = b[at] + pairs[2 * lane] + pairs[2 * lane + 1];
            }
        }
    }
#elif defined(__ARM_FEATURE_DOTPROD)
    /* The instruction takes both signed: 128 less in every input, which the bias of `groups` further groups allows. */
    (void)ways;
    const int32_t *const signed_b = b + groups * GROUP;
    for (int i = 0; i < groups; ++i) {
        int32x4_t sum[4];
        for (int part = 0; part < 4; ++part) {
            sum[part] = vld1q_s32(signed_b + i * GROUP + 4 * part);
        }
        for (int k = 0; k < quads; ++k) {
            uint32_t four;
            memcpy(&four, x + 4 * k, 4);
            const int8x16_t value = vreinterpretq_s8_u32(vdupq_n_u32(four ^ 0x80808080u));
            for (int part = 0; part < 4; ++part) {
                sum[part] = vdotq_s32(sum[part], vld1q_s8(w + (k * groups + i) * 64 + 16 * part), value);
            }
        }
        for (int part = 0; part < 4; ++part) {
            vst1q_s32(total + i * GROUP + 4 * part, sum[part]);
        }
    }
#else
    (void)ways;
    memcpy(total, b, sizeof(int32_t) * (size_t)(groups * GROUP));
    for (int k = 0; k < quads; ++k) {
        for (int i = 0; i < groups * GROUP; ++i) {
            const int8_t *at = w + (k * groups * GROUP + i) * 4;
            for (int lane = 0; lane < 4; ++lane) {
                total[i] += (int32_t)x[4 * k + lane] * at[lane];
            }
        }
    }
#endif
}

/* Sums to bytes + 128, rounded once: x * multiplier / 2^shift, halves away from zero (requantise.py, `once`). */
INLINED void round_once_long(const int32_t *restrict total, const int64_t *restrict multiplier,
                             const int64_t *restrict shift, uint8_t *restrict y, int outputs, int zero, int low,
                             int high) {
    for (int i = 0; i < outputs; ++i) {
        const int64_t product = (int64_t)total[i] * multiplier[i];
        const int64_t half = (int64_t)1 << (shift[i] - 1);
        const int64_t done = ((product + half - (product < 0)) >> shift[i]) + zero;
        y[i] = (uint8_t)((done < low ? low : (done > high ? high : done)) + 128);
    }
}

/* Rounded at the product and again at the shift (requantise.py, `twice`). */
INLINED void round_twice_long(const int32_t *restrict total, const int64_t *restrict multiplier,
                              const int64_t *restrict shift, uint8_t *restrict y, int outputs, int zero, int low,
                              int high) {
    for (int i = 0; i < outputs; ++i) {
        const int64_t left = shift[i] > 0 ? shift[i] : 0, right = shift[i] < 0 ? -shift[i] : 0;
        const int64_t product = (total[i] * ((int64_t)1 << left)) * multiplier[i];
        const int64_t first = (product + ((int64_t)1 << 30)) >> 31;
        const int64_t half = ((int64_t)1 << right) >> 1;
        const int64_t done = ((first + half - (first < 0 && right > 0)) >> right) + zero;
        y[i] = (uint8_t)((done < low ? low : (done > high ? high : done)) + 128);
    }
}

#if defined(__AVX512F__)
/* Even and odd lanes of 64 bits back to 16 lanes of 32, moved, clamped and stored as bytes + 128. */
INLINED void store_bytes(__m512i even, __m512i odd, uint8_t *y, int zero, int low, int high) {
    __m512i all = _mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32));
    all = _mm512_add_epi32(all, _mm512_set1_epi32(zero));
    all = _mm512_max_epi32(_mm512_min_epi32(all, _mm512_set1_epi32(high)), _mm512_set1_epi32(low));
    _mm_storeu_si128((__m128i *)y, _mm512_cvtepi32_epi8(_mm512_add_epi32(all, _mm512_set1_epi32(128))));
}

INLINED __m512i over_power(__m512i x, __m512i shift) {
    const __m512i one = _mm512_set1_epi64(1), half = _mm512_srli_epi64(_mm512_sllv_epi64(one, shift), 1);
    const __mmask8 rounds = _mm512_test_epi64_mask(shift, shift);
    const __m512i below = _mm512_maskz_srai_epi64(rounds, x, 63);
    return _mm512_srav_epi64(_mm512_add_epi64(_mm512_add_epi64(x, half), below), shift);
}
#endif

/* Both, where multipliers have 31 bits and the factor is below 1, so that results fit 32 bits; shifts to the right.
 * Writes whole groups: what lies behind is written later, or is room.
 */
INLINED void round_once(const int32_t *restrict total, const int32_t *restrict multiplier,
                        const int32_t *restrict shift, uint8_t *restrict y, int outputs, int zero, int low, int high) {
#if defined(__AVX512F__)
    const __m512i lower = _mm512_set1_epi64(0xFFFFFFFF);
    for (int i = 0; i < outputs; i += GROUP) {
        const __m512i x = _mm512_loadu_si512(total + i), m = _mm512_loadu_si512(multiplier + i);
        const __m512i s = _mm512_loadu_si512(shift + i);
        const __m512i even = _mm512_mul_epi32(x, m);
        const __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(x, 32), _mm512_srli_epi64(m, 32));
        store_bytes(over_power(even, _mm512_and_si512(s, lower)), over_power(odd, _mm512_srli_epi64(s, 32)), y + i,
                    zero, low, high);
    }
#else
    for (int i = 0; i < outputs; ++i) {
        const int64_t product = (int64_t)total[i] * (int64_t)multiplier[i];
        const int64_t half = (int64_t)1 << (shift[i] - 1);
        const int32_t done = (int32_t)((product + half - (product < 0)) >> shift[i]) + zero;
        y[i] = (uint8_t)((done < low ? low : (done > high ? high : done)) + 128);
    }
#endif
}

INLINED void round_twice(const int32_t *restrict total, const int32_t *restrict multiplier,
                         const int32_t *restrict shift, uint8_t *restrict y, int outputs, int zero, int low, int high) {
#if defined(__AVX512F__)
    const __m512i lower = _mm512_set1_epi64(0xFFFFFFFF), nudge = _mm512_set1_epi64(1 << 30);
    for (int i = 0; i < outputs; i += GROUP) {
        const __m512i x = _mm512_loadu_si512(total + i), m = _mm512_loadu_si512(multiplier + i);
        const __m512i s = _mm512_loadu_si512(shift + i);
        __m512i even = _mm512_mul_epi32(x, m);
        __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(x, 32), _mm512_srli_epi64(m, 32));
        even = _mm512_srai_epi64(_mm512_add_epi64(even, nudge), 31);
        odd = _mm512_srai_epi64(_mm512_add_epi64(odd, nudge), 31);
        store_bytes(over_power(even, _mm512_and_si512(s, lower)), over_power(odd, _mm512_srli_epi64(s, 32)), y + i,
                    zero, low, high);
    }
#else
    for (int i = 0; i < outputs; ++i) {
        const int64_t first = ((int64_t)total[i] * (int64_t)multiplier[i] + ((int64_t)1 << 30)) >> 31;
        const int64_t half = ((int64_t)1 << shift[i]) >> 1;
        const int32_t done = (int32_t)((first + half - (first < 0 && shift[i] > 0)) >> shift[i]) + zero;
        y[i] = (uint8_t)((done < low ? low : (done > high ? high : done)) + 128);
    }
#endif
}
#endif

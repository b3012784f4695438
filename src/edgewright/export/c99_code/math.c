/* Functions of the C library that code for cores with float instructions has of its own.
 * log: x = 2^e (1 + f) with 1 + f around 1; the coefficients are those of FreeBSD's e_logf.c (Sun Microsystems, 1993),
 * and of exp those of its e_expf.c. */
#include <math.h>
#include <stdint.h>
#include <string.h>
#define @_apart

/* block bits */
static float @_float(int32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* block root */
static float @_root(float x) {
#ifdef @_FLOATS
    __asm__("vsqrt.f32 %0, %1" : "=t"(x) : "t"(x));
    return x;
#else
    return sqrtf(x);
#endif
}

/* block log */
/* Natural logarithm, within one digit of the last place. */
@_apart static float @_log(float x) {
    int32_t bits, e = -127;
    if (!(x > 0.0f && x <= 3.4028235e+38f)) {
        return x == 0.0f ? -INFINITY : x > 0.0f ? x : NAN;
    }
    if (x < 1.17549435e-38f) {
        x *= 33554432.0f;
        e -= 25;
    }
    memcpy(&bits, &x, sizeof bits);
    bits += 0x3F800000 - 0x3F3504F3;
    e += bits >> 23;
    const float f = @_float((bits & 0x7FFFFF) + 0x3F3504F3) - 1.0f, s = f / (2.0f + f), z = s * s, w = z * z;
    const float r = z * (0.6666666269f + w * 0.2849878669f) + w * (0.4000097215f + w * 0.2427907884f);
    const float half = 0.5f * f * f, k = (float)e;
    return s * (half + r) + k * 9.0580006145e-6f - half + f + k * 6.9313812256e-1f;
}

/* block exp */
/* Power of e, within one digit of the last place. */
@_apart static float @_exp(float x) {
    if (!(x < 88.722839f)) {
        return x != x ? x : INFINITY;
    }
    if (x < -103.97208f) {
        return 0.0f;
    }
    const int32_t k = (int32_t)(1.4426950216f * x + (x < 0.0f ? -0.5f : 0.5f));
    const float high = x - (float)k * 6.9314575195e-1f, low = (float)k * 1.4286067653e-6f, t = high - low;
    const float c = t - t * t * (1.6666625440e-1f - t * t * 2.7667332906e-3f);
    /* By two powers of two: one alone may not be a number of 32 bits where the result is. */
    const int32_t first = k / 2, other = k - first;
    const float y = 1.0f + (t * c / (2.0f - c) - low + high);
    return y * @_float((first + 127) * 8388608) * @_float((other + 127) * 8388608);
}

/* block nearest */
/* To the nearest whole number, halves away from zero. */
static float @_nearest(float x) {
    if (!(fabsf(x) < 8388608.0f)) {
        return x;
    }
    const float t = (float)(int32_t)x, rest = x - t;
    return rest >= 0.5f ? t + 1.0f : rest <= -0.5f ? t - 1.0f : t;
}

/* block guard */
/* Float instructions by assembly; -D@_NO_ASSEMBLY leaves it out. */
#if defined(__GNUC__) && defined(__thumb2__) && defined(__ARM_FEATURE_FMA) && !defined(@_NO_ASSEMBLY)
#define @_FLOATS 1
#endif

/* Functions of one value or two; `elementwise.py` writes the numbers of the error function. */
#include <math.h>
#include <stdint.h>
#define $limit 4.0f
#define $split 1.0f
#define $far -1.0f
#define $near s

/* block Max */
static float @_max(float a, float b) {
    return a > b || a != a ? a : b;
}

/* block Min */
static float @_min(float a, float b) {
    return a < b || a != a ? a : b;
}

/* block Relu */
static float @_relu(float a) {
    return a < 0.0f ? 0.0f : a;
}

/* block Sign */
static float @_sign(float a) {
    return a > 0.0f ? 1.0f : a < 0.0f ? -1.0f : a;
}

/* block LeakyRelu */
static float @_leakyrelu(float a, float slope) {
    return a < 0.0f ? slope * a : a;
}

/* block Sigmoid */
static float @_sigmoid(float a) {
    return 1.0f / (1.0f + expf(-a));
}

/* block Whole */
static int32_t @_whole(float a) {
    return a >= 2147483648.0f ? INT32_MAX : a < -2147483648.0f ? INT32_MIN : a == a ? (int32_t)a : 0;
}

/* block IsNaN */
static uint8_t @_isnan(float a) {
    return a != a;
}

/* block Erf */
/* The error function, as core/operators/elementwise.py says it. */
static float @_erf(float a) {
    const float t = a < 0.0f ? -a : a;
    if (t > $limit) {
        return a < 0.0f ? -1.0f : 1.0f;
    }
    if (t > $split) {
        const float far = 1.0f - expf(t * $far - t);
        return a < 0.0f ? -far : far;
    }
    const float s = a * a;
    return a + a * $near;
}

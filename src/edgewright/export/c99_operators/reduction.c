/* Reductions that are functions; `reduction.py` writes the calls. */
#include <math.h>
#define @_apart

/* block most */
/* The largest of neighbours; not a number where one is not. */
@_apart static float @_most(const float *x, int count) {
    float a = *x;
    for (const float *const end = x + count; x != end; ++x) {
        if (!(*x <= a)) {
            a = *x;
            if (a != a) {
                break;
            }
        }
    }
    return a;
}

/* block softmax */
static void @_softmax(const float *in, float *out, int count, int step) {
    float top = in[0], total = 0.0f;
    for (int i = 1; i < count; ++i) {
        if (in[i * step] > top) {
            top = in[i * step];
        }
    }
    for (int i = 0; i < count; ++i) {
        out[i * step] = expf(in[i * step] - top);
        total += out[i * step];
    }
    for (int i = 0; i < count; ++i) {
        out[i * step] /= total;
    }
}

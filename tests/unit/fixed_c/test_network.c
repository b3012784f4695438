#include "_extension/network.c"
#include "check.h"

int ew_network(ew_network_context *context, const int8_t *in, int8_t *out) {
    (void)context;
    for (int i = 0; i < 4; ++i) {
        out[i] = (int8_t)(2 * in[i]);
    }
    return 0;
}

int main(void) {
    /* Three by three places of two channels; the windows of two by two begin at four of them. */
    static float image[18], other[18], out[16];
    for (int i = 0; i < 18; ++i) {
        image[i] = (float)(i % 2 ? 20 : i / 2);
    }
    ew_under(image, other);
    CHECK(is_near(other[0], 0.0));
    ew_max_pool(image, out);
    CHECK(is_near(out[0], 4.0) && is_near(out[2], 5.0) && is_near(out[4], 7.0) && is_near(out[1], 9.0));
    ew_average_pool(image, out);
    CHECK(is_near(out[0], 2.0) && is_near(out[6], 6.0) && is_near(out[7], 9.0));
    ew_mean(image, out);
    CHECK(is_near(out[0], 1.5) && is_near(out[1], 20.0));
    other[0] = -99.0f;
    other[2] = 1.0f;
    ew_add(image, other, out);
    CHECK(is_near(out[0], -9.0) && is_near(out[1], 9.0) && is_near(out[2], 2.0));
    ew_portable(image, out);
    CHECK(is_near(out[2], 2.0) && is_near(out[3], 40.0));
    return failures != 0;
}

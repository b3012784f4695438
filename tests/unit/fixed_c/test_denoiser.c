#include "c99_stream/denoiser.c"
#include "check.h"

static const float ew_mean[2] = {10.0f, 0.0f}, ew_unit[2] = {0.5f, 1.0f}, ew_deviation[2] = {2.0f, 1.0f};
static int8_t taken[8];

/* All that it hears is noise. */
int ew_network(ew_network_context *context, const int8_t *in, int8_t *out) {
    (void)context;
    memcpy(taken, in, sizeof taken);
    memcpy(out, in, sizeof taken);
    return 0;
}

int main(void) {
    static ew_context context;
    /* Steps of a tenth and a zero of 3; halves of a step go away from zero, and what does not fit is cut. */
    CHECK(ew_to_byte(0.0f) == 3 && ew_to_byte(0.26f) == 6 && ew_to_byte(-0.26f) == 0 && ew_to_byte(0.24f) == 5);
    CHECK(ew_to_byte(1e30f) == 127 && ew_to_byte(-1e30f) == -124 && ew_to_byte(INFINITY) == 127);
    CHECK(ew_to_byte(NAN) == 3 && ew_to_byte(12.4f) == 127 && ew_to_byte(12.3f) == 126);
    context.network.arena[0] = 5;
    ew_network_init(&context.network);
    CHECK(context.network.arena[0] == 0);
    context.next = 3;
    ew_init(&context);
    CHECK(context.next == 0 && context.network.arena[3] == 9 && context.network.arena[0] == 0);
    /* Channels side by side: half of what is above 10, and the number itself. What is left is less than a step. */
    const float in[8] = {10.0f, 1.0f, 14.0f, -1.0f, 6.0f, 0.0f, 10.05f, NAN};
    float out[8];
    ew_step(&context, in, out);
    CHECK(taken[0] == 3 && taken[1] == 13 && taken[2] == 23 && taken[3] == -7 && taken[4] == -17 && taken[7] == 3);
    CHECK(is_near(out[0], 10.0) && is_near(out[1], 0.0) && is_near(out[2], 10.0) && is_near(out[4], 10.0));
    CHECK(is_near(out[3], 0.0) && is_near(out[6], 10.05) && isnan(out[7]));
    /* A sample waits for its noise as long as the ring is: its own comes out four numbers later. */
    float numbers[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    for (int i = 0; i < 10; ++i) {
        ew_late(&context, numbers, numbers, i, 0.5f);
        CHECK(numbers[i] == (i < 4 ? -0.5f : (float)(i - 3) - 0.5f));
    }
    return failures;
}

#include "c99_operators/reduction.c"
#include "check.h"

int main(void) {
    float x[70], out[6];
    for (int i = 0; i < 70; ++i) {
        x[i] = (float)i;
    }
    /* Of what neighbours exceed 2: 69 * 70 / 2 - 2 * 70. */
    CHECK(is_near(ew_rest(x, 2.0f, 70), 2275.0));
    CHECK(is_near(ew_known_sum(x, 0.0f, 2.0f, 70), 2275.0));
    x[9] = NAN;
    CHECK(is_near(ew_known_sum(x, 4.0f, 2.0f, 70), 2270.0));
    x[9] = 99.0f;
    CHECK(is_near(ew_most(x, 70), 99.0));
    const float rows[6] = {0.0f, 1.0f, 0.0f, 1.0f, 0.0f, 1.0f};
    /* Along every second entry, as of a column. */
    ew_softmax(rows, out, 3, 2);
    CHECK(is_near(out[0], 1.0 / 3) && is_near(out[2], 1.0 / 3) && is_near(out[4], 1.0 / 3));
    return failures;
}

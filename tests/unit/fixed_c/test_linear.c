#include "c99_operators/linear.c"
#include "check.h"

int main(void) {
    const float x[10] = {1, 0, 2, 0, 3, 0, 4, 0, 5, 0}, weights[10] = {1, 1, 1, 1, 1, 1, 0, -1, 0, 2}, bias[2] = {0.5f, -1};
    const uint16_t first[2] = {1, 3}, count[2] = {2, 1};
    float y[2];
    /* Every second number. */
    ew_dense(x, 2, weights, bias, y, 5, 2);
    CHECK(is_near(y[0], 15.5) && is_near(y[1], 7.0));
    ew_dense(x, 2, weights, 0, y, 5, 2);
    CHECK(is_near(y[0], 15.0) && is_near(y[1], 8.0));
    ew_runs(x, 2, weights, first, count, y, 2);
    CHECK(is_near(y[0], 5.0) && is_near(y[1], 4.0));
    ew_bands(x, 2, first, count, y, 2);
    CHECK(is_near(y[0], 5.0) && is_near(y[1], 4.0));
    ew_adjacent(x, 2, count, y, 2);
    CHECK(is_near(y[0], 3.0) && is_near(y[1], 3.0));
    /* 1 to 5 times 0, 0.5, 1, 1.5, 2. */
    const float line[5] = {1, 2, 3, 4, 5};
    CHECK(is_near(ew_line(line, 1.0f, 0.5f, 5), 20.0));
    return failures;
}

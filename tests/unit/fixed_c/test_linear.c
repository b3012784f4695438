#include "c99_operators/linear.c"
#include "check.h"
#include <math.h>

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
    /* A filter of the first sample and of all that follow it; every second number. */
    float twice[24], six[20], expected[20];
    for (int i = 0; i < 24; ++i) {
        twice[i] = (float)(i * 7 % 11) - 5.0f;
    }
    ew_shifted(twice, 2, twice + 1, twice + 3, six, 12);
    for (int j = 0; j < 12; ++j) {
        double sum = (double)(twice[0] * twice[1 + j]);
        for (int i = 0; i < j; ++i) {
            sum += (double)(twice[2 * (j - i)] * twice[3 + i]);
        }
        CHECK(is_near(six[j], sum));
    }
    /* A matrix that is itself by half a turn: of rows 0 to 2 the means and half differences of mirrored entries. */
    for (int half = 2; half < 4; ++half) {
        float matrix[3][6], even[9], odd[9];
        for (int j = 0; j < half; ++j) {
            for (int i = 0; i < 2 * half; ++i) {
                matrix[j][i] = (float)((3 * j + 5 * i + i * j) % 7) - 3.0f;
            }
            for (int i = 0; i < half; ++i) {
                even[half * j + i] = (matrix[j][i] + matrix[j][2 * half - 1 - i]) / 2.0f;
                odd[half * j + i] = (matrix[j][i] - matrix[j][2 * half - 1 - i]) / 2.0f;
            }
        }
        ew_mirrored(twice, 2, even, odd, six, half);
        for (int j = 0; j < half; ++j) {
            expected[j] = expected[2 * half - 1 - j] = 0.0f;
            for (int i = 0; i < 2 * half; ++i) {
                expected[j] += matrix[j][i] * twice[2 * i];
                expected[2 * half - 1 - j] += matrix[j][2 * half - 1 - i] * twice[2 * i];
            }
            CHECK(is_near(six[j], (double)expected[j]));
            CHECK(is_near(six[2 * half - 1 - j], (double)expected[2 * half - 1 - j]));
        }
    }
    CHECK(ew_band(1, 3, 9) == 1 && ew_band(3, 3, 9) == 2 && ew_band(6, 3, 9) == 2 && ew_band(7, 3, 9) == 3);
    CHECK(ew_band(8, 3, 9) == 4);
    /* A smoother of stiffness 2: what it gives, plus twice the second differences of its second differences, is x. */
    enum { N = 12 };
    double a[N][N] = {{0.0}}, pivot[N], near[N] = {0.0}, far[N] = {0.0};
    float rest[N], level[N];
    for (int i = 0; i < N; ++i) {
        a[i][i] += 1.0;
        for (int r = i; r <= i + 2 && i < N - 2; ++r) {
            for (int c = i; c <= i + 2; ++c) {
                a[r][c] += 2.0 * (r == i + 1 ? -2.0 : 1.0) * (c == i + 1 ? -2.0 : 1.0);
            }
        }
    }
    for (int i = 0; i < N; ++i) {
        far[i] = i > 1 ? a[i][i - 2] / pivot[i - 2] : 0.0;
        near[i] = i > 0 ? (a[i][i - 1] - (i > 1 ? far[i] * pivot[i - 2] * near[i - 1] : 0.0)) / pivot[i - 1] : 0.0;
        pivot[i] = a[i][i] - (i > 0 ? near[i] * near[i] * pivot[i - 1] : 0.0) - (i > 1 ? far[i] * far[i] * pivot[i - 2] : 0.0);
        rest[i] = (float)(1.0 - 2.0 / pivot[i]);
        level[i] = (float)(1.0 + near[i] + far[i]);
        six[i] = twice[i];
    }
    ew_smooth(six, rest, level, 0.5f, N - 2, N);
    for (int i = 0; i < N; ++i) {
        double sum = 0.0;
        for (int j = 0; j < N; ++j) {
            sum += a[i][j] * (double)six[j];
        }
        CHECK(fabs(sum - (double)twice[i]) < 1e-4);
    }
    return failures;
}

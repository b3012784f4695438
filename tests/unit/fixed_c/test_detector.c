#include "c99_detectors/detector.c"
#include "check.h"

int main(void) {
    static ew_detect_context context;
    float window[24], features[12];
    ew_anomaly anomaly;
    CHECK(ew_finite(1.0f) && !ew_finite(NAN) && !ew_finite(INFINITY) && is_near(ew_bounded(7.0f, 3.0f), 3.0));
    for (int i = 0; i < 24; ++i) {
        window[i] = (float)(i % 8);
    }
    window[8] = window[10] = window[12] = window[14] = NAN;
    window[9] = window[11] = window[13] = NAN;
    ew_features(window, features);
    /* Mean, deviation, mean step and range of 0 to 7; nothing of a channel with a single number. */
    CHECK(is_near(features[0], 3.5) && is_near(features[1], sqrt(5.25)) && is_near(features[2], 1.0));
    CHECK(is_near(features[3], 7.0) && isnan(features[4]));
    /* A score from the threshold on is an anomaly, and others wait until the pause is over. */
    ew_detect_init(&context);
    context.rows = 7u;
    context.parts[4] = 2.0f;
    CHECK(!ew_judge(&context, 1.0f, &anomaly) && ew_judge(&context, 1.5f, &anomaly));
    CHECK(anomaly.channel == 1 && anomaly.row == 6u && is_near(anomaly.score, 1.5));
    for (int i = 0; i < 9; ++i) {
        CHECK(!ew_judge(&context, 9.0f, &anomaly));
    }
    CHECK(ew_judge(&context, 9.0f, &anomaly) && !ew_judge(&context, NAN, &anomaly));
    /* An hour and a half after midnight is the second of 24 parts of a day, and a minute before it the last. */
    ew_detect_time(&context, INT64_C(5400000000));
    CHECK(context.part == 2u);
    ew_detect_time(&context, INT64_C(-60000000));
    CHECK(context.part == 24u);
    /* A window is scored when it is full, after it a row is skipped; the score is a mean, of rows at most. */
    ew_detect_init(&context);
    float row[3] = {2.0f, NAN, NAN};
    for (uint32_t i = 0; i < 8; ++i) {
        CHECK(ew_detect(&context, row, &anomaly) == (i == 7));
    }
    CHECK(anomaly.row == 7u && is_near(anomaly.score, 2.0) && anomaly.channel == -1 && context.skip == 1);
    (void)ew_detect(&context, row, &anomaly);
    CHECK(context.skip == 0 && context.filled == 0);
    (void)ew_detect(&context, row, &anomaly);
    CHECK(context.filled == 1 && context.rows == 10u);
    context.skip = 1;
    ew_detect_gap(&context);
    CHECK(context.filled == 0 && context.skip == 0);
    /* Nothing is odd about rows without a number. */
    row[0] = NAN;
    context.quiet = 0u;
    context.parts[5] = 9.0f;
    for (int i = 0; i < 8; ++i) {
        CHECK(!ew_detect(&context, row, &anomaly));
    }
    CHECK(context.parts[5] == 0.0f);
    /* The mean of the last four rows, or of those there are; what is missing is 0 and what is large is bounded. */
    float mean[3], rows[3] = {0.0f, NAN, 1e30f};
    ew_detect_init(&context);
    for (int i = 1; i < 30; ++i) {
        rows[0] = (float)i;
        ew_mean(&context, rows, mean);
        CHECK(is_near(mean[0], i < 4 ? (1 + i) / 2.0 : i - 1.5) && mean[1] == 0.0f && mean[2] == 1e12f);
    }
    return failures;
}

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
    return failures;
}

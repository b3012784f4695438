#include "c99_stream/stream.c"
#include "check.h"

static float answer_of_window;

int ew_predict(ew_context *context, const float *input, ew_answer *answer) {
    (void)context;
    (void)input;
    answer->probabilities[0] = answer_of_window;
    answer->probabilities[1] = 1.0f - answer_of_window;
    answer->probabilities[2] = 0.0f;
    answer->flags = 0u;
    return 0;
}

void ew_frame(ew_context *context, const float *input, float *values) {
    (void)context;
    *values = *input;
}

int ew_framed(ew_context *context, const float *frames, int there, unsigned flags, ew_answer *answer) {
    (void)context;
    (void)frames;
    answer->flags = flags;
    return there;
}

void ew_adapt_before(float *window) {
    (void)window;
}

void ew_adapt_after(const float *window) {
    (void)window;
}

int main(void) {
    static ew_stream_context stream;
    const float row[EW_CHANNELS] = {1.0f, 2.0f, 3.0f};
    ew_event event = {0};
    int events = 0, alarms = 0, anomalies = 0;
    ew_init(&stream);
    /* The first row fills its window; the next ones come every 9 rows, and two that agree decide. */
    answer_of_window = 0.9f;
    for (int i = 0; i < 19; ++i) {
        if (ew_push(&stream, row, &event)) {
            ++events;
            anomalies += event.kind == EW_ANOMALY;
            if (event.kind == EW_ALARM) {
                ++alarms;
                CHECK(event.label == 0 && is_near(event.confidence, 0.9));
            }
        }
    }
    CHECK(alarms == 1 && events == alarms + anomalies && anomalies > 0);
    CHECK(is_near(ew_means(&stream)[0], 0.9) && ew_flags(&stream) == 0u);
    /* Lost rows are counted, and the window begins again. */
    ew_gap(&stream, 100u);
    CHECK(stream.rows == 119u && stream.filled == -1);
    /* An answer that is not finite decides nothing. */
    ew_answer broken = {.probabilities = {__builtin_nanf(""), 0.5f, 0.5f}};
    CHECK(!ew_decide(&stream, &broken, 0u, &event) && stream.candidate == 0);
    ew_time(&stream, INT64_C(7000000));
    CHECK(stream.rows == 7u);
    return failures;
}

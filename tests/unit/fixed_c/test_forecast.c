/* A level that moves by half of its last step, a quarter of the third last, and a tenth; values are 2 u + 1. */
#include "c99_stream/forecast.c"
#include "check.h"

static const float ew_start[4] = {1.0f, 2.0f, -1.0f, 5.0f}, ew_bias[1] = {0.1f}, ew_share[1] = {1.0f};
static const float ew_weights[2] = {0.5f, 0.25f};
static const int32_t ew_lags[2] = {1, 3}, ew_from[2] = {0, 2}, ew_anchors[2] = {1, 3};
/* Of three rows ahead, then of the wider interval. */
static const float ew_widths[6] = {1.0f, 1.5f, 2.0f, 2.0f, 1.0f, 4.0f};
static const float ew_within[4] = {0.5f, 0.75f, 0.5f, 0.75f}, ew_beyond[4] = {2.0f, 3.0f, 2.0f, 3.0f};

static double steps[64], level;
static int count;
static ew_forecast_context context;
static ew_forecast_row rows[3];

/* Where the next three rows are from the whole past. */
static void follow(double *levels) {
    double now = level;
    for (int h = 0; h < 3; ++h) {
        steps[count + h] = 0.1 + 0.5 * steps[count + h - 1] + 0.25 * steps[count + h - 3];
        now += steps[count + h];
        levels[h] = now;
    }
}

/* A row with a value, or NAN. */
static void push(double value) {
    double levels[3];
    follow(levels);
    const double u = value == value ? (value - 1.0) / 2.0 : levels[0];
    steps[count++] = u - level;
    level = u;
    ew_forecast_push(&context, value);
    follow(levels);
    CHECK(ew_forecast(&context, 3, rows) == 3);
    for (int h = 0; h < 3; ++h) {
        CHECK(fabs(rows[h].middle - (2.0 * levels[h] + 1.0)) < 1e-4);
    }
}

static void begin(void) {
    ew_forecast_init(&context);
    count = 3;
    for (int i = 0; i < 3; ++i) {
        steps[i] = (double)ew_start[i];
    }
    level = 5.0;
}

/* Half of an interval in units of u. */
static double half(int h, int k) {
    CHECK(is_near(rows[h].high[k] - rows[h].middle, rows[h].middle - rows[h].low[k]));
    return (rows[h].high[k] - rows[h].middle) / 2.0;
}

int main(void) {
    begin();
    CHECK(ew_forecast(&context, 0, rows) == 0 && ew_forecast(&context, 4, rows) == 0);
    CHECK(ew_forecast(&context, 1, rows) == 1);
    /* 5 + 0.1 - 0.5 + 0.25; a wider interval is never narrower. */
    CHECK(is_near(rows[0].middle, 2.0 * 4.85 + 1.0) && ew_forecast(&context, 3, rows) == 3);
    CHECK(is_near(half(0, 0), 1.0) && is_near(half(1, 0), 1.5) && is_near(half(1, 1), 1.5) && is_near(half(2, 1), 4.0));
    /* The first value is within both intervals of its forecast, which get narrower; that of three rows waits. */
    push(rows[0].middle + 0.1);
    CHECK(is_near(half(0, 0), 0.5) && is_near(half(0, 1), 1.5) && is_near(half(2, 0), 2.0) && is_near(half(2, 1), 4.0));
    /* Between anchors, scales are between theirs: 0.5 and 1. */
    CHECK(is_near(half(1, 0), 1.5 * 0.75) && ew_forecast_stale(&context) == 0u);
    /* Beyond the first and within the second, 0.7 from the forecast; then at the lowest and highest scale. */
    push(rows[0].middle + 1.4);
    CHECK(is_near(half(0, 0), 1.0) && is_near(half(0, 1), 2.0 * 0.5625) && is_near(half(2, 0), 2.0));
    for (int i = 0; i < 5; ++i) {
        push(rows[0].middle);
    }
    CHECK(is_near(half(0, 0), 0.5) && is_near(half(0, 1), 1.0) && is_near(half(2, 0), 1.0) && is_near(half(2, 1), 2.0));
    for (int i = 0; i < 3; ++i) {
        push(rows[0].middle + (i % 2 ? -40.0 : 40.0));
    }
    CHECK(is_near(half(0, 0), 4.0) && is_near(half(0, 1), 8.0));
    /* A missing row is its forecast, and says nothing about intervals. */
    for (int i = 0; i < 3; ++i) {
        push(NAN);
    }
    CHECK(ew_forecast_stale(&context) == 3u && is_near(half(0, 0), 4.0));
    ew_forecast_push(&context, INFINITY);
    ew_forecast_push(&context, -INFINITY);
    ew_forecast_push(&context, 1e299);
    CHECK(ew_forecast_stale(&context) == 6u);
    begin();
    push(3.0);
    CHECK(ew_forecast_stale(&context) == 0u);
    /* What runs away stays within its limits: steps of 99 at most. */
    begin();
    context.ring[2] = 1e9f;
    ew_wait(&context);
    CHECK(ew_ahead(&context, 0, 0, 5.0f) == 99.0f && ew_ahead(&context, 0, 0, -1e9f) == -99.0f);
    CHECK(is_near(ew_scale(&context, 1, 2), 1.0));
    return failures;
}

/* Scores of detectors, each under its own prefix; the tables are small enough to compute answers by hand. */
#include <complex.h>
#include <string.h>
#define JOINED(name, end) name##end
#define NAMED(name, end) JOINED(name, end)
#define ew_detect_context NAMED(DETECTOR, _context)
#define ew_score NAMED(DETECTOR, _score)
#define ew_mean NAMED(DETECTOR, _mean)
#define ew_deviation NAMED(DETECTOR, _deviation)
#define ew_unit NAMED(DETECTOR, _unit)

#define DETECTOR limits
#include "c99_detectors/limits.c"
#undef DETECTOR
#define DETECTOR k_means
#include "c99_detectors/k_means.c"
#undef DETECTOR
#define DETECTOR robust
#include "c99_detectors/robust.c"
#undef DETECTOR
#define DETECTOR pca
#include "c99_detectors/pca.c"
#undef DETECTOR
#define DETECTOR var
#include "c99_detectors/var.c"
#undef DETECTOR
#define DETECTOR autoencoder
#include "c99_detectors/autoencoder.c"
#undef DETECTOR
#define DETECTOR own_past
#include "c99_detectors/own_past.c"
#undef DETECTOR
#define DETECTOR residual
#include "c99_detectors/spectral_residual.c"
#include "check.h"

int ew_finite(float x) {
    return x >= -FLT_MAX && x <= FLT_MAX;
}

float ew_bounded(float x, float most) {
    return x > most ? most : x < -most ? -most : x;
}

/* Two channels as they are, the third as a logarithm of at least 0.5. */
static const float ew_middle[3] = {1.0f, 10.0f, 0.0f}, ew_up[3] = {2.0f, 1e-30f, 1.0f}, ew_down[3] = {4.0f, 5.0f, 1.0f};
static const float ew_least[3] = {0.0f, 0.0f, 0.5f};

static void test_limits(void) {
    limits_context context;
    const float row[3] = {7.0f, 0.0f, expf(2.5f)}, low[3] = {-3.0f, NAN, -7.0f}, high[3] = {1.0f, 1e30f, INFINITY};
    CHECK(is_near(limits_score(&context, row), 3.0) && is_near(context.parts[1], 2.0));
    CHECK(is_near(context.parts[2], 2.5));
    CHECK(is_near(limits_score(&context, low), 1.0) && is_near(context.parts[2], log(2.0)) && context.parts[1] == 0.0f);
    /* No share passes float32. */
    CHECK(limits_score(&context, high) == 1e12f && context.parts[0] == 0.0f && context.parts[2] == 0.0f);
}

static const float k_means_mean[3] = {10.0f, 0.0f, 0.0f}, k_means_deviation[3] = {2.0f, 1.0f, 1.0f};
static const float ew_centres[6] = {1.0f, 0.0f, 0.0f, -1.0f, 0.0f, 4.0f};

static void test_k_means(void) {
    k_means_context context;
    /* 3, 0 and 6 deviations: squares of 4, 0 and 36 from the first centre and of 16, 0 and 4 from the second. */
    const float row[3] = {16.0f, 0.0f, 6.0f}, some[3] = {NAN, 3.0f, 1.0f}, between[3] = {10.0f, 0.0f, 2.0f};
    CHECK(is_near(k_means_score(&context, row), sqrt(20.0 / 3)) && is_near(context.parts[0], 16.0));
    CHECK(is_near(context.parts[2], 4.0));
    CHECK(is_near(k_means_score(&context, some), sqrt(10.0 / 2)) && context.parts[0] == 0.0f);
    /* As far from both: the first. */
    CHECK(is_near(k_means_score(&context, between), sqrt(5.0 / 3)) && is_near(context.parts[2], 4.0));
    const float huge[3] = {1e30f, 0.0f, 0.0f};
    CHECK(ew_finite(k_means_score(&context, huge)) && k_means_score(&context, huge) > 1e18f);
}

static void test_robust(void) {
    /* Before a time is known, and in the first part of the day, the first numbers count. */
    robust_context context = {0};
    const float row[4] = {-3.0f, 1.0f, 2.0f, 9.0f};
    CHECK(is_near(robust_score(&context, row), 3.0) && is_near(context.parts[0], 3.0));
    CHECK(is_near(context.parts[2], 2.0));
    context.part = 1u;
    CHECK(is_near(robust_score(&context, row), 3.0));
    context.part = 2u;
    CHECK(is_near(robust_score(&context, row), 9.0) && is_near(context.parts[0], 1.0));
}

static const float ew_axes[6] = {1.0f, 0.0f, 0.0f, 0.0f, 0.6f, 0.8f}, ew_variances[2] = {4.0f, 1.0f};
static const float ew_limits[2] = {0.02f, 3.0f};

static void test_pca(void) {
    pca_context context;
    /* Two of four rows so far: half. Along the first axis 16 / 4; 9 off both; along the second (0.6 - 0.4)^2. */
    const float along[3] = {4.0f, 0.0f, 0.0f}, off[3] = {0.0f, -2.4f, 1.8f}, both[3] = {0.0f, 1.0f, -0.5f};
    CHECK(is_near(pca_score(&context, along), 100.0) && is_near(context.parts[0], 4.0));
    CHECK(is_near(pca_score(&context, off), 1.5) && is_near(context.parts[1], 5.76) && is_near(context.parts[2], 3.24));
    /* Parts of T2 below zero are none. */
    CHECK(is_near(pca_score(&context, both), 1.0) && is_near(context.parts[1], 0.12) && context.parts[2] == 0.0f);
    const float none[3] = {0.0f, 0.0f, 0.0f};
    CHECK(pca_score(&context, none) == 0.0f);
}

static const float var_mean[3] = {10.0f, 0.0f, 0.0f}, var_deviation[3] = {2.0f, 1.0f, 1.0f};
static const float var_unit[3] = {0.5f, 1.0f, 1.0f};
/* The first channel is half of its last value, a quarter of the one before and 1; the second the third's before. */
static const float ew_weights[21] = {0.5f, 0, 0, 0.25f, 0, 0, 1.0f, 0, 0, 0, 0, 0, 1.0f, 0, 0, 0, 0, 0, 0, 0, 0};

static void test_var(void) {
    var_context context;
    memset(&context, 0, sizeof context);
    const float first[3] = {14.0f, 0.0f, 5.0f}, second[3] = {18.0f, NAN, 0.0f}, third[3] = {20.0f, 7.0f, NAN};
    CHECK(isnan(var_score(&context, first)) && isnan(var_score(&context, second)));
    /* 5 deviations against 2 + 0.5 + 1, in halves; 7 against 5; of one row of four. */
    CHECK(is_near(var_score(&context, third), 1.5) && is_near(context.parts[0], 1.5) && is_near(context.parts[1], 1.0));
    /* What is missing was as foretold, 0 here; it comes back as the second channel two rows later. */
    CHECK(context.parts[2] == 0.0f && context.last[2] == 0.0f && is_near(context.last[3], 4.0));
    const float fourth[3] = {NAN, 0.0f, 0.0f}, broken[3] = {3e38f, 0.0f, 0.0f};
    CHECK(var_score(&context, fourth) == 0.0f && is_near(context.last[0], 2.5 + 1.0 + 1.0) && context.seen == 2u);
    /* One broken number is remembered within limits. */
    CHECK(is_near(var_score(&context, broken) / 1e12f, 1.0) && context.last[0] == 1e12f);
}

static const float autoencoder_mean[3] = {2.0f, 3.0f, 4.0f}, autoencoder_unit[3] = {1.0f, 0.5f, 1.0f};

int ew_net_predict(ew_net_context *context, const float *input, ew_net_answer *answer) {
    (void)context;
    answer->prediction[0] = input[0] - 1.0f;
    answer->prediction[1] = input[1] + 1.0f;
    answer->prediction[2] = 4.0f;
    return 0;
}

static void test_autoencoder(void) {
    static autoencoder_context context;
    /* 1, -1 in halves, and nothing where the mean stands for what is missing; two of four rows so far. */
    const float row[3] = {9.0f, 9.0f, NAN};
    CHECK(is_near(autoencoder_score(&context, row), sqrt(2.5 / 3)) && is_near(context.parts[1], 2.0));
    CHECK(is_near(context.parts[0], 0.5) && context.parts[2] == 0.0f);
}

/* A quantity of which a short mean is compared with its own long one, in deviations; rates begin as of a plain mean. */
struct tail {
    double now, usual, variance;
};

static double mixed(double seen, double least) {
    return 1.0 / seen > least ? 1.0 / seen : least;
}

static double deviations(struct tail *tail, double distance, double seen) {
    tail->now += mixed(seen, 0.1) * (distance - tail->now);
    const double step = tail->now - tail->usual, known = tail->variance, rate = mixed(seen, 1e-4);
    tail->usual += rate * step;
    tail->variance = (1.0 - rate) * (known + rate * step * step);
    return known > 0.0 && step > 0.0 ? step / sqrt(known) : 0.0;
}

/* What is odd about a channel: its level, a shift, the part of the day, and the range; all of them in this order. */
static double past_of(double x, int seen, int part) {
    static double near, fast, slow, high, low, means[9], counts[9], timed;
    static struct tail level, shift, day;
    const double level_now = fabs(x - near);
    near += mixed(seen, 0.02) * (x - near);
    fast += mixed(seen, 0.02) * (x - fast);
    const double shift_now = fabs(fast - slow);
    slow += mixed(seen, 0.001) * (x - slow);
    const double far = deviations(&level, level_now, seen), moved = deviations(&shift, shift_now, seen);
    double sum = far * far + moved * moved, known = 2.0;
    if (part > 0) {
        const double apart = fabs(x - means[part]), before = counts[part];
        counts[part] = fmin(before + 1.0, 6.0);
        means[part] += mixed(counts[part], 0.2) * (x - means[part]);
        if (before > 0.0) {
            const double odd = deviations(&day, apart, ++timed);
            sum += odd * odd;
            known = 3.0;
        }
    }
    const double width = high - low, outside = fmax(fmax(x - high, low - x), 0.0);
    high = fmax(high, x);
    low = fmin(low, x);
    const double leak = 0.5 * mixed(seen, 1e-4) * (high - low);
    high -= leak;
    low += leak;
    return fmax((width > 0.0 ? outside / width : outside > 0.0) / 0.2, sqrt(sum / known) / 3.0);
}

static void test_series(void) {
    static own_past_context context;
    int by_range = 0;
    for (int i = 0; i < 400; ++i) {
        const double x = (i * 37 % 19 - 9) / 8.0 + (i > 200 ? i / 100.0 : 0.0) + (i % 90 == 80 ? 6.0 : 0.0);
        const float value = (float)(x + 12.0 + 9.0 / 8), row[3] = {NAN, value, 4.0f * value};
        context.part = (uint32_t)(i / 10 % 9);
        const float score = own_past_score(&context, row);
        const double expected = past_of((double)(row[1] - context.first[1]), i + 1, (int)context.part);
        CHECK(i < 50 ? isnan(score) : fabs((double)score - expected) < 2e-3 * (1.0 + expected));
        /* In another unit it is as odd. */
        CHECK(fabsf(context.parts[1] - context.parts[2]) < 1e-5f);
        by_range += expected > 3.0;
    }
    CHECK(by_range > 3 && context.seen[1] == 400.0f && context.parts[0] == 0.0f);
}

static void test_own_past(void) {
    static own_past_context context;
    float tail[3] = {0.0f, 0.0f, 4.0f}, row[3] = {1e6f, 1.0f, NAN};
    /* The mean of ten distances is a tenth of this one, one deviation above 0; then the mean and variance learn. */
    CHECK(is_near(ew_unusual(tail, 20.0f, 10.0f), 1.0) && is_near(tail[0], 2.0) && is_near(tail[1], 0.2));
    CHECK(is_near(tail[2], 4.0 + 0.1 * (4.0 * 0.9 - 4.0)) && ew_unusual(tail, -99.0f, 10.0f) == 0.0f);
    /* Nothing is odd while it learns, and nothing of what stands still; a channel without numbers takes no part. */
    for (int i = 0; i < 50; ++i) {
        CHECK(isnan(own_past_score(&context, row)));
    }
    CHECK(own_past_score(&context, row) == 0.0f && context.seen[0] == 51.0f && context.seen[2] == 0.0f);
    /* A first step out of a range without width is five times what is beyond it. */
    row[0] = 1e6f + 1.0f;
    CHECK(is_near(own_past_score(&context, row), 5.0) && is_near(context.parts[0], 5.0) && context.parts[1] == 0.0f);
    /* The range is 0 to 1, less at both ends half of its width over the rows seen. */
    CHECK(is_near(context.low[0], 0.5 / 52) && is_near(context.high[0], 1.0 - 0.5 / 52) && context.first[0] == 1e6f);
    /* The third part of a day has means of its own, an equal one of two values and then a fifth of the newest. */
    static own_past_context day;
    day.part = 3u;
    row[0] = 0.0f;
    (void)own_past_score(&day, row);
    CHECK(day.counts[2] == 1.0f && day.timed[0] == 0.0f);
    row[0] = 8.0f;
    (void)own_past_score(&day, row);
    CHECK(is_near(day.means[2], 4.0) && day.timed[0] == 1.0f && day.counts[10] == 2.0f && day.counts[3] == 0.0f);
    for (int i = 0; i < 2500; ++i) {
        (void)own_past_score(&day, row);
    }
    CHECK(day.counts[2] == 6.0f && day.seen[0] == 2000.0f && day.timed[0] == 2000.0f);
    day.means[2] = 0.0f;
    (void)own_past_score(&day, row);
    CHECK(is_near(day.means[2], 8.0 / 5));
    /* What float32 can hold but not square. */
    row[0] = 3e38f;
    CHECK(ew_finite(own_past_score(&day, row)) && ew_finite(day.level[0]) && ew_finite(day.level[2]));
}

/* The saliency of Ren et al. (2019), "Time-Series Anomaly Detection Service at Microsoft", in complex numbers. */
static double saliency(const float *held) {
    const double pi = 3.14159265358979323846;
    double low = held[0], high = held[0], mean = 0.0, slope = 0.0, values[17], logs[17], sum = 0.0, newest = 0.0;
    double complex spectrum[17];
    for (int k = 1; k < 12; ++k) {
        low = fmin(low, (double)held[k]);
        high = fmax(high, (double)held[k]);
    }
    for (int k = 0; k < 12; ++k) {
        values[k] = ((double)held[k] - low) / (high - low);
        mean += values[k] / 12;
    }
    for (int k = 0; k < 12; ++k) {
        values[k] -= mean;
    }
    /* The mean slope from the five values before the last but one to it, five times from where the first stands. */
    for (int k = 1; k <= 5; ++k) {
        slope += (values[10] - values[10 - k]) / k;
    }
    for (int k = 12; k < 17; ++k) {
        values[k] = values[6] + slope;
    }
    for (int f = 0; f < 17; ++f) {
        spectrum[f] = 0.0;
        for (int k = 0; k < 17; ++k) {
            spectrum[f] += values[k] * cexp(-2.0 * I * pi * f * k / 17);
        }
        logs[f] = log(cabs(spectrum[f]) + 1e-8);
        spectrum[f] /= cabs(spectrum[f]) + 1e-8;
    }
    for (int k = 0; k < 12; ++k) {
        double complex back = 0.0;
        for (int f = 0; f < 17; ++f) {
            const double near = (logs[(f + 16) % 17] + logs[f] + logs[(f + 1) % 17] + logs[(f + 2) % 17]) / 4;
            back += exp(logs[f] - near) * spectrum[f] * cexp(2.0 * I * pi * f * k / 17);
        }
        newest = cabs(back) / 17;
        sum += newest;
    }
    return fmax(newest - sum / 12, 0.0) / (sum / 12);
}

static void test_spectral_residual(void) {
    static residual_context context;
    float held[12];
    for (int k = 0; k < 17; ++k) {
        ew_cosine[k] = (float)cos(2 * 3.14159265358979323846 * k / 17);
        ew_sine[k] = (float)sin(2 * 3.14159265358979323846 * k / 17);
    }
    for (int k = 0; k < 40; ++k) {
        float row[3] = {sinf((float)k) + (k % 13 == 12 ? 9.0f : 0.0f), 5.0f, k == 30 ? NAN : (float)(k * k % 7)};
        memmove(held, held + 1, sizeof held - sizeof *held);
        held[11] = row[0];
        const float score = residual_score(&context, row);
        CHECK(k < 11 ? isnan(score) : score >= context.parts[0] && score >= context.parts[2]);
        CHECK(k < 11 || fabs((double)context.parts[0] - saliency(held)) < 1e-3 * (1.0 + saliency(held)));
        /* What stands still is not odd, and what is missing is not, and stands for the value before it. */
        CHECK(context.parts[1] == 0.0f && (k != 30 || (context.parts[2] == 0.0f && context.held[35] == 29 * 29 % 7)));
    }
    CHECK(context.seen == 12u && saliency(held) >= 0.0);
    const float wide[3] = {3e38f, -3e38f, INFINITY};
    CHECK(ew_finite(residual_score(&context, wide)) && context.parts[0] > 1.0f);
}

int main(void) {
    test_limits();
    test_k_means();
    test_robust();
    test_pca();
    test_var();
    test_autoencoder();
    test_own_past();
    test_series();
    test_spectral_residual();
    return failures;
}

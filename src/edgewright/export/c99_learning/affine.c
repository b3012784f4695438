/* A board learns how its sensor is worn; `adapt.py` writes the factory's numbers. */
#include "affine.h"
#define $classes 3
#define $channels 6
#define $samples 4
#define $tables \
    static const int32_t @_adapt_means[18], @_adapt_logs[18], @_adapt_mean_scales[18]; \
    static const int32_t @_adapt_log_scales[18];
#define $axes 0, 1, 2, 3, 4, 5
#define $orders {0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}
#define $parities 1, -1, -1, 1, 1, -1
#define $acceleration 8.0f
#define $rotation 4.0f
#define $most 4095
#define $sixteen 16
#define $log_one 256
#define $right 16
#define $epsilon 128
#define $ways 48
#define $fewest 8
#define $gain 10
#define $limit 4096
#define $counted 128
#define $kept

/* block source */
#include "@_adapt.h"
#include <string.h>

$tables
static const uint8_t @_adapt_axes[$channels] = {$axes};
static const uint8_t @_adapt_orders[6][3] = {$orders};
static const int8_t @_adapt_parities[6] = {$parities};

/* Moments of a window; 0 where a value is missing. */
static int @_adapt_moments(const float *window, int32_t *mean, int32_t *power) {
    for (int j = 0; j < $channels; ++j) {
        const float *x = window + @_adapt_axes[j] * $samples;
        const float scale = j < 3 ? $acceleration : $rotation;
        int32_t sum = 0;
        int64_t squares = 0;
        for (int t = 0; t < $samples; ++t) {
            const float value = x[t] * scale;
            if (!(x[t] - x[t] == 0.0f)) {
                return 0;
            }
            const int32_t q = (int32_t)(value < -$most.0f ? -$most.0f : value > $most.0f ? $most.0f : value);
            sum += q;
            squares += q * q;
        }
        mean[j] = sum * $sixteen / $samples;
        power[j] = (int32_t)((squares * $samples - (int64_t)sum * sum) / ((int64_t)$samples * $samples));
    }
    return 1;
}

static int32_t @_adapt_log2(int64_t value) {
    int power = 0;
    while (value >> power > 1) {
        ++power;
    }
    return power * $log_one + (int32_t)(((value * $log_one) >> power) & ($log_one - 1));
}

static int64_t @_adapt_square(int32_t difference, int32_t scale) {
    const int64_t scaled = ((int64_t)(difference < 0 ? -difference : difference) * scale) >> $right;
    return scaled < 4095 ? scaled * scaled : INT64_C(16769025);
}

static int @_adapt_sign(int way, int axis, int turning) {
    const int sign = way >> axis & 1 ? -1 : 1, odd = (way ^ way >> 1 ^ way >> 2) & 1;
    return turning ? sign * @_adapt_parities[way / 8] * (odd ? -1 : 1) : sign;
}

static void @_adapt_decide(@_adapt_state *state) {
    int64_t costs[2][$channels][3], own = 0, nearest = 0;
    int seen = 0, windows = 0;
    memset(costs, 0, sizeof costs);
    for (int c = 0; c < $classes; ++c) {
        const int32_t count = state->counts[c];
        int32_t means[$channels], logs[$channels];
        if (count == 0) {
            continue;
        }
        ++seen;
        windows += count;
        for (int j = 0; j < $channels; ++j) {
            means[j] = state->sums[c * $channels + j] / count;
            logs[j] = @_adapt_log2((int64_t)state->powers[c * $channels + j] * $sixteen / count + $epsilon);
        }
        for (int j = 0; j < $channels; ++j) {
            const int at = c * $channels + j;
            for (int axis = 0; axis < 3; ++axis) {
                const int from = j - j % 3 + axis;
                const int64_t spread = @_adapt_square(logs[from] - @_adapt_logs[at], @_adapt_log_scales[at]);
                costs[0][j][axis] +=
                    spread + @_adapt_square(means[from] - @_adapt_means[at], @_adapt_mean_scales[at]);
                costs[1][j][axis] +=
                    spread + @_adapt_square(-means[from] - @_adapt_means[at], @_adapt_mean_scales[at]);
            }
        }
    }
    for (int way = 0; way < $ways; ++way) {
        int64_t sum = 0;
        for (int j = 0; j < $channels; ++j) {
            sum += costs[@_adapt_sign(way, j % 3, j > 2) < 0][j][@_adapt_orders[way / 8][j % 3]];
        }
        if (way == 0 || sum < nearest) {
            state->way = (uint8_t)way;
            nearest = sum;
        }
        own = way == 0 ? sum : own;
    }
    state->used = (uint8_t)(seen > 1 && windows >= $fewest && state->way > 0 &&
                            nearest * 100 <= own * (100 - $gain) && nearest <= INT64_C($limit) * seen);
}

void @_undo(@_adapt_state *state) {
    memset(state, 0, sizeof *state);
}

static @_adapt_state *@_adapt_now;

void @_adapt_use(@_adapt_state *state) {
    @_adapt_now = state;
}

static void @_adapt_turn(float *window, int way, int back) {
    for (int group = 0; group < $channels; group += 3) {
        for (int t = 0; t < $samples; ++t) {
            float old[3];
            for (int i = 0; i < 3; ++i) {
                old[i] = window[@_adapt_axes[group + i] * $samples + t];
            }
            for (int i = 0; i < 3; ++i) {
                const int other = @_adapt_orders[way / 8][i];
                const float value = old[back ? i : other];
                window[@_adapt_axes[group + (back ? other : i)] * $samples + t] =
                    @_adapt_sign(way, i, group) < 0 ? -value : value;
            }
        }
    }
}

void @_adapt_before(float *window) {
    if (@_adapt_now == 0) {
        return;
    }
    @_adapt_now->answered = (uint8_t)@_adapt_moments(window, @_adapt_now->mean, @_adapt_now->power);
    @_adapt_now->applied = @_adapt_now->used ? @_adapt_now->way : 0;
    if (@_adapt_now->applied != 0) {
        @_adapt_turn(window, @_adapt_now->applied, 0);
    }
}

void @_adapt_after(float *window) {
    if (@_adapt_now != 0 && @_adapt_now->applied != 0) {
        @_adapt_turn(window, @_adapt_now->applied, 1);
    }
}

int @_learn(@_adapt_state *state, int label) {
    if (!state->answered || label < 0 || label >= $classes) {
        return -1;
    }
    int32_t *sums = state->sums + label * $channels, *powers = state->powers + label * $channels;
    if (state->counts[label] == $counted) {
        state->counts[label] = $counted / 2;
        for (int j = 0; j < $channels; ++j) {
            sums[j] /= 2;
            powers[j] /= 2;
        }
    }
    ++state->counts[label];
    for (int j = 0; j < $channels; ++j) {
        sums[j] += state->mean[j];
        powers[j] += state->power[j];
    }
    ++state->examples;
    @_adapt_decide(state);
    return state->used;
}

int @_adapt_learn(@_adapt_state *state, const float *window, int label) {
    state->answered = (uint8_t)@_adapt_moments(window, state->mean, state->power);
    return @_learn(state, label);
}

$kept

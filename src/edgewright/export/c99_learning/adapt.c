/* A last layer that learns; `adapt.py` writes the factory's numbers. */
#include "adapt.h"
#define $classes 3
#define $width 4
#define $pool 8
#define $vectors 2
#define $weights 8, 0, 0, 0, 0, 8, 0, 0, 0, 0, 8, 32000
#define $bias 0, 0, 40
#define $hidden 9, 0, 0, 0, 0, 9, 0, 0
#define $expected 0, 1
#define $tables \
    static const int16_t @_adapt_prototypes[12], @_adapt_center[4], @_adapt_precision[16];
#define $multiplier 128
#define $right 10
#define $right_less 9
#define $out_zero -3
#define $zero -128
#define $gain 10
#define $drop 50
#define $method \
    static void @_adapt_step(@_adapt_state *state, const uint8_t *hidden, int label); \
    static void @_adapt_replay(@_adapt_state *state);
#define $halve
#define $learn \
    @_adapt_step(state, shifted, label); \
    @_adapt_keep(state, shifted, label, @_adapt_first(given) == label); \
    @_adapt_replay(state);
#define $kept
#define $powers 16384, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1
#define $half 8
#define $step 4
#define $limit 1024
#define $bias_step 16
#define $bias_limit 4096
#define $replays 2
#define $prior 4
#define $mean 64
#define $precision_less 9
#define $precision_right 10
#define $bias_right 7
#define $compared 64
#define $lead 4
#define $sure 8
#define $full 8

/* block source */
#include "@_adapt.h"
#include <string.h>

static const int16_t @_adapt_weights[$classes * $width] = {
$weights
};
static const int32_t @_adapt_bias[$classes] = {
$bias
};
static const uint8_t @_adapt_vectors[$vectors * $width] = {
$hidden
};
static const uint8_t @_adapt_expected[$vectors] = {
$expected
};
$tables
static int32_t @_adapt_clip(int64_t value, int64_t low, int64_t high) {
    return (int32_t)(value < low ? low : value > high ? high : value);
}

static void @_adapt_forward(const @_adapt_state *state, const uint8_t *hidden, int8_t *out) {
    for (int c = 0; c < $classes; ++c) {
        const int16_t *weights = state->weights + c * $width;
        int32_t sum = state->bias[c];
        for (int i = 0; i < $width; ++i) {
            sum += weights[i] * (int32_t)hidden[i];
        }
        const int64_t scaled = ((int64_t)sum * $multiplier + (INT64_C(1) << $right_less)) >> $right;
        out[c] = (int8_t)@_adapt_clip(scaled + $out_zero, -128, 127);
    }
}

static int @_adapt_first(const int8_t *out) {
    int first = 0;
    for (int c = 1; c < $classes; ++c) {
        first = out[c] > out[first] ? c : first;
    }
    return first;
}

static uint32_t @_adapt_draw(@_adapt_state *state, uint32_t count) {
    state->seed = state->seed * 1664525u + 1013904223u;
    return (state->seed >> 16) % count;
}

static void @_adapt_members(const uint8_t *labels, int length, int *counts) {
    memset(counts, 0, $classes * sizeof *counts);
    for (int k = 0; k < length; ++k) {
        ++counts[labels[k] & 127];
    }
}

static int @_adapt_member(const uint8_t *labels, int length, int label, uint32_t number) {
    for (int k = 0; k < length; ++k) {
        if ((labels[k] & 127) == label && number-- == 0) {
            return k;
        }
    }
    return 0;
}

static void @_adapt_keep(@_adapt_state *state, const uint8_t *hidden, int label, int right) {
    int place = state->kept;
    if (place < $pool) {
        ++state->kept;
    } else {
        int counts[$classes], largest = 0;
        @_adapt_members(state->owners, state->kept, counts);
        for (int c = 1; c < $classes; ++c) {
            largest = counts[c] > counts[largest] ? c : largest;
        }
        if (counts[label] < counts[largest]) {
            place = @_adapt_member(state->owners, $pool, largest, @_adapt_draw(state, (uint32_t)counts[largest]));
        } else {
            const uint32_t drawn = @_adapt_draw(state, state->counts[label]);
            if (drawn >= (uint32_t)counts[label]) {
                return;
            }
            place = @_adapt_member(state->owners, $pool, label, drawn);
        }
    }
    state->owners[place] = (uint8_t)(label + (right ? 128 : 0));
    memcpy(state->pool + place * $width, hidden, $width);
}

$method
/* Counts an example, before it is learned, that one layer alone answers right: a lead between 0 and $full. */
static void @_adapt_compare(@_adapt_state *state, const uint8_t *hidden, int factory_right, int label) {
    int8_t out[$classes];
    @_adapt_forward(state, hidden, out);
    const int lead = state->lead - state->behind + (@_adapt_first(out) == label) - factory_right;
    state->lead = (uint16_t)@_adapt_clip(lead, 0, $full);
    state->behind = 0;
}

/* Errors fall by enough, and few enough test vectors change their label. Errors are those on kept examples, and test
 * vectors of classes without one that change their label. They also fall on examples that were not learned yet; by a
 * sure lead there, those on kept examples need only not grow. */
static int @_adapt_judge(const @_adapt_state *state) {
    int counts[$classes], before = 0, after = 0, changed = 0;
    int8_t out[$classes];
    @_adapt_members(state->owners, state->kept, counts);
    if (state->kept < 8 || counts[state->owners[0] & 127] == state->kept ||
        (state->examples >= $compared && state->lead < $lead)) {
        return 0;
    }
    for (int k = 0; k < state->kept; ++k) {
        before += state->owners[k] < 128;
        @_adapt_forward(state, state->pool + k * $width, out);
        after += @_adapt_first(out) != (state->owners[k] & 127);
    }
    const int gain = $gain * state->kept > 1 ? $gain * state->kept : 1, least = state->lead >= $sure ? 0 : gain;
    if ((before - after) * 100 < least) {
        return 0;
    }
    for (int k = 0; k < $vectors; ++k) {
        @_adapt_forward(state, @_adapt_vectors + k * $width, out);
        const int wrong = @_adapt_first(out) != @_adapt_expected[k];
        changed += wrong;
        after += wrong && counts[@_adapt_expected[k]] == 0;
    }
    return (before - after) * 100 >= least && changed * 100 <= $drop * $vectors;
}

static void @_adapt_shift(const int8_t *hidden, uint8_t *shifted) {
    for (int i = 0; i < $width; ++i) {
        shifted[i] = (uint8_t)(hidden[i] - ($zero));
    }
}

void @_undo(@_adapt_state *state) {
    memset(state, 0, sizeof *state);
    memcpy(state->bias, @_adapt_bias, sizeof state->bias);
    memcpy(state->weights, @_adapt_weights, sizeof state->weights);
}

static @_adapt_state *@_adapt_now;

void @_adapt_use(@_adapt_state *state) {
    @_adapt_now = state;
}

void @_adapt_layer(const int8_t *hidden, int8_t *out) {
    if (@_adapt_now == 0) {
        return;
    }
    memcpy(@_adapt_now->hidden, hidden, $width);
    memcpy(@_adapt_now->given, out, $classes);
    @_adapt_now->answered = 1;
    if (@_adapt_now->used) {
        uint8_t shifted[$width];
        @_adapt_shift(hidden, shifted);
        @_adapt_forward(@_adapt_now, shifted, out);
    }
}

int @_learn(@_adapt_state *state, int label) {
    return state->answered ? @_adapt_learn(state, state->hidden, state->given, label) : -1;
}

int @_adapt_learn(@_adapt_state *state, const int8_t *hidden, const int8_t *given, int label) {
    uint8_t shifted[$width];
    if (label < 0 || label >= $classes) {
        return -1;
    }
    @_adapt_shift(hidden, shifted);
    if (state->counts[label] == 4096) {
        state->counts[label] = 2048;
$halve    }
    ++state->counts[label];
    @_adapt_compare(state, shifted, @_adapt_first(given) == label, label);
$learn    ++state->examples;
    state->used = (uint8_t)@_adapt_judge(state);
    return state->used;
}

$kept

/* lines step */
static const int32_t @_adapt_powers[256] = {
$powers
};

static void @_adapt_step(@_adapt_state *state, const uint8_t *hidden, int label) {
    int8_t out[$classes];
    int32_t slope[$classes], total = 0;
    @_adapt_forward(state, hidden, out);
    const int most = out[@_adapt_first(out)];
    for (int c = 0; c < $classes; ++c) {
        slope[c] = @_adapt_powers[most - out[c]];
        total += slope[c];
    }
    for (int c = 0; c < $classes; ++c) {
        const int32_t factor = (int32_t)(((uint32_t)slope[c] << 15) / (uint32_t)total) - (c == label ? 1 << 15 : 0);
        int16_t *weights = state->weights + c * $width;
        const int16_t *factory = @_adapt_weights + c * $width;
        for (int i = 0; i < $width; ++i) {
            const int32_t moved = weights[i] - ((factor * (int32_t)hidden[i] + $half) >> $step);
            const int32_t low = factory[i] < $limit - 32768 ? -32768 : factory[i] - $limit;
            const int32_t high = factory[i] > 32767 - $limit ? 32767 : factory[i] + $limit;
            weights[i] = (int16_t)(moved < low ? low : moved > high ? high : moved);
        }
        state->bias[c] = @_adapt_clip((int64_t)state->bias[c] - ((factor * $bias_step + $half) >> $step),
                                      (int64_t)@_adapt_bias[c] - $bias_limit, (int64_t)@_adapt_bias[c] + $bias_limit);
    }
}

/* A kept example of the next class; after 128 examples, a test vector of one that has none. */
static void @_adapt_replay(@_adapt_state *state) {
    int kept[$classes], shown[$classes];
    @_adapt_members(state->owners, state->kept, kept);
    @_adapt_members(@_adapt_expected, state->examples < 128 ? 0 : $vectors, shown);
    for (int k = 0; k < $replays; ++k) {
        do {
            state->cursor = (uint8_t)(state->cursor + 1 == $classes ? 0 : state->cursor + 1);
        } while (kept[state->cursor] + shown[state->cursor] == 0);
        const int label = state->cursor, held = kept[label] > 0, length = held ? state->kept : $vectors;
        const uint32_t drawn = @_adapt_draw(state, (uint32_t)(held ? kept[label] : shown[label]));
        const int place = @_adapt_member(held ? state->owners : @_adapt_expected, length, label, drawn);
        @_adapt_step(state, (held ? state->pool : @_adapt_vectors) + place * $width, label);
    }
}

/* lines discriminant */
static void @_adapt_discriminant(@_adapt_state *state) {
    for (int c = 0; c < $classes; ++c) {
        const int32_t own = state->counts[c] + $prior, total = own > 1 ? own : 1;
        int32_t means[$width];
        int64_t offset = 0;
        for (int i = 0; i < $width; ++i) {
            const int32_t factory = @_adapt_prototypes[c * $width + i];
            const int32_t sum = state->sums[c * $width + i] * $mean;
            means[i] = own > 0 ? (sum + $prior * factory + (total >> 1)) / total : factory;
        }
        for (int j = 0; j < $width; ++j) {
            int64_t sum = INT64_C(1) << $precision_less;
            for (int i = 0; i < $width; ++i) {
                sum += (int64_t)(means[i] - @_adapt_center[i]) * @_adapt_precision[i * $width + j];
            }
            const int32_t weight = @_adapt_clip(sum >> $precision_right, -32768, 32767);
            const int32_t factory = @_adapt_weights[c * $width + j];
            offset += (int64_t)weight * (means[j] + @_adapt_center[j]);
            state->weights[c * $width + j] =
                (int16_t)@_adapt_clip(weight, factory < $limit - 32768 ? -32768 : factory - $limit,
                                      factory > 32767 - $limit ? 32767 : factory + $limit);
        }
        state->bias[c] = @_adapt_clip(($mean - offset) >> $bias_right, (int64_t)@_adapt_bias[c] - $bias_limit,
                                      (int64_t)@_adapt_bias[c] + $bias_limit);
    }
}

/* alone */
int @_adapt_odd(@_adapt_state *state);
int @_adapt_odd(@_adapt_state *state) {

/* lines odd */
    int odd = state->kept > $pool || state->cursor >= $classes;
    for (int k = 0; !odd && k < state->kept; ++k) {
        odd = (state->owners[k] & 127) >= $classes;
    }

/* alone */
    return odd;
}

void @_adapt_learned(@_adapt_state *state, const uint8_t *shifted, const int8_t *given, int label);
void @_adapt_learned(@_adapt_state *state, const uint8_t *shifted, const int8_t *given, int label) {

/* lines learn_output */
    @_adapt_step(state, shifted, label);
    @_adapt_keep(state, shifted, label, @_adapt_first(given) == label);
    @_adapt_replay(state);

/* lines learn_prototypes */
    for (int i = 0; i < $width; ++i) {
        state->sums[label * $width + i] += shifted[i];
    }
    @_adapt_keep(state, shifted, label, @_adapt_first(given) == label);
    @_adapt_discriminant(state);

/* alone */
    if (state->examples == 0) {

/* lines halve */
        for (int i = 0; i < $width; ++i) {
            state->sums[label * $width + i] >>= 1;
        }

/* alone */
    }
}

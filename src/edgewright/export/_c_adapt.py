"""NAME_adapt.h and NAME_adapt.c: the last layer learns on the board, byte by byte as `core.adaptation` does."""

from __future__ import annotations

import string

from edgewright.core.adaptation.factory import MEAN_BITS, Factory
from edgewright.core.adaptation.slots import slot_bytes
from edgewright.export._c_slots import DECLARED, DEFINED
from edgewright.export._c_text import entries, guarded, identifier

# What NAME.c knows of it.
LAYER = "void @_adapt_layer(const int8_t *hidden, int8_t *out);"
_HEADER = guarded(
    "@@_ADAPT_H",
    "<stdint.h>",
    """\
/* Learning on the board: the last layer, from labelled examples, within the limits of the package.
 * Integers only, no heap; a state belongs to one board and one thread at a time. */
#define @@_ADAPT_CLASSES $classes
#define @@_ADAPT_WIDTH $width
#define @@_ADAPT_POOL $pool
#define @@_ADAPT_BYTES ${length}u /* of a state in flash, behind a header of @@_ADAPT_HEADER bytes */
#define @@_ADAPT_HEADER 20u

typedef struct {
    int32_t bias[$classes];
$sums    uint32_t seed, examples;
    int16_t weights[$classes * $width];
    uint16_t counts[$classes], kept, better, worse;
    uint8_t cursor, used; /* used: the learned layer answers, not the factory's */
    uint8_t owners[$pool];
    uint8_t pool[$pool * $width];
    /* Of the last answer, and not kept in flash: what the last layer received, and what the factory's gave. */
    int8_t hidden[$width], given[$classes], answered;
} @_adapt_state;

/* Nothing learned: the factory's layer. Begin with this or with @_adapt_load. */
void @_undo(@_adapt_state *state);
/* From now on @_predict answers with this state; 0 for the factory's layer. There is one such state in a program: call
 * what is declared here from the thread that calls @_predict. */
void @_adapt_use(@_adapt_state *state);
/* Learns that the last sample that @_predict answered belongs to the class `label`. Returns whether the learned layer
 * answers from now on, or -1 where no sample was answered or there is no such class. */
int @_learn(@_adapt_state *state, int label);
/* The same for `hidden`, to which the factory's layer gives the bytes `given`. */
int @_adapt_learn(@_adapt_state *state, const int8_t *hidden, const int8_t *given, int label);

$flash/* What @_predict calls. */
void @_adapt_layer(const int8_t *hidden, int8_t *out);
""",
)
_SOURCE = """\
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
/* Counts an example, before it is learned, that one layer alone answers right. */
static void @_adapt_compare(@_adapt_state *state, const uint8_t *hidden, int factory_right, int label) {
    int8_t out[$classes];
    if (state->better == 1024 || state->worse == 1024) {
        state->better /= 2;
        state->worse /= 2;
    }
    @_adapt_forward(state, hidden, out);
    const int right = @_adapt_first(out) == label;
    state->better = (uint16_t)(state->better + (right && !factory_right));
    state->worse = (uint16_t)(state->worse + (factory_right && !right));
}

/* Errors fall by enough, and few enough test vectors change their label. Errors are those on kept examples, and test
 * vectors of classes without one that change their label. They also fall on examples that were not learned yet. */
static int @_adapt_judge(const @_adapt_state *state) {
    int counts[$classes], before = 0, after = 0, changed = 0;
    int8_t out[$classes];
    @_adapt_members(state->owners, state->kept, counts);
    if (state->kept < 8 || counts[state->owners[0] & 127] == state->kept ||
        (state->examples >= 64 && state->better - state->worse < 2)) {
        return 0;
    }
    for (int k = 0; k < state->kept; ++k) {
        before += state->owners[k] < 128;
        @_adapt_forward(state, state->pool + k * $width, out);
        after += @_adapt_first(out) != (state->owners[k] & 127);
    }
    const int least = $gain * state->kept > 1 ? $gain * state->kept : 1;
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

$kept"""
# States of the same length that no device of this model can have.
_ODD = """\
    int odd = state->kept > $pool || state->cursor >= $classes;
    for (int k = 0; !odd && k < state->kept; ++k) {
        odd = (state->owners[k] & 127) >= $classes;
    }
"""
_STEP = """\
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
"""
_DISCRIMINANT = """\
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
"""
_LEARN = {
    "output": """\
    @_adapt_step(state, shifted, label);
    @_adapt_keep(state, shifted, label, @_adapt_first(given) == label);
    @_adapt_replay(state);
""",
    "prototypes": """\
    for (int i = 0; i < $width; ++i) {
        state->sums[label * $width + i] += shifted[i];
    }
    @_adapt_keep(state, shifted, label, @_adapt_first(given) == label);
    @_adapt_discriminant(state);
""",
}
_HALVE = """\
        for (int i = 0; i < $width; ++i) {
            state->sums[label * $width + i] >>= 1;
        }
"""


def write_adapt_c99(factory: Factory, *, name: str) -> dict[str, str]:
    """Write the C of a layer that learns.

    Args:
        factory: of the package.
        name: prefix of all names.

    Returns:
        Text by file name.
    """
    spec, held = factory.spec, factory.spec.layer == "prototypes"
    arrays = ("prototypes", "center", "precision") if held else ()
    words = {
        **{key: str(getattr(spec, key)) for key in spec.__struct_fields__ if key != "layer"},
        "length": str(slot_bytes(spec) - 20), "identity": str(factory.identity), "vectors": str(len(factory.vectors)),
        "sums": f"    int32_t sums[{spec.classes * spec.width}];\n" if held else "",
        "weights": entries(factory.weights), "bias": entries(factory.bias), "powers": entries(factory.exponentials),
        "hidden": entries(factory.vectors), "expected": entries(factory.expected),
        "tables": "".join(
            f"static const int16_t @_adapt_{array}[{getattr(factory, array).size}] = {{\n"
            f"{entries(getattr(factory, array))}\n}};\n"
            for array in arrays
        ),
        "right_less": str(spec.right - 1), "precision_less": str(spec.precision_right - 1),
        "half": str(1 << (spec.step - 1)), "limit": str(spec.weight_limit), "mean": str(1 << MEAN_BITS),
        "bias_right": str(MEAN_BITS + 1),
    }  # fmt: skip
    parts = {
        "flash": DECLARED, "kept": DEFINED.replace("$odd", _ODD),
        "method": _DISCRIMINANT if held else _STEP, "halve": _HALVE if held else "", "learn": _LEARN[spec.layer],
    }  # fmt: skip
    for key, text in parts.items():
        words[key] = string.Template(text).substitute(words)
    word = identifier(name)
    texts = {f"{word}_adapt.h": _HEADER, f"{word}_adapt.c": _SOURCE}
    return {
        file: string.Template(text).substitute(words).replace("@@", word.upper()).replace("@", word)
        for file, text in texts.items()
    }

"""NAME_adapt.h and NAME_adapt.c: a board learns how its sensor is worn, byte by byte as `core.adaptation.affine`."""

from __future__ import annotations

import string

import numpy as np

from edgewright.core.adaptation.affine import (
    ARRAYS,
    DISTANCE_BITS,
    EPSILON,
    FEWEST,
    LOG_BITS,
    MEAN_BITS,
    MOST,
    MOST_COUNTED,
    PARITIES,
    PERMUTATIONS,
    WAYS,
    AffineFactory,
    axes_of,
)
from edgewright.core.adaptation.slots import state_bytes
from edgewright.export._c_slots import DECLARED, DEFINED
from edgewright.export._c_text import entries, guarded, identifier

_HEADER = guarded(
    "@@_ADAPT_H",
    "<stdint.h>",
    """\
/* Learning on the board: axes of a sensor that is worn turned or mirrored, from labelled windows.
 * Integers and changes of sign only, no heap; a state belongs to one board and one thread at a time. */
#define @@_ADAPT_CLASSES $classes
#define @@_ADAPT_AXES $channels
#define @@_ADAPT_BYTES ${length}u /* of a state in flash, behind a header of @@_ADAPT_HEADER bytes */
#define @@_ADAPT_HEADER 20u

typedef struct {
    int32_t sums[$classes * $channels], powers[$classes * $channels];
    uint32_t examples;
    uint16_t counts[$classes];
    uint8_t way, used; /* used: the axes are swapped and mirrored in this way */
    /* Of the last window, and not kept in flash. */
    int32_t mean[$channels], power[$channels];
    uint8_t answered, applied;
} @_adapt_state;

/* Nothing learned: the axes as they are. Begin with this or with @_adapt_load. */
void @_undo(@_adapt_state *state);
/* From now on windows are turned by this state; 0 for the axes as they are. There is one such state in a program: call
 * what is declared here from the thread that calls @_predict. */
void @_adapt_use(@_adapt_state *state);
/* Before @_predict, on the window as the sensor gave it: turned in place. @_push does it itself. */
void @_adapt_before(float *window);
/* After @_predict: the window as it was, bit by bit. */
void @_adapt_after(float *window);
/* Learns that the last window belongs to the class `label`. Returns whether axes are changed from now on, or -1 where
 * there was no window, it had missing values, or there is no such class. */
int @_learn(@_adapt_state *state, int label);
/* The same for a window as the sensor gave it. */
int @_adapt_learn(@_adapt_state *state, const float *window, int label);

$flash""",
)
_SOURCE = """\
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

$kept"""
_ODD = f"    const int odd = state->way >= {WAYS} || state->used > 1;\n"


def write_affine_c99(factory: AffineFactory, *, name: str) -> dict[str, str]:
    """Write the C of a sensor's axes.

    Args:
        factory: of the package.
        name: prefix of all names.

    Returns:
        Text by file name.
    """
    spec, axes = factory.spec, axes_of(factory.spec)
    words = {
        "classes": spec.classes, "channels": len(axes), "samples": spec.samples, "gain": spec.gain, "limit": spec.limit,
        "length": len(state_bytes(factory.fresh())), "identity": factory.identity, "axes": ", ".join(map(str, axes)),
        "orders": ", ".join(f"{{{', '.join(map(str, one))}}}" for one in PERMUTATIONS),
        "parities": ", ".join(map(str, PARITIES)), "most": MOST, "sixteen": 1 << MEAN_BITS, "log_one": 1 << LOG_BITS,
        "right": 20 - DISTANCE_BITS, "epsilon": EPSILON << MEAN_BITS, "ways": WAYS, "fewest": FEWEST,
        "counted": MOST_COUNTED, "acceleration": f"{2.0 ** spec.bits[0]!r}f", "rotation": f"{2.0 ** spec.bits[1]!r}f",
        "tables": "".join(
            f"static const int32_t @_adapt_{array}[{len(axes) * spec.classes}] = {{\n"
            f"{entries(np.asarray(getattr(factory, array)))}\n}};\n"
            for array in ARRAYS
        ),
    }  # fmt: skip
    parts = {"flash": DECLARED, "kept": string.Template(DEFINED.replace("$odd", _ODD)).substitute(words)}
    word = identifier(name)
    texts = {f"{word}_adapt.h": _HEADER, f"{word}_adapt.c": _SOURCE}
    return {
        file: string.Template(text).substitute({**words, **parts}).replace("@@", word.upper()).replace("@", word)
        for file, text in texts.items()
    }

"""The slot tagger of `nlp/utterance/tagger` as C99: hashed attributes, integer scores, the Viterbi algorithm."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.export._c_text import entries, smallest
from edgewright.nlp.utterance.tagger import FRACTION, MOST_TOKENS, integer_moves
from edgewright.schema.errors import InputError
from edgewright.schema.language import TaggerSpec

# Attributes between two places that are written down; between them counts are added up.
EVERY = 16
_CRC = np.array([0, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
                 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C],
                np.int64)  # fmt: skip

_HASHES = """\
static uint32_t @_crc_byte(uint32_t crc, uint32_t byte) {
    /* CRC-32 of ISO 3309, four bits at a time. */
    static const uint32_t table[16] = {
%(table)s
    };
    crc ^= byte;
    crc = (crc >> 4) ^ table[crc & 15u];
    return (crc >> 4) ^ table[crc & 15u];
}

static uint32_t @_crc_text(uint32_t crc, const char *text) {
    while (*text != '\\0') {
        crc = @_crc_byte(crc, (unsigned char)*text++);
    }
    return crc;
}

static uint32_t @_crc_code(uint32_t crc, uint32_t code) {
    unsigned char bytes[4];
    const size_t used = @_encode(code, bytes);
    for (size_t i = 0u; i < used; ++i) {
        crc = @_crc_byte(crc, bytes[i]);
    }
    return crc;
}

/* Before the first token and after the last one. */
static int @_beyond(@_context *context, int32_t token, uint32_t *crc) {
    if (token >= 0 && token < context->tokens) {
        return 0;
    }
    *crc = @_crc_byte(*crc, token < 0 ? 0x3Cu : 0x3Eu);
    return 1;
}

static uint32_t @_crc_part(@_context *context, uint32_t crc, uint32_t at, uint32_t end) {
    for (; at < end; ++at) {
        crc = @_crc_code(crc, @_is_digit(context->codes[at]) ? 0x30u : @_small(context->codes[at]));
    }
    return crc;
}

/* A token in small letters, its digits as 0. */
static uint32_t @_crc_word(@_context *context, uint32_t crc, int32_t token) {
    const int beyond = @_beyond(context, token, &crc);
    return beyond ? crc : @_crc_part(context, crc, context->begins[token], context->ends[token]);
}

static uint32_t @_crc_shape(@_context *context, uint32_t crc, int32_t token) {
    if (@_beyond(context, token, &crc)) {
        return crc;
    }
    uint32_t last = @_NOTHING;
    int32_t times = 0;
    for (uint32_t i = context->begins[token]; i < context->ends[token]; ++i) {
        const uint32_t code = context->codes[i];
        const uint32_t kind = @_is_digit(code) ? 0x64u : @_small(code) != code ? 0x58u
                              : code != 0x5Fu && @_is_word(code) ? 0x78u : code;
        times = kind == last ? times + 1 : 1;
        last = kind;
        if (times <= 2) {
            crc = @_crc_code(crc, kind);
        }
    }
    return crc;
}"""
_SCORES = """\
static const uint32_t @_attributes[%(keys)d] = {
%(key_table)s
};
static const uint8_t @_counts[%(keys)d] = {
%(count_table)s
};
/* Where the weights of every %(every)dth attribute begin. */
static const %(place_type)s @_places[%(places)d] = {
%(place_table)s
};
static const uint8_t @_weight_labels[%(weights)d] = {
%(label_table)s
};
static const int8_t @_weights[%(weights)d] = {
%(weight_table)s
};
static const %(move_type)s @_moves[%(labels)d][%(labels)d] = {
%(move_table)s
};

/* Adds the weights of one attribute, of which the CRC is given before its last step. */
static void @_score(@_context *context, uint32_t crc) {
    uint32_t low = 0u;
    uint32_t high = %(keys)du;
    crc = ~crc;
    while (low < high) {
        const uint32_t middle = (low + high) / 2u;
        if (@_attributes[middle] < crc) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    if (low >= %(keys)du || @_attributes[low] != crc) {
        return;
    }
    uint32_t place = @_places[low / %(every)du];
    for (uint32_t i = low - low %% %(every)du; i < low; ++i) {
        place += @_counts[i];
    }
    for (uint32_t i = 0u; i < @_counts[low]; ++i, ++place) {
        context->row_scores[@_weight_labels[place]] += @_weights[place];
    }
}

static uint32_t @_pair(@_context *context, const char *name, int32_t first, int32_t second) {
    return @_crc_word(context, @_crc_byte(@_crc_word(context, @_crc_text(UINT32_MAX, name), first), 0x7Cu), second);
}

static uint32_t @_alone(@_context *context, const char *name, int32_t token) {
    return @_crc_word(context, @_crc_text(UINT32_MAX, name), token);
}

static void @_score_token(@_context *context, int32_t i, const char *intent) {
    const uint32_t at = context->begins[i];
    const uint32_t end = context->ends[i];
    memset(context->row_scores, 0, sizeof context->row_scores);
    @_score(context, @_crc_text(UINT32_MAX, "b"));
    @_score(context, @_crc_text(@_crc_text(UINT32_MAX, "I="), intent));
    @_score(context, @_alone(context, "w=", i));
    @_score(context, @_crc_word(context, @_crc_byte(@_crc_text(@_crc_text(UINT32_MAX, "I|w="), intent), 0x7Cu), i));
    @_score(context, @_alone(context, "-1=", i - 1));
    @_score(context, @_alone(context, "+1=", i + 1));
    @_score(context, @_alone(context, "-2=", i - 2));
    @_score(context, @_alone(context, "+2=", i + 2));
    @_score(context, @_pair(context, "-1w=", i - 1, i));
    @_score(context, @_pair(context, "w+1=", i, i + 1));
    @_score(context, @_pair(context, "-2-1=", i - 2, i - 1));
    @_score(context, @_pair(context, "+1+2=", i + 1, i + 2));
    @_score(context, @_pair(context, "-1+1=", i - 1, i + 1));
    @_score(context, @_crc_part(context, @_crc_text(UINT32_MAX, "s3="), end - at > 3u ? end - 3u : at, end));
    @_score(context, @_crc_part(context, @_crc_text(UINT32_MAX, "s2="), end - at > 2u ? end - 2u : at, end));
    @_score(context, @_crc_part(context, @_crc_text(UINT32_MAX, "p3="), at, end - at > 3u ? at + 3u : end));
    @_score(context, @_crc_part(context, @_crc_text(UINT32_MAX, "p2="), at, end - at > 2u ? at + 2u : end));
    @_score(context, @_crc_shape(context, @_crc_text(UINT32_MAX, "sh="), i));
    @_score(context, @_crc_shape(context, @_crc_text(UINT32_MAX, "sh-1="), i - 1));
    @_score(context, @_crc_shape(context, @_crc_text(UINT32_MAX, "sh+1="), i + 1));
}"""
_PATH = """\
/* The best label of every token into context->path; of equal sums, that of the first labels. */
static void @_tag(@_context *context, const char *intent) {
    for (int32_t t = 0; t < context->tokens; ++t) {
        @_score_token(context, t, intent);
        for (int32_t j = 0; j < %(labels)d; ++j) {
            int32_t most = t > 0 ? context->best[0] + @_moves[0][j] : 0;
            int32_t from = 0;
            for (int32_t i = 1; t > 0 && i < %(labels)d; ++i) {
                const int32_t way = context->best[i] + @_moves[i][j];
                if (way > most) {
                    most = way;
                    from = i;
                }
            }
            context->back[t][j] = (uint8_t)from;
            context->ahead[j] = most + context->row_scores[j] * %(step)d;
        }
        memcpy(context->best, context->ahead, sizeof context->best);
    }
    uint8_t label = 0u;
    for (int32_t j = 1; j < %(labels)d; ++j) {
        label = context->best[j] > context->best[label] ? (uint8_t)j : label;
    }
    for (int32_t t = context->tokens; t-- > 0;) {
        context->path[t] = label;
        label = context->back[t][label];
    }
}"""


def tagger(spec: TaggerSpec, arrays: dict[str, NDArray[Any]]) -> list[str]:
    """Return blocks of C; the functions of `letters` are expected before them.

    Args:
        spec: labels and scale.
        arrays: of the tagger, without `tagger_` before their names.

    Raises:
        InputError: a tagger without a weight.
    """
    names = arrays["keys"]
    if not len(names):
        raise InputError("a slot tagger with weights", "none", "c99", "Train it with more marked utterances")
    places = _places(arrays)
    moves = smallest(integer_moves(spec, arrays["moves"]))
    numbers = {
        "table": _indented(_CRC), "keys": len(names), "key_table": _indented(names.astype(np.int64), 4),
        "count_table": entries(arrays["counts"]), "every": EVERY, "places": len(places),
        "place_type": f"{places.dtype}_t", "place_table": entries(places), "weights": len(arrays["weights"]),
        "label_table": entries(arrays["labels"]), "weight_table": entries(arrays["weights"]),
        "labels": len(spec.labels), "tokens": MOST_TOKENS, "step": 1 << FRACTION, "move_type": f"{moves.dtype}_t",
        "move_table": ",\n".join(f"    {{\n{entries(row)}\n    }}" for row in moves),
    }  # fmt: skip
    return [block % numbers for block in (_HASHES, _SCORES, _PATH)]


def tagger_flash(spec: TaggerSpec, arrays: dict[str, NDArray[Any]]) -> int:
    """Return bytes of its tables in C."""
    counts = arrays["counts"]
    places = _places(arrays)
    moves = smallest(integer_moves(spec, arrays["moves"]))
    return int(arrays["keys"].nbytes + counts.nbytes + 2 * arrays["weights"].nbytes + places.nbytes + moves.nbytes)


def tagger_ram(spec: TaggerSpec) -> int:
    """Return bytes of its memory."""
    labels = len(spec.labels)
    return 12 * labels + MOST_TOKENS * labels


def _places(arrays: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """Where the weights of every so manyth attribute begin."""
    starts = np.concatenate([[0], np.cumsum(arrays["counts"], dtype=np.int64)])
    return starts[:-1:EVERY].astype(np.uint16 if starts[-1] < 1 << 16 else np.uint32)


def _indented(array: NDArray[Any], spaces: int = 8) -> str:
    cells = [f"0x{value:X}u" for value in array.tolist()]
    width = (116 - spaces) // 13
    rows = [", ".join(cells[k : k + width]) for k in range(0, len(cells), width)]
    return ",\n".join(" " * spaces + row for row in rows)

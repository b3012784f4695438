/* Hashed attributes, integer scores and the best path; `slots.py` writes the tables. */
#include "letters.c"
#include <string.h>
/* All attributes of the second word of "Tea green 42" with the intent "order". */
#define $keys 20
#define $key_table \
    0x10199C2u, 0x14A712Bu, 0x1174AD38u, 0x1349CEDDu, 0x1AFF3C94u, 0x2428E690u, 0x33691D4Eu, 0x3D30640Fu, \
    0x4C63F64Bu, 0x5F7A5C03u, 0x71BEEFF9u, 0xB9928153u, 0xBC41F856u, 0xC7109F22u, 0xC746A1D2u, 0xDA1193C8u, \
    0xDDD6BC4Bu, 0xE4D8DAA4u, 0xE53708A1u, 0xED880650u
#define $count_table 1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1
#define $every 4
#define $place_type uint16_t
#define $places 5
#define $place_table 0, 4, 9, 13, 17
#define $weights 21
#define $label_table 3, 4, 1, 2, 2, 2, 3, 0, 4, 3, 3, 0, 0, 4, 1, 2, 2, 1, 1, 4, 0
#define $weight_table 8, 2, 2, 8, 20, 1, 4, 8, 8, 2, 1, 1, 4, 4, 1, 4, 2, 8, 4, 1, 2
#define $move_type int16_t
#define $move_table {0, 90, -50, 30, 60}, {0, 0, -6000}, {0, 0, 0, 0, 700}, {0, 0, 0, 500}, {0}
#define $labels 5
#define $step 256

/* block tagger */
static uint32_t @_crc_byte(uint32_t crc, uint32_t byte) {
    /* CRC-32 of ISO 3309, four bits at a time. */
    static const uint32_t table[16] = {
        0x0u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
        0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu
    };
    crc ^= byte;
    crc = (crc >> 4) ^ table[crc & 15u];
    return (crc >> 4) ^ table[crc & 15u];
}

static uint32_t @_crc_text(uint32_t crc, const char *text) {
    while (*text != '\0') {
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
}

static const uint32_t @_attributes[$keys] = {
$key_table
};
static const uint8_t @_counts[$keys] = {
$count_table
};
/* Where the weights of every ${every}th attribute begin. */
static const $place_type @_places[$places] = {
$place_table
};
static const uint8_t @_weight_labels[$weights] = {
$label_table
};
static const int8_t @_weights[$weights] = {
$weight_table
};
static const $move_type @_moves[$labels][$labels] = {
$move_table
};

/* Adds the weights of one attribute, of which the CRC is given before its last step. */
static void @_score(@_context *context, uint32_t crc) {
    uint32_t low = 0u;
    uint32_t high = ${keys}u;
    crc = ~crc;
    while (low < high) {
        const uint32_t middle = (low + high) / 2u;
        if (@_attributes[middle] < crc) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    if (low >= ${keys}u || @_attributes[low] != crc) {
        return;
    }
    uint32_t place = @_places[low / ${every}u];
    for (uint32_t i = low - low % ${every}u; i < low; ++i) {
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
}

/* The best label of every token into context->path; of equal sums, that of the first labels. */
static void @_tag(@_context *context, const char *intent) {
    for (int32_t t = 0; t < context->tokens; ++t) {
        @_score_token(context, t, intent);
        for (int32_t j = 0; j < $labels; ++j) {
            int32_t most = t > 0 ? context->best[0] + @_moves[0][j] : 0;
            int32_t from = 0;
            for (int32_t i = 1; t > 0 && i < $labels; ++i) {
                const int32_t way = context->best[i] + @_moves[i][j];
                if (way > most) {
                    most = way;
                    from = i;
                }
            }
            context->back[t][j] = (uint8_t)from;
            context->ahead[j] = most + context->row_scores[j] * $step;
        }
        memcpy(context->best, context->ahead, sizeof context->best);
    }
    uint8_t label = 0u;
    for (int32_t j = 1; j < $labels; ++j) {
        label = context->best[j] > context->best[label] ? (uint8_t)j : label;
    }
    for (int32_t t = context->tokens; t-- > 0;) {
        context->path[t] = label;
        label = context->back[t][label];
    }
}

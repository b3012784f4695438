/* Classes of characters, small letters and tokens; `hashing.py` writes the ranges. */
#include "hashing.c"
#define $spaces {0x9u, 0xEu}, {0x20u, 0x21u}, {0x2000u, 0x200Bu}
#define $signs {0xABu, 0xACu}
#define $count 3
#define $runs {65, 26, 1, 32}, {256, 24, 2, 1}, {7838, 1, 1, -7615}
#define $joins context->codes[last] == 0x27u

/* block classes */
static const uint32_t @_spaces[][2] = {
$spaces
};
static const uint32_t @_signs[][2] = {
$signs
};
static int @_among(const uint32_t (*ranges)[2], size_t count, uint32_t code) {
    for (size_t i = 0u; i < count && ranges[i][0] <= code; ++i) {
        if (code < ranges[i][1]) {
            return 1;
        }
    }
    return 0;
}

static int @_is_space(uint32_t code) {
    return @_among(@_spaces, sizeof @_spaces / sizeof @_spaces[0], code);
}

static int @_is_digit(uint32_t code) {
    return code >= 0x30u && code <= 0x39u;
}

static int @_is_word(uint32_t code) {
    if (code < 0x80u) {
        const uint32_t small = code | 0x20u;
        return @_is_digit(code) || (small >= 0x61u && small <= 0x7Au) || code == 0x5Fu;
    }
    return !@_among(@_signs, sizeof @_signs / sizeof @_signs[0], code) && !@_is_space(code);
}

/* Where the run of letters and digits at `at` ends. */
static uint32_t @_run_end(@_context *context, uint32_t at) {
    while (at < context->length && @_is_word(context->codes[at])) {
        ++at;
    }
    return at;
}

/* The text's code points into context->codes; 0, or why it is none. */
static int @_take(@_context *context, const char *text, size_t bytes) {
    const unsigned char *at = (const unsigned char *)text;
    context->length = 0u;
    while (bytes > 0u) {
        uint32_t code = 0u;
        const size_t used = @_decode(at, bytes, &code);
        if (used == 0u) {
            return @@_NOT_UTF8;
        }
        if (context->length >= @@_LONGEST) {
            return @@_TOO_LONG;
        }
        context->codes[context->length++] = code;
        at += used;
        bytes -= used;
    }
    return 0;
}

/* block tokens */
/* The first token from `at` on, a word or one sign, and its end; the length of the text where there is none. */
static uint32_t @_token(@_context *context, uint32_t at, uint32_t *end) {
    while (at < context->length && @_is_space(context->codes[at])) {
        ++at;
    }
    uint32_t last = @_run_end(context, at);
    if (last == at) {
        last = at < context->length ? at + 1u : at;
    } else {
        while (last + 1u < context->length && ($joins) && @_is_word(context->codes[last + 1u])) {
            last = @_run_end(context, last + 1u);
        }
    }
    *end = last;
    return at;
}

static size_t @_encode(uint32_t code, unsigned char out[4]) {
    if (code < 0x80u) {
        out[0] = (unsigned char)code;
        return 1u;
    }
    const size_t length = code < 0x800u ? 2u : code < 0x10000u ? 3u : 4u;
    for (size_t i = length; i-- > 1u; code >>= 6) {
        out[i] = (unsigned char)(0x80u | (code & 0x3Fu));
    }
    out[0] = (unsigned char)((0xF00u >> length) | code);
    return length;
}

/* block small */
typedef struct {
    uint16_t first;
    uint16_t count;
    uint16_t step;
    int32_t added;
} @_capitals;

static const @_capitals @_runs[$count] = {
$runs
};

/* The small letter of a capital; any other code point as it is. */
static uint32_t @_small(uint32_t code) {
    for (size_t i = 0u; i < ${count}u && @_runs[i].first <= code; ++i) {
        const uint32_t beyond = code - @_runs[i].first;
        if (beyond % @_runs[i].step == 0u && beyond / @_runs[i].step < @_runs[i].count) {
            return (uint32_t)((int32_t)code + @_runs[i].added);
        }
    }
    return code;
}

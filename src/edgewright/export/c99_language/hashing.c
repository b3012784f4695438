/* UTF-8, normalising and hashing; `hashing.py` writes the tables.
 * Of words: a space ends each, and the n-th space after one ends n words. */
#include "student.h"
#define @_NOTHING UINT32_MAX
static const uint16_t @_dropped[2] = {768, 880}, @_separating[2] = {8192, 8203};
static const uint16_t @_folded[2][2] = {{913, 945}, {914, 946}};
void @_add(@_context *context, uint32_t row);
uint32_t @_grams_of(@_context *context, int32_t length);
#define $apostrophe 39
#define $space 32
#define $pairs 2
#define $mix_a 85EBCA6B
#define $mix_b C2B2AE35
#define $multiplier 01000193
#define $rows 64
#define $characters count += @_grams_of(context, length);
#define $words
#define $n 2
#define $seed 9E3779B9

/* block decode */
/* One code point of UTF-8, and by how many bytes it was told; 0 for bytes that are none. */
static size_t @_decode(const unsigned char *text, size_t left, uint32_t *code) {
    static const uint32_t least[5] = {0u, 0u, 0x80u, 0x800u, 0x10000u};
    const uint32_t first = text[0];
    const size_t length = first < 0x80u ? 1u : first < 0xC0u ? 0u : first < 0xE0u ? 2u : first < 0xF0u ? 3u
                          : first < 0xF8u ? 4u : 0u;
    if (length == 0u || length > left) {
        return 0u;
    }
    uint32_t made = length == 1u ? first : first & (0x7Fu >> length);
    for (size_t i = 1u; i < length; ++i) {
        if ((text[i] & 0xC0u) != 0x80u) {
            return 0u;
        }
        made = (made << 6) | (text[i] & 0x3Fu);
    }
    if (made < least[length] || made > 0x10FFFFu || (made >= 0xD800u && made <= 0xDFFFu)) {
        return 0u;
    }
    *code = made;
    return length;
}

/* block fold */
static int @_within(const uint16_t *ranges, size_t count, uint32_t code) {
    for (size_t i = 0u; i < count; i += 2u) {
        if (code >= ranges[i] && code < ranges[i + 1u]) {
            return 1;
        }
    }
    return 0;
}

/* What a code point becomes: @_NOTHING drops it, a space separates words. */
static uint32_t @_fold(uint32_t code) {
    if (code < 0x80u) {
        if (code >= 0x30u && code <= 0x39u) {
            return 0x30u;
        }
        if (code >= 0x41u && code <= 0x5Au) {
            return code + 0x20u;
        }
        return (code >= 0x61u && code <= 0x7Au) || code == ${apostrophe}u ? code : ${space}u;
    }
    if (code > 0xFFFFu) {
        return code;
    }
    if (@_within(@_dropped, sizeof @_dropped / sizeof @_dropped[0], code)) {
        return @_NOTHING;
    }
    if (@_within(@_separating, sizeof @_separating / sizeof @_separating[0], code)) {
        return ${space}u;
    }
    size_t low = 0u;
    size_t high = ${pairs}u;
    while (low < high) {
        const size_t middle = (low + high) / 2u;
        if (@_folded[middle][0] < code) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return low < ${pairs}u && @_folded[low][0] == code ? @_folded[low][1] : code;
}

/* block normalise */
/* Words between single spaces into context->codes; their length, 0 for none, or an error below zero. */
static int32_t @_normalise(@_context *context, const char *text, size_t bytes) {
    const unsigned char *at = (const unsigned char *)text;
    uint32_t seen = 0u;
    uint32_t length = 0u;
    context->codes[length++] = ${space}u;
    while (bytes > 0u) {
        uint32_t code = 0u;
        const size_t used = @_decode(at, bytes, &code);
        if (used == 0u) {
            return -@@_NOT_UTF8;
        }
        if (++seen > @@_LONGEST) {
            return -@@_TOO_LONG;
        }
        at += used;
        bytes -= used;
        code = @_fold(code);
        if (code != @_NOTHING && (code != ${space}u || context->codes[length - 1u] != ${space}u)) {
            context->codes[length++] = code;
        }
    }
    if (context->codes[length - 1u] != ${space}u) {
        context->codes[length++] = ${space}u;
    }
    return length < 3u ? 0 : (int32_t)length;
}

/* block root */
static uint32_t @_root(uint32_t value) {
    uint32_t root = 0u;
    for (uint32_t bit = UINT32_C(1) << 30; bit != 0u; bit >>= 2) {
        if (value >= root + bit) {
            value -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return root;
}

/* block rows */
static uint32_t @_row(uint32_t hash) {
    hash ^= hash >> 16;
    hash *= 0x${mix_a}u;
    hash ^= hash >> 13;
    hash *= 0x${mix_b}u;
    hash ^= hash >> 16;
    return (uint32_t)(((uint64_t)hash * ${rows}u) >> 32);
}

static uint32_t @_run(@_context *context, int32_t begin, int32_t end) {
    uint32_t hash = 0u;
    for (int32_t i = begin; i < end; ++i) {
        hash = hash * 0x${multiplier}u + context->codes[i];
    }
    return hash;
}

/* Adds up the rows of all n-grams of context->codes; how many they are. */
static uint32_t @_add_rows(@_context *context, int32_t length) {
    uint32_t count = 0u;
$characters$words    return count;
}

/* alone */
uint32_t @_grams_of(@_context *context, int32_t length) {
    uint32_t count = 0u;

/* lines characters */
    for (int32_t i = 0; i + $n <= length; ++i, ++count) {
        @_add(context, @_row(@_run(context, i, i + $n) + 0x${seed}u));
    }

/* lines words */
    for (int32_t i = 0; i < length; ++i) {
        int32_t end = i;
        int32_t left = context->codes[i] == ${space}u ? $n : -1;
        while (left > 0 && ++end < length) {
            left -= context->codes[end] == ${space}u ? 1 : 0;
        }
        if (left == 0) {
            @_add(context, @_row(@_run(context, i + 1, end) + 0x${seed}u));
            ++count;
        }
    }

/* alone */
    return count;
}

"""UTF-8, normalising and hashing of `nlp/utterance` as C99: the same code points, the same rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.export._c_text import entries
from edgewright.export.c99_language.letters import wrapped
from edgewright.nlp.utterance.hashing import MIX_A, MIX_B, MULTIPLIER, SEED, WORDS
from edgewright.nlp.utterance.normalise import APOSTROPHE, LONGEST, SPACE, table

_DECODE = """\
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
}"""
_FOLD = """\
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
        return (code >= 0x61u && code <= 0x7Au) || code == %(apostrophe)du ? code : %(space)du;
    }
    if (code > 0xFFFFu) {
        return code;
    }
    if (@_within(@_dropped, sizeof @_dropped / sizeof @_dropped[0], code)) {
        return @_NOTHING;
    }
    if (@_within(@_separating, sizeof @_separating / sizeof @_separating[0], code)) {
        return %(space)du;
    }
    size_t low = 0u;
    size_t high = %(pairs)du;
    while (low < high) {
        const size_t middle = (low + high) / 2u;
        if (@_folded[middle][0] < code) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return low < %(pairs)du && @_folded[low][0] == code ? @_folded[low][1] : code;
}"""
_NORMALISE = """\
/* Words between single spaces into context->codes; their length, 0 for none, or an error below zero. */
static int32_t @_normalise(@_context *context, const char *text, size_t bytes) {
    const unsigned char *at = (const unsigned char *)text;
    uint32_t seen = 0u;
    uint32_t length = 0u;
    context->codes[length++] = %(space)du;
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
        if (code != @_NOTHING && (code != %(space)du || context->codes[length - 1u] != %(space)du)) {
            context->codes[length++] = code;
        }
    }
    if (context->codes[length - 1u] != %(space)du) {
        context->codes[length++] = %(space)du;
    }
    return length < 3u ? 0 : (int32_t)length;
}"""
_ROWS = """\
static uint32_t @_row(uint32_t hash) {
    hash ^= hash >> 16;
    hash *= 0x%(mix_a)Xu;
    hash ^= hash >> 13;
    hash *= 0x%(mix_b)Xu;
    hash ^= hash >> 16;
    return (uint32_t)(((uint64_t)hash * %(rows)du) >> 32);
}

static uint32_t @_run(@_context *context, int32_t begin, int32_t end) {
    uint32_t hash = 0u;
    for (int32_t i = begin; i < end; ++i) {
        hash = hash * 0x%(multiplier)Xu + context->codes[i];
    }
    return hash;
}

/* Adds up the rows of all n-grams of context->codes; how many they are. */
static uint32_t @_add_rows(@_context *context, int32_t length) {
    uint32_t count = 0u;
%(characters)s%(words)s    return count;
}"""
_CHARACTERS = """\
    for (int32_t i = 0; i + %(n)d <= length; ++i, ++count) {
        @_add(context, @_row(@_run(context, i, i + %(n)d) + 0x%(seed)Xu));
    }
"""
# A space ends each word; the n-th space after one ends n words.
_WORDS = """\
    for (int32_t i = 0; i < length; ++i) {
        int32_t end = i;
        int32_t left = context->codes[i] == %(space)du ? %(n)d : -1;
        while (left > 0 && ++end < length) {
            left -= context->codes[end] == %(space)du ? 1 : 0;
        }
        if (left == 0) {
            @_add(context, @_row(@_run(context, i + 1, end) + 0x%(seed)Xu));
            ++count;
        }
    }
"""


def tables() -> str:
    """Write the tables of normalization beyond ASCII: dropped and separating ranges, folded pairs."""
    rules = {code: value for code, value in table().items() if code >= 0x80}
    dropped = _ranges([code for code, value in rules.items() if value is None])
    separating = _ranges([code for code, value in rules.items() if value == " "])
    pairs = _pairs()
    lines = wrapped([f"{{{code}, {value}}}" for code, value in pairs])
    return "\n".join([
        f"static const uint16_t @_dropped[{len(dropped)}] = {{\n{entries(np.array(dropped, np.uint16))}\n}};",
        f"static const uint16_t @_separating[{len(separating)}] = {{\n{entries(np.array(separating, np.uint16))}\n}};",
        f"static const uint16_t @_folded[{len(pairs)}][2] = {{\n{lines}\n}};",
    ])  # fmt: skip


def functions(rows: int, characters: Sequence[int], words: Sequence[int]) -> list[str]:
    """Write decoding, normalizing and hashing; `@_add(context, row)` is expected between `@_normalise` and them.

    Args:
        rows: of the table.
        characters: sizes of the n-grams of characters.
        words: sizes of the n-grams of words.

    Returns:
        Blocks of C: what comes before `@_add`, and what comes after it.
    """
    mask = 0xFFFFFFFF
    words_text = {"space": SPACE, "apostrophe": APOSTROPHE, "pairs": len(_pairs())}
    runs = {
        "characters": "".join(_CHARACTERS % {"n": n, "seed": SEED * n & mask} for n in characters),
        "words": "".join(_WORDS % {"n": n, "seed": SEED * (n + WORDS) & mask, "space": SPACE} for n in words),
    }
    numbers = {"mix_a": MIX_A, "mix_b": MIX_B, "multiplier": MULTIPLIER, "rows": rows}
    before = "\n\n".join([_DECODE, _FOLD % words_text, _NORMALISE % words_text])
    return [before, _ROWS % {**numbers, **runs}]


def longest() -> int:
    """Code points of an utterance at most."""
    return LONGEST


def _pairs() -> list[tuple[int, int]]:
    return sorted((code, ord(value)) for code, value in table().items() if code >= 0x80 and value and value != " ")


def _ranges(codes: list[int]) -> list[int]:
    """Begin and end of runs, the ends not included."""
    made: list[int] = []
    for code in sorted(codes):
        if made and made[-1] == code:
            made[-1] = code + 1
        else:
            made += [code, code + 1]
    return made

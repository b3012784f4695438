"""Classes of characters, small letters and tokens of `nlp/utterance/{letters,attributes}` as C99."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.nlp.utterance.normalise import APOSTROPHES, SIGNS, SPACES, Ranges, small_letters


def wrapped(cells: Sequence[str]) -> str:
    """Return cells such as `{1, 2}`, separated by commas, in lines of at most 118 characters."""
    lines, line = [], "   "
    for number, cell in enumerate(cells):
        word = f" {cell}" + ("," if number + 1 < len(cells) else "")
        if len(line) + len(word) > 118:
            lines.append(line)
            line = "   "
        line += word
    return "\n".join([*lines, line])


# A run of capitals: the first, how many, how far apart, and what is added to get the small letter.
Run = tuple[int, int, int, int]

_CLASSES = """\
static const uint32_t @_spaces[][2] = {
%(spaces)s
};
static const uint32_t @_signs[][2] = {
%(signs)s
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
}"""
_SMALL = """\
typedef struct {
    uint16_t first;
    uint16_t count;
    uint16_t step;
    int32_t added;
} @_capitals;

static const @_capitals @_runs[%(count)d] = {
%(runs)s
};

/* The small letter of a capital; any other code point as it is. */
static uint32_t @_small(uint32_t code) {
    for (size_t i = 0u; i < %(count)du && @_runs[i].first <= code; ++i) {
        const uint32_t beyond = code - @_runs[i].first;
        if (beyond %% @_runs[i].step == 0u && beyond / @_runs[i].step < @_runs[i].count) {
            return (uint32_t)((int32_t)code + @_runs[i].added);
        }
    }
    return code;
}"""
_TOKENS = """\
/* The first token from `at` on, a word or one sign, and its end; the length of the text where there is none. */
static uint32_t @_token(@_context *context, uint32_t at, uint32_t *end) {
    while (at < context->length && @_is_space(context->codes[at])) {
        ++at;
    }
    uint32_t last = @_run_end(context, at);
    if (last == at) {
        last = at < context->length ? at + 1u : at;
    } else {
        while (last + 1u < context->length && (%(joins)s) && @_is_word(context->codes[last + 1u])) {
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
}"""


def letters(*, tokens: bool, small: bool) -> list[str]:
    """Return blocks of C; the functions of `hashing` are expected before them.

    Args:
        tokens: whether tokens are wanted: by a tagger or gazetteers.
        small: whether small letters are: by a tagger.
    """
    made = [_CLASSES % {
        "spaces": _ranges(SPACES), "signs": _ranges(tuple(pair for pair in SIGNS if pair[1] > 0x80)),
    }]  # fmt: skip
    if tokens:
        made.append(_TOKENS % {"joins": " || ".join(f"context->codes[last] == 0x{code:02X}u" for code in APOSTROPHES)})
    if small:
        runs = capitals()
        made.append(_SMALL % {"count": len(runs), "runs": wrapped([f"{{{a}, {n}, {s}, {d}}}" for a, n, s, d in runs])})
    return made


def capitals() -> list[Run]:
    """Return the small letters as runs, sorted by their first capital; a code point counts in its first run only."""
    pairs = sorted(small_letters().items())
    made: list[Run] = []
    while pairs:
        first, small = pairs[0]
        best: list[int] = []
        for step in (1, 2):
            run = [first]
            known = dict(pairs)
            while known.get(run[-1] + step) == run[-1] + step + small - first:
                run.append(run[-1] + step)
            best = max(best, run, key=len)
        made.append((first, len(best), best[1] - first if len(best) > 1 else 1, small - first))
        taken = set(best)
        pairs = [pair for pair in pairs if pair[0] not in taken]
    return made


def _ranges(ranges: Ranges) -> str:
    return wrapped([f"{{0x{first:X}u, 0x{end:X}u}}" for first, end in ranges])

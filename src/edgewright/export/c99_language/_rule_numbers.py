"""Numbers in digits and words, and durations, as C99."""

from __future__ import annotations

from edgewright.nlp.utterance.values import DAYS, LARGE, MOST_SECONDS, SMALL, UNITS

_WORDS = """\
typedef struct {
    const char *word;
    int32_t value;
} @_word_value;

static const @_word_value @_number_words[] = {
%(numbers)s
};
static const @_word_value @_units[] = {
%(units)s
};
static const char *const @_days[7] = {%(days)s};

/* Whether the text from `at` to `end` is this word of small letters, in any case. */
static int @_says(@_context *context, uint32_t at, uint32_t end, const char *word) {
    while (at < end && *word != '\\0') {
        const uint32_t code = context->codes[at];
        const uint32_t small = code >= 0x41u && code <= 0x5Au ? code + 0x20u : code;
        if (small != (uint32_t)(unsigned char)*word) {
            return 0;
        }
        ++at;
        ++word;
    }
    return at == end && *word == '\\0';
}

static int32_t @_number_word(@_context *context, uint32_t at, uint32_t end) {
    for (size_t i = 0u; i < sizeof @_number_words / sizeof @_number_words[0]; ++i) {
        if (@_says(context, at, end, @_number_words[i].word)) {
            return @_number_words[i].value;
        }
    }
    return -1;
}

static uint32_t @_skip_spaces(@_context *context, uint32_t at) {
    while (at < context->length && @_is_space(context->codes[at])) {
        ++at;
    }
    return at;
}

static int @_all_digits(@_context *context, uint32_t at, uint32_t end) {
    const uint32_t begin = at;
    while (at < end && @_is_digit(context->codes[at])) {
        ++at;
    }
    return at == end && at > begin;
}

static double @_digits(@_context *context, uint32_t at, uint32_t end) {
    double made = 0.0;
    while (at < end) {
        made = made * 10.0 + (double)(context->codes[at++] - 0x30u);
    }
    return made;
}"""
_NUMBER = """\
/* The end of a number in digits at `at`, 0 for none. */
static uint32_t @_plain_number(@_context *context, uint32_t at, double *value) {
    const uint32_t end = @_run_end(context, at);
    if (!@_all_digits(context, at, end) || end - at > 12u) {
        return 0u;
    }
    *value = @_digits(context, at, end);
    if (end + 1u < context->length && context->codes[end] == 0x2Eu && end - at <= 9u) {
        const uint32_t last = @_run_end(context, end + 1u);
        if (@_all_digits(context, end + 1u, last) && last - end <= 7u) {
            double power = 1.0;
            for (uint32_t i = end + 1u; i < last; ++i) {
                power *= 10.0;
                *value = *value * 10.0 + (double)(context->codes[i] - 0x30u);
            }
            /* Whole numbers below 2^53, divided once: the nearest double. */
            *value /= power;
            return last;
        }
    }
    return end;
}

/* Where the next number word after `end` begins, by a dash, by space, or by "and" between spaces; 0 for none. */
static uint32_t @_next_number_word(@_context *context, uint32_t end) {
    if (end < context->length && context->codes[end] == 0x2Du
        && @_number_word(context, end + 1u, @_run_end(context, end + 1u)) >= 0) {
        return end + 1u;
    }
    const uint32_t next = @_skip_spaces(context, end);
    if (next == end) {
        return 0u;
    }
    const uint32_t last = @_run_end(context, next);
    if (@_says(context, next, last, "and")) {
        const uint32_t then = @_skip_spaces(context, last);
        return then > last && @_number_word(context, then, @_run_end(context, then)) >= 0 ? then : 0u;
    }
    return @_number_word(context, next, last) >= 0 ? next : 0u;
}

/* The end of a number at `at`, 0 for none; `known` is 0 where its words make none together ("twenty ten"). */
static uint32_t @_number_at(@_context *context, uint32_t at, double *value, int *known) {
    *known = 1;
    const uint32_t digits = @_plain_number(context, at, value);
    if (digits != 0u) {
        return digits;
    }
    uint32_t end = 0u;
    int32_t total = 0;
    int32_t part = 0;
    int seen = 0;
    int32_t word = @_number_word(context, at, @_run_end(context, at));
    if (word < 0) {
        return 0u;
    }
    for (uint32_t next = at; word >= 0;) {
        end = @_run_end(context, next);
        const int32_t rest = part %% 100;
        if (word < 100) {
            if (rest != 0 && !(rest >= 20 && part %% 10 == 0 && word > 0 && word < 10)) {
                *known = 0;
            }
            part += word;
            seen = 1;
        } else if (word == 100 && seen && part > 0 && part < 10) {
            part *= 100;
        } else if (word == 1000 && seen && part > 0 && total == 0) {
            total = part * 1000;
            part = 0;
        } else {
            *known = 0;
        }
        /* No sum grows beyond what it may be once it is no number. */
        part = *known ? part : 0;
        next = @_next_number_word(context, end);
        word = next == 0u ? -1 : @_number_word(context, next, @_run_end(context, next));
    }
    *value = (double)(total + part);
    return end;
}"""
_DURATION = """\
/* The end of a number with a unit at `at`, 0 for none. */
static uint32_t @_piece_at(@_context *context, uint32_t at, double *seconds, int *known) {
    double count = 1.0;
    *known = 1;
    uint32_t end = @_number_at(context, at, &count, known);
    if (end == 0u) {
        end = @_run_end(context, at);
        if (@_says(context, at, end, "half")) {
            count = 0.5;
            at = @_skip_spaces(context, end);
            if (at == end) {
                return 0u;
            }
            end = @_run_end(context, at);
        }
        if (!@_says(context, at, end, "a") && !@_says(context, at, end, "an")) {
            return 0u;
        }
    }
    const uint32_t begin = @_skip_spaces(context, end);
    const uint32_t last = @_run_end(context, begin);
    if (begin == end || last == begin) {
        return 0u;
    }
    for (size_t i = 0u; i < sizeof @_units / sizeof @_units[0]; ++i) {
        const uint32_t plural = (context->codes[last - 1u] | 0x20u) == 0x73u ? 1u : 0u;
        if (@_says(context, begin, last, @_units[i].word) || @_says(context, begin, last - plural, @_units[i].word)) {
            *seconds = count * (double)@_units[i].value;
            return last;
        }
    }
    return 0u;
}

/* Where the next piece after `end` may begin: after a comma, after space, or after "and" between spaces; 0 for none. */
static uint32_t @_next_piece(@_context *context, uint32_t end) {
    const uint32_t next = @_skip_spaces(context, end);
    if (next < context->length && context->codes[next] == 0x2Cu) {
        return @_skip_spaces(context, next + 1u);
    }
    if (next == end) {
        return 0u;
    }
    const uint32_t last = @_run_end(context, next);
    const uint32_t then = @_skip_spaces(context, last);
    return @_says(context, next, last, "and") && then > last ? then : next;
}

static uint32_t @_duration_at(@_context *context, uint32_t at, double *seconds, int *known) {
    double part = 0.0;
    int sure = 1;
    uint32_t end = @_piece_at(context, at, &part, &sure);
    *seconds = 0.0;
    *known = 1;
    for (uint32_t found = end; found != 0u;) {
        *seconds += part;
        if (!sure || *seconds > %(most)s) {
            *known = 0;
            *seconds = 0.0;
        }
        end = found;
        const uint32_t next = @_next_piece(context, end);
        found = next == 0u || next >= context->length ? 0u : @_piece_at(context, next, &part, &sure);
    }
    return end;
}"""


def numbers() -> list[str]:
    """Return blocks of C: small words, numbers, durations."""
    words = {
        "numbers": _table({**SMALL, **LARGE}), "units": _table(UNITS),
        "days": ", ".join(f'"{day}"' for day in DAYS), "most": f"{MOST_SECONDS}.0",
    }  # fmt: skip
    return [block % words for block in (_WORDS, _NUMBER, _DURATION)]


def _table(words: dict[str, int]) -> str:
    return ",\n".join(f'    {{"{word}", {value}}}' for word, value in words.items())

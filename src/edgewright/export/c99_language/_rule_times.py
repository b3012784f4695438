"""Clock times and dates as C99."""

from __future__ import annotations

_CLOCK = """\
static int @_pair_at(@_context *context, uint32_t at) {
    return at + 1u < context->length && @_is_digit(context->codes[at]) && @_is_digit(context->codes[at + 1u]);
}

static void @_two(char *out, uint32_t number) {
    out[0] = (char)('0' + (char)(number / 10u % 10u));
    out[1] = (char)('0' + (char)(number % 10u));
}

/* The end of "am" or "p.m" at `at` with space before it, 0 for none; `half` is 1 for pm. */
static uint32_t @_half_at(@_context *context, uint32_t at, uint32_t *half) {
    at = @_skip_spaces(context, at);
    if (at + 1u >= context->length || (!@_says(context, at, at + 1u, "a") && !@_says(context, at, at + 1u, "p"))) {
        return 0u;
    }
    *half = @_says(context, at, at + 1u, "p") ? 1u : 0u;
    at += context->codes[at + 1u] == 0x2Eu ? 2u : 1u;
    const int closed = at < context->length && @_says(context, at, at + 1u, "m") && @_run_end(context, at) == at + 1u;
    return closed ? at + 1u : 0u;
}

static uint32_t @_clock_at(@_context *context, uint32_t at, char *word, int *known) {
    uint32_t half = 0u;
    const uint32_t after = at + (@_pair_at(context, at) ? 2u : 1u);
    if (!@_is_digit(context->codes[at])) {
        return 0u;
    }
    uint32_t hour = (uint32_t)@_digits(context, at, after);
    const int full = after < context->length && context->codes[after] == 0x3Au && @_pair_at(context, after + 1u);
    const uint32_t minute = full ? (uint32_t)@_digits(context, after + 1u, after + 3u) : 0u;
    uint32_t end = @_half_at(context, full ? after + 3u : after, &half);
    *known = 1;
    if (end != 0u) {
        *known = hour >= 1u && hour <= 12u;
        hour = hour % 12u + 12u * half;
    } else if (full && @_run_end(context, after + 3u) == after + 3u) {
        end = after + 3u;
    } else {
        return 0u;
    }
    *known = *known && hour < 24u && minute < 60u;
    @_two(word, hour);
    word[2] = ':';
    @_two(word + 3, minute);
    word[5] = '\\0';
    return end;
}"""
_DATE = """\
/* A day counted from 1970-01-01 as YYYY-MM-DD. H. Hinnant, chrono-compatible low-level date algorithms. */
static void @_write_date(int32_t days, char *word) {
    const int32_t shifted = days + 719468;
    const int32_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    const int32_t day_of_era = shifted - era * 146097;
    const int32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const int32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int32_t month = (5 * day_of_year + 2) / 153;
    const uint32_t day = (uint32_t)(day_of_year - (153 * month + 2) / 5 + 1);
    const uint32_t calendar = (uint32_t)(month < 10 ? month + 3 : month - 9);
    const uint32_t year = (uint32_t)(year_of_era + era * 400 + (calendar <= 2u ? 1 : 0));
    @_two(word, year / 100u);
    @_two(word + 2, year);
    word[4] = '-';
    @_two(word + 5, calendar);
    word[7] = '-';
    @_two(word + 8, day);
    word[10] = '\\0';
}

static int @_is_date(uint32_t year, uint32_t month, uint32_t day) {
    static const uint8_t most[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int leap = (year % 4u == 0u && year % 100u != 0u) || year % 400u == 0u;
    return year >= 1u && month >= 1u && month <= 12u && day >= 1u
           && day <= most[month] + (month == 2u && leap ? 1u : 0u);
}

static void @_copy(@_context *context, uint32_t at, uint32_t end, char *word) {
    for (; at < end; ++at) {
        const uint32_t code = context->codes[at];
        *word++ = (char)(code >= 0x41u && code <= 0x5Au ? code + 0x20u : code);
    }
    *word = '\\0';
}

static uint32_t @_date_at(@_context *context, uint32_t at, int32_t today, char *word, int *known) {
    const uint32_t end = @_run_end(context, at);
    *known = 1;
    if (@_all_digits(context, at, end)) {
        const uint32_t last = end + 6u;
        if (end - at != 4u || last > context->length || context->codes[end] != 0x2Du
            || context->codes[end + 3u] != 0x2Du || !@_pair_at(context, end + 1u) || !@_pair_at(context, end + 4u)
            || @_run_end(context, end + 4u) != last) {
            return 0u;
        }
        *known = @_is_date((uint32_t)@_digits(context, at, end), (uint32_t)@_digits(context, end + 1u, end + 3u),
                           (uint32_t)@_digits(context, end + 4u, last));
        @_copy(context, at, last, word);
        return last;
    }
    int32_t ahead = @_says(context, at, end, "today") ? 0 : @_says(context, at, end, "tomorrow") ? 1 : -1;
    for (int32_t i = 0; i < 7 && ahead < 0; ++i) {
        if (@_says(context, at, end, @_days[i])) {
            /* 1970-01-01 was a Thursday; today's own name means a week from now. */
            const int32_t weekday = today == @@_NO_DATE ? 0 : ((today + 3) % 7 + 7) % 7;
            ahead = (i - weekday + 6) % 7 + 1;
        }
    }
    if (ahead < 0) {
        return 0u;
    }
    if (today == @@_NO_DATE) {
        @_copy(context, at, end, word);
    } else {
        @_write_date(today + ahead, word);
    }
    return end;
}"""


def times() -> list[str]:
    """Blocks of C; the words of `_rule_numbers` are expected before them."""
    return [_CLOCK, _DATE]

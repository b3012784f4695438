/* Numbers in digits and words, durations, times of day and dates; `slots.py` writes the words.
 * Rules have the order of `nlp.utterance.values.NAMES`. */
#include "letters.c"
#include "slots.h"
#define $numbers \
    {"zero", 0}, {"one", 1}, {"two", 2}, {"five", 5}, {"ten", 10}, {"eleven", 11}, {"twenty", 20}, {"fifty", 50}, \
    {"hundred", 100}, {"thousand", 1000}
#define $units {"second", 1}, {"sec", 1}, {"minute", 60}, {"hour", 3600}
#define $days "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"
#define $most 86400.0

/* block rules */
typedef struct {
    const char *word;
    int32_t value;
} @_word_value;

static const @_word_value @_number_words[] = {
$numbers
};
static const @_word_value @_units[] = {
$units
};
static const char *const @_days[7] = {$days};

/* Whether the text from `at` to `end` is this word of small letters, in any case. */
static int @_says(@_context *context, uint32_t at, uint32_t end, const char *word) {
    while (at < end && *word != '\0') {
        const uint32_t code = context->codes[at];
        const uint32_t small = code >= 0x41u && code <= 0x5Au ? code + 0x20u : code;
        if (small != (uint32_t)(unsigned char)*word) {
            return 0;
        }
        ++at;
        ++word;
    }
    return at == end && *word == '\0';
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
}

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
        const int32_t rest = part % 100;
        if (word < 100) {
            if (rest != 0 && !(rest >= 20 && part % 10 == 0 && word > 0 && word < 10)) {
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
}

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
        if (!sure || *seconds > $most) {
            *known = 0;
            *seconds = 0.0;
        }
        end = found;
        const uint32_t next = @_next_piece(context, end);
        found = next == 0u || next >= context->length ? 0u : @_piece_at(context, next, &part, &sure);
    }
    return end;
}

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
    word[5] = '\0';
    return end;
}

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
    word[10] = '\0';
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
    *word = '\0';
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
}

/* What rule 1 to 4 finds at the beginning of a word: its end, 0 for nothing. */
static uint32_t @_rule(@_context *context, int rule, uint32_t at, int32_t today, @_slot *slot, int *known) {
    slot->kind = @@_WORD;
    switch (rule) {
    case 1:
        slot->kind = @@_NUMBER;
        return @_duration_at(context, at, &slot->number, known);
    case 2:
        return @_clock_at(context, at, slot->word, known);
    case 3:
        return @_date_at(context, at, today, slot->word, known);
    default:
        slot->kind = @@_NUMBER;
        return @_number_at(context, at, &slot->number, known);
    }
}

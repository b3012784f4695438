"""Slots as C99: tagger, gazetteers and rules joined as `nlp/utterance/parse` joins them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.export._c_text import entries
from edgewright.export.c99_language._rule_numbers import numbers
from edgewright.export.c99_language._slot_text import (
    FILL_LISTS,
    FIND,
    HEADER,
    LIST,
    MARK,
    MARK_LISTS,
    MARK_TAGS,
    STATE,
    TAG,
    TOKENS,
)
from edgewright.export.c99_language.gazetteer import gazetteers, key_room, text
from edgewright.export.c99_language.letters import letters
from edgewright.export.c99_language.tagger import tagger, tagger_flash, tagger_ram
from edgewright.nlp.utterance.gazetteer import Gazetteers
from edgewright.nlp.utterance.normalise import LONGEST
from edgewright.nlp.utterance.parse import MOST_SLOTS
from edgewright.nlp.utterance.tagger import MOST_TOKENS
from edgewright.nlp.utterance.values import NAMES
from edgewright.schema.language import LanguageSpec

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
    """Return blocks of C; the words of `_rule_numbers` are expected before them."""
    return [_CLOCK, _DATE]


# In the order of `nlp.utterance.values.NAMES`.
_RULE = """\
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
}"""


def rules() -> list[str]:
    """Return blocks of C; `@_slot` and the functions of `letters` are expected before them."""
    return [*numbers(), *times(), _RULE]


class Slots:
    """The parts of a model that find slots, as text.

    Args:
        spec, arrays: as `read_language` gives them.
    """

    def __init__(self, spec: LanguageSpec, arrays: dict[str, NDArray[Any]]) -> None:
        self._spec, self._lists = spec, Gazetteers(spec.gazetteers)
        begin = "tagger_"
        self._arrays = {key[len(begin) :]: array for key, array in arrays.items() if key.startswith(begin)}
        labels = spec.tagger.labels if spec.tagger else ()
        tagged = {label[2:] for label in labels if label[2:]}
        self.names = sorted(tagged | {slot for slot, _ in self._lists.entries.values()} | set(NAMES))
        self._numbers = {name: number for number, name in enumerate(self.names)}

    def header(self) -> str:
        """Return what NAME.h says of slots."""
        return HEADER % {"slots": len(self.names), "most": MOST_SLOTS}

    def fields(self) -> list[str]:
        """Return what they keep during a call: members of the context."""
        made = ["uint32_t length"]
        tail = ["uint8_t marks[@@_LONGEST]"]
        if self._spec.tagger:
            labels = len(self._spec.tagger.labels)
            made += [f"int32_t {name}[{labels}]" for name in ("row_scores", "best", "ahead")]
            made += ["int32_t tokens", f"uint16_t begins[{MOST_TOKENS}]", f"uint16_t ends[{MOST_TOKENS}]"]
            tail += [f"uint8_t path[{MOST_TOKENS}]", f"uint8_t back[{MOST_TOKENS}][{labels}]"]
        if self._lists.entries:
            tail.append(f"unsigned char key[{key_room(self._lists)}]")
        return [*made, *tail]

    def blocks(self) -> list[str]:
        """Return blocks of C after those of `hashing`."""
        spec, marks, has_lists = self._spec, "", bool(self._lists.entries)
        tagged = spec.tagger is not None
        made = [self._state(), *letters(tokens=tagged or has_lists, small=tagged), *rules()]
        if has_lists:
            made.append(gazetteers(self._lists, self._numbers))
        made.append(MARK % {"rules": len(NAMES)})
        if spec.tagger:
            made += [self._tokens(), *tagger(spec.tagger, self._arrays)]
            made.append(MARK_TAGS % {"tokens": MOST_TOKENS, "fill_lists": FILL_LISTS if has_lists else ""})
            marks += "    @_mark_tags(context, intent);\n"
        if has_lists:
            made.append(MARK_LISTS)
            marks += "    @_mark_lists(context);\n"
        find = {"tag": TAG if spec.tagger else "", "list": LIST if has_lists else "", "marks": marks}
        return [*made, FIND % find]

    def flash(self) -> int:
        """Return bytes of the tagger's tables."""
        return tagger_flash(self._spec.tagger, self._arrays) if self._spec.tagger else 0

    def ram(self) -> int:
        """Return bytes of memory."""
        made = LONGEST + 4
        if self._lists.entries:
            made += key_room(self._lists)
        return made + (tagger_ram(self._spec.tagger) + 5 * MOST_TOKENS + 4 if self._spec.tagger else 0)

    def _state(self) -> str:
        return STATE % {
            "names": ",\n".join(f"    {text(name)}" for name in self.names), "rules": len(NAMES),
            "rule_names": ", ".join(str(self._numbers[name]) for name in NAMES),
        }  # fmt: skip

    def _tokens(self) -> str:
        labels = self._spec.tagger.labels if self._spec.tagger else ()
        names = np.array([self._numbers[label[2:]] + 1 if label[2:] else 0 for label in labels], np.uint8)
        goes_on = np.array([label.startswith("I-") for label in labels], np.uint8)
        return TOKENS % {
            "tokens": MOST_TOKENS, "labels": len(labels), "label_names": entries(names), "goes_on": entries(goes_on),
        }  # fmt: skip

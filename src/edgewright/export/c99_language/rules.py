"""Numbers, durations, clock times and dates of `nlp/utterance/values` as C99: the same matches and values.

The rules are regular expressions over whole words, so that a scan from word to word finds what they find: a longer run
of number words is tried before a shorter one, and none of what follows a number can begin with a number word.
"""

from __future__ import annotations

from edgewright.export.c99_language._rule_numbers import numbers
from edgewright.export.c99_language._rule_times import times

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
    """Blocks of C; `@_slot` and the functions of `letters` are expected before them."""
    return [*numbers(), *times(), _RULE]

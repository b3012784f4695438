"""A dialogue and what understands its sentences as one piece of C99: text in, the steps of the table out.

    vending_machine machine;
    vending_begin(&machine, 0.0, act, context);
    vending_hear(&context, &machine, text, bytes, VENDING_WORDS_NO_DATE, seconds, act, context);

An intent becomes its event and slots become what guards see, as in `nlp.dialogue`; what is no text is out of scope.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from edgewright.core.state_machine.validation import CheckedTable
from edgewright.export._c_text import guarded, template_comment
from edgewright.export.c99_language.dialogue import dialogue_files, numbers_of
from edgewright.export.c99_language.slots import Slots
from edgewright.export.c99_language.student import write_language_c99
from edgewright.nlp.dialogue import CONFIDENCE, UNCLEAR, event_name
from edgewright.schema.language import LanguageSpec

WORDS = "_words"
"""What is added to a dialogue's name for the model that understands its sentences."""

_HEADER = """\
/* The dialogue %(title)s with @_words, which understands what is said to it. Made by `edgewright language dialogue c`.
 */
""" + guarded(
    "@@_HEAR_H",
    '"@.h" "@_words.h"',
    """\
/* Memory of a call; nothing in it has to be set. */
typedef struct {
    @_words_context words;
    @_slot given[@@_SLOTS];
    @_words_slot found[@@_WORDS_MOST_SLOTS];
    char said[@@_SLOTS][@@_WORD + 1]; /* a longer word leaves its slot unknown */
} @_hear_context;

/* Somebody said something, UTF-8 of so many bytes: the number of steps that were taken, time-outs before it among them.
 * `today` counts days from 1970-01-01, or is @@_WORDS_NO_DATE. */
int @_hear(@_hear_context *h, @_machine *m, const char *text, size_t bytes, int32_t today, double time, @_act act,
           void *context);
""",
)
_SOURCE = """\
#include "@_hear.h"

#include <string.h>

/* Of each intent: its event. Of each name of a slot: what the dialogue calls it, -1 where it never asks. */
static const int @_events[@@_WORDS_INTENTS] = {%(events)s};
static const int @_asked[@@_WORDS_SLOTS] = {%(asked)s};

static void @_give(@_hear_context *h, int at, const char *text, const @_words_slot *slot) {
    const char *word = slot->entry ? slot->entry : slot->kind == @@_WORDS_WORD ? slot->word : text + slot->begin;
    const size_t length =
        slot->entry || slot->kind == @@_WORDS_WORD ? strlen(word) : (size_t)slot->end - slot->begin;
    const size_t kept = length < @@_WORD ? length : @@_WORD;
    if (!slot->entry && slot->kind == @@_WORDS_NUMBER) {
        h->given[at].number = slot->number;
        h->given[at].word = 0;
        return;
    }
    memcpy(h->said[at], word, kept);
    h->said[at][kept] = '\\0';
    h->given[at].word = h->said[at];
}

int @_hear(@_hear_context *h, @_machine *m, const char *text, size_t bytes, int32_t today, double time, @_act act,
           void *context) {
    @_words_answer answer;
    const int known = @_words_parse(&h->words, text, bytes, &answer) == 0;
    int count = 0;
    int event = %(unclear)d;
    h->given[count].slot = %(confidence)d;
    h->given[count].word = 0;
    h->given[count++].number = known ? (double)answer.confidence : 0.0;
    if (known && answer.intent >= 0) {
        const int32_t found = @_words_find_slots(&h->words, text, bytes, answer.intent, today, h->found);
        event = @_events[answer.intent];
        for (int32_t i = 0; i < found; ++i) {
            const int slot = @_asked[h->found[i].name];
            int seen = slot < 0;
            for (int k = 0; k < count; ++k) {
                seen = seen || h->given[k].slot == slot;
            }
            if (!seen) {
                h->given[count].slot = slot;
                @_give(h, count++, text, &h->found[i]);
            }
        }
    }
    return @_push(m, event, h->given, count, time, act, context);
}
"""


def hearing_files(
    checked: CheckedTable, spec: LanguageSpec, arrays: dict[str, NDArray[Any]], name: str
) -> dict[str, str]:
    """NAME.h and .c of the dialogue, NAME_words.h and .c of the model, NAME_hear.h and .c that join them.

    Args:
        checked: the table, as `language.dialogue.check` leaves it.
        spec: of the model, from `read_language`.
        arrays: of the model, from `read_language`.
        name: prefix of all names.
    """
    events, slots = numbers_of(checked)
    numbers = {
        "events": ", ".join(str(events.get(event_name(intent), 0)) for intent in spec.intents),
        "asked": ", ".join(str(_asked(slots, slot)) for slot in Slots(spec, arrays).names),
        "unclear": events.get(UNCLEAR, 0), "confidence": slots[CONFIDENCE],
        "title": template_comment(checked.table.name),
    }  # fmt: skip
    joined = {f"{name}_hear.h": _HEADER % numbers, f"{name}_hear.c": _SOURCE % numbers}
    joined = {file: text.replace("@@", name.upper()).replace("@", name) for file, text in joined.items()}
    return {**dialogue_files(checked, name), **write_language_c99(spec, arrays, name=name + WORDS), **joined}


def _asked(slots: dict[str, int], name: str) -> int:
    """Return the machine's number of a slot; the probability of the intent is none that can be said."""
    called = event_name(name)
    return -1 if called == CONFIDENCE else slots.get(called, -1)

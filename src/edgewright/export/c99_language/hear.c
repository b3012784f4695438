/* Intents to events and slots to what guards see; `dialogue.py` writes their numbers. */
#include "hear.h"
#define $events 1, 2, 1
#define $asked 0, -1, 0
#define $unclear 0
#define $confidence 1

/* lines source */
#include "@_hear.h"

#include <string.h>

/* Of each intent: its event. Of each name of a slot: what the dialogue calls it, -1 where it never asks. */
static const int @_events[@@_WORDS_INTENTS] = {$events};
static const int @_asked[@@_WORDS_SLOTS] = {$asked};

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
    h->said[at][kept] = '\0';
    h->given[at].word = h->said[at];
}

int @_hear(@_hear_context *h, @_machine *m, const char *text, size_t bytes, int32_t today, double time, @_act act,
           void *context) {
    @_words_answer answer;
    const int known = @_words_parse(&h->words, text, bytes, &answer) == 0;
    int count = 0;
    int event = $unclear;
    h->given[count].slot = $confidence;
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

"""NAME.h and NAME.c of slots: what is marked in the text, and what is told of it."""

from __future__ import annotations

HEADER = """\

#define @@_SLOTS %(slots)d
/* Slots of an utterance at most: the first of the text. */
#define @@_MOST_SLOTS %(most)d
/* `today` if unknown: "tomorrow" and names of weekdays then stay words. */
#define @@_NO_DATE INT32_MIN
/* What found a slot. */
#define @@_TAGGER 0
#define @@_GAZETTEER 1
#define @@_RULE 2
/* What its value is: the words themselves, `number` (of a duration: seconds), or `word`. */
#define @@_SAID 0
#define @@_NUMBER 1
#define @@_WORD 2

typedef struct {
    int32_t name;      /* place in @_slot_names */
    uint16_t begin;    /* bytes of the text, the end not included */
    uint16_t end;
    uint8_t by;
    uint8_t kind;
    char word[12];     /* a clock time, a date or a day */
    const char *entry; /* what an entry of a gazetteer stands for; a null pointer without one */
    double number;
} @_slot;

extern const char *const @_slot_names[@@_SLOTS];

/* Slots of an utterance with an intent in scope: how many, or below zero why it is none (-@@_TOO_LONG, -@@_NOT_UTF8).
 * `today` counts days from 1970-01-01, or is @@_NO_DATE. */
int32_t @_find_slots(@_context *context, const char *text, size_t bytes, int32_t intent, int32_t today,
                     @_slot slots[@@_MOST_SLOTS]);
"""
STATE = """\
const char *const @_slot_names[@@_SLOTS] = {
%(names)s
};
static const uint8_t @_rule_names[%(rules)d] = {%(rule_names)s};
/* Marks of a code point: the rule that begins there, and what begins there or covers it. */
enum { @_RULES = 7, @_RULED = 8, @_LISTS = 16, @_TAGS = 32, @_TAGGED = 64, @_LISTED = 128 };"""
TOKENS = """\
/* Of each label: the slot's name plus one, and whether it goes on with one. */
static const uint8_t @_label_names[%(labels)d] = {
%(label_names)s
};
static const uint8_t @_goes_on[%(labels)d] = {
%(goes_on)s
};"""
MARK = """\
static void @_cover(@_context *context, uint32_t at, uint32_t end, int mark) {
    for (; at < end; ++at) {
        context->marks[at] = (uint8_t)(context->marks[at] | mark);
    }
}

static int @_covered(@_context *context, uint32_t at, uint32_t end, int marks) {
    while (at < end && (context->marks[at] & marks) == 0) {
        ++at;
    }
    return at < end;
}

static int @_begins_word(@_context *context, uint32_t at) {
    return @_is_word(context->codes[at]) && (at == 0u || !@_is_word(context->codes[at - 1u]));
}

static void @_mark_rules(@_context *context, int32_t today) {
    @_slot slot;
    for (int rule = 1; rule <= %(rules)d; ++rule) {
        for (uint32_t at = 0u; at < context->length;) {
            int known = 0;
            const uint32_t end = @_begins_word(context, at) ? @_rule(context, rule, at, today, &slot, &known) : 0u;
            if (end != 0u && known && !@_covered(context, at, end, @_RULED)) {
                @_cover(context, at, end, @_RULED);
                context->marks[at] = (uint8_t)(context->marks[at] | rule);
            }
            at = end != 0u ? end : at + 1u;
        }
    }
}"""
MARK_TAGS = """\
static void @_mark_tags(@_context *context, int32_t intent) {
    uint32_t at = 0u;
    for (context->tokens = 0; context->tokens < %(tokens)d; ++context->tokens) {
        uint32_t end = 0u;
        at = @_token(context, at, &end);
        if (at >= context->length) {
            break;
        }
        context->begins[context->tokens] = (uint16_t)at;
        context->ends[context->tokens] = (uint16_t)end;
        at = end;
    }
    if (context->tokens == 0) {
        return;
    }
    @_tag(context, @_intents[intent]);
    uint8_t open = 0u;
    for (int32_t i = 0; i < context->tokens; ++i) {
        const uint8_t name = @_label_names[context->path[i]];
        if (name != 0u && @_goes_on[context->path[i]] && name == open) {
            @_cover(context, context->ends[i - 1], context->ends[i], @_TAGGED);
        } else if (name != 0u) {
            @_cover(context, context->begins[i], context->ends[i], @_TAGGED);
            context->marks[context->begins[i]] = (uint8_t)(context->marks[context->begins[i]] | @_TAGS);
            /* The place of the token is found again by its beginning. */
        }
        open = name;
    }
}

/* Name and end of the tagged slot that begins at `at`. */
static int32_t @_tag_at(@_context *context, uint32_t at, uint32_t *end) {
    int32_t i = 0;
    while (context->begins[i] != at) {
        ++i;
    }
    const uint8_t name = @_label_names[context->path[i]];
    *end = context->ends[i];
    for (++i; i < context->tokens && @_label_names[context->path[i]] == name && @_goes_on[context->path[i]]; ++i) {
        *end = context->ends[i];
    }
    return (int32_t)name - 1;
}

static void @_fill_tag(@_context *context, @_slot *slot, uint32_t at, uint32_t end, int32_t today) {
%(fill_lists)s    int known = 0;
    const int rule = context->marks[at] & @_RULES;
    @_slot value;
    value.number = 0.0;
    value.word[0] = '\\0';
    if (rule != 0 && @_rule(context, rule, at, today, &value, &known) == end) {
        slot->kind = value.kind;
        slot->number = value.kind == @@_NUMBER ? value.number : 0.0;
        memcpy(slot->word, value.word, value.kind == @@_WORD ? sizeof slot->word : 0u);
    }
}"""
FILL_LISTS = """\
    for (uint32_t i = at; i < end; ++i) {
        uint32_t last = 0u;
        const int32_t entry = (context->marks[i] & @_LISTS) != 0 ? @_entry_at(context, i, &last) : -1;
        if (entry >= 0 && (int32_t)@_entries[entry].slot == slot->name && last <= end) {
            slot->entry = @_entries[entry].value;
            return;
        }
    }
"""
MARK_LISTS = """\
static void @_mark_lists(@_context *context) {
    uint32_t end = 0u;
    for (uint32_t at = @_token(context, 0u, &end); at < context->length; at = @_token(context, end, &end)) {
        if (!@_is_blank(context, at, end) && @_entry_at(context, at, &end) >= 0) {
            context->marks[at] = (uint8_t)(context->marks[at] | @_LISTS);
            if (!@_covered(context, at, end, @_TAGGED)) {
                @_cover(context, at, end, @_LISTED);
            }
        }
    }
}"""
FIND = """\
/* The slot that begins at `at`, and its end; 0 for none. */
static uint32_t @_slot_at(@_context *context, uint32_t at, int32_t today, @_slot *slot) {
    uint32_t end = 0u;
    memset(slot, 0, sizeof *slot);
    slot->entry = 0;
%(tag)s%(list)s    const int rule = context->marks[at] & @_RULES;
    if (rule != 0) {
        int known = 0;
        slot->name = @_rule_names[rule - 1];
        slot->by = @@_RULE;
        end = @_rule(context, rule, at, today, slot, &known);
        return @_covered(context, at, end, @_TAGGED | @_LISTED) ? 0u : end;
    }
    return end;
}

int32_t @_find_slots(@_context *context, const char *text, size_t bytes, int32_t intent, int32_t today,
                     @_slot slots[@@_MOST_SLOTS]) {
    const int wrong = @_take(context, text, bytes);
    int32_t count = 0;
    uint32_t byte = 0u;
    if (wrong != 0 || intent < 0 || intent >= @@_INTENTS) {
        return -wrong;
    }
    memset(context->marks, 0, sizeof context->marks);
    @_mark_rules(context, today);
%(marks)s    for (uint32_t at = 0u; at < context->length && count < @@_MOST_SLOTS;) {
        const uint32_t end = @_slot_at(context, at, today, &slots[count]);
        const uint32_t last = end != 0u ? end : at + 1u;
        const uint32_t begin = byte;
        for (; at < last; ++at) {
            const uint32_t code = context->codes[at];
            byte += code < 0x80u ? 1u : code < 0x800u ? 2u : code < 0x10000u ? 3u : 4u;
        }
        if (end != 0u) {
            slots[count].begin = (uint16_t)begin;
            slots[count].end = (uint16_t)byte;
            ++count;
        }
    }
    return count;
}"""
TAG = """\
    if ((context->marks[at] & @_TAGS) != 0) {
        slot->name = @_tag_at(context, at, &end);
        slot->by = @@_TAGGER;
        @_fill_tag(context, slot, at, end, today);
        return end;
    }
"""
LIST = """\
    if ((context->marks[at] & @_LISTS) != 0 && (context->marks[at] & @_LISTED) != 0) {
        const int32_t entry = @_entry_at(context, at, &end);
        slot->name = (int32_t)@_entries[entry].slot;
        slot->by = @@_GAZETTEER;
        slot->entry = @_entries[entry].value;
        return end;
    }
"""

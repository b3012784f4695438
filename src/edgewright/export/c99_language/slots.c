/* What is marked in a text, and the slots that are found there; `slots.py` writes the names. */
#include "gazetteer.c"
void @_tag(@_context *context, const char *intent);
#define $names "drink", "city", "number"
#define $rules 4
#define $rule_names 0, 1, 2, 2
#define $labels 5
#define $label_names 0, 1, 1, 2, 2
#define $goes_on 0, 0, 1, 0, 1
#define $tokens 64
#define $fill_lists \
    @_fill(context, slot, at, end); \
    if (slot->entry != 0) { \
        return; \
    }
#define $tag \
    if ((context->marks[at] & @_TAGS) != 0 || (context->marks[at] & (@_LISTS | @_LISTED)) == (@_LISTS | @_LISTED)) { \
        return @_from_mark(context, slot, at, today); \
    }
#define $list
#define $marks \
    @_mark_tags(context, intent); \
    @_mark_lists(context);
void @_fill(@_context *context, @_slot *slot, uint32_t at, uint32_t end);
uint32_t @_from_mark(@_context *context, @_slot *slot, uint32_t at, int32_t today);

/* block state */
const char *const @_slot_names[@@_SLOTS] = {
$names
};
static const uint8_t @_rule_names[$rules] = {$rule_names};
/* Marks of a code point: the rule that begins there, and what begins there or covers it. */
enum { @_RULES = 7, @_RULED = 8, @_LISTS = 16, @_TAGS = 32, @_TAGGED = 64, @_LISTED = 128 };

/* block tokens */
/* Of each label: the slot's name plus one, and whether it goes on with one. */
static const uint8_t @_label_names[$labels] = {
$label_names
};
static const uint8_t @_goes_on[$labels] = {
$goes_on
};

/* block mark */
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
    for (int rule = 1; rule <= $rules; ++rule) {
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
}

/* block mark_tags */
static void @_mark_tags(@_context *context, int32_t intent) {
    uint32_t at = 0u;
    for (context->tokens = 0; context->tokens < $tokens; ++context->tokens) {
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
$fill_lists    int known = 0;
    const int rule = context->marks[at] & @_RULES;
    @_slot value;
    value.number = 0.0;
    value.word[0] = '\0';
    if (rule != 0 && @_rule(context, rule, at, today, &value, &known) == end) {
        slot->kind = value.kind;
        slot->number = value.kind == @@_NUMBER ? value.number : 0.0;
        memcpy(slot->word, value.word, value.kind == @@_WORD ? sizeof slot->word : 0u);
    }
}

/* block mark_lists */
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
}

/* block find */
/* The slot that begins at `at`, and its end; 0 for none. */
static uint32_t @_slot_at(@_context *context, uint32_t at, int32_t today, @_slot *slot) {
    uint32_t end = 0u;
    memset(slot, 0, sizeof *slot);
    slot->entry = 0;
$tag$list    const int rule = context->marks[at] & @_RULES;
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
$marks    for (uint32_t at = 0u; at < context->length && count < @@_MOST_SLOTS;) {
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
}

/* alone */
void @_fill(@_context *context, @_slot *slot, uint32_t at, uint32_t end) {

/* lines fill_lists */
    for (uint32_t i = at; i < end; ++i) {
        uint32_t last = 0u;
        const int32_t entry = (context->marks[i] & @_LISTS) != 0 ? @_entry_at(context, i, &last) : -1;
        if (entry >= 0 && (int32_t)@_entries[entry].slot == slot->name && last <= end) {
            slot->entry = @_entries[entry].value;
            return;
        }
    }

/* alone */
}
uint32_t @_from_mark(@_context *context, @_slot *slot, uint32_t at, int32_t today) {
    uint32_t end = 0u;

/* lines tag */
    if ((context->marks[at] & @_TAGS) != 0) {
        slot->name = @_tag_at(context, at, &end);
        slot->by = @@_TAGGER;
        @_fill_tag(context, slot, at, end, today);
        return end;
    }

/* lines list */
    if ((context->marks[at] & @_LISTS) != 0 && (context->marks[at] & @_LISTED) != 0) {
        const int32_t entry = @_entry_at(context, at, &end);
        slot->name = (int32_t)@_entries[entry].slot;
        slot->by = @@_GAZETTEER;
        slot->entry = @_entries[entry].value;
        return end;
    }

/* alone */
    return end;
}

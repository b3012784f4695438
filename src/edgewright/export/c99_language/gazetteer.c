/* Entries of lists in a text, the longest first; `slots.py` writes them sorted. */
#include "rules.c"
#include <string.h>
#define $count 5
#define $entries \
    {"ale", "pale ale", 0}, {"bus 00#42", "line 42", 1}, {"ice tea", "iced tea", 0}, {"new york", "New York", 1}, \
    {"tea", "green tea", 0}
#define $longest 3

/* block functions */
typedef struct {
    const char *key;   /* folded, then the digits that folding made one of */
    const char *value; /* what it stands for */
    uint16_t slot;
} @_entry;

static const @_entry @_entries[$count] = {
$entries
};

/* Folded words of the text from `at` to `end` into `key`, digits after them; their bytes, 0 for none or too many. */
static size_t @_fold_key(@_context *context, uint32_t at, uint32_t end) {
    size_t length = 0u;
    int space = 0;
    for (uint32_t i = at; i < end; ++i) {
        const uint32_t code = @_fold(context->codes[i]);
        if (code == @_NOTHING) {
            continue;
        }
        if (code == 0x20u) {
            space = 1;
            continue;
        }
        unsigned char bytes[4];
        const size_t used = @_encode(code, bytes);
        if (length + used + 1u >= sizeof context->key) {
            return 0u;
        }
        if (space && length > 0u) {
            context->key[length++] = ' ';
        }
        space = 0;
        memcpy(context->key + length, bytes, used);
        length += used;
    }
    int first = 1;
    for (uint32_t i = at; i < end; ++i) {
        const uint32_t code = context->codes[i];
        const uint32_t zero = code >= 0xFF10u && code <= 0xFF19u ? 0xFF10u : 0x30u;
        if (code < zero || code > zero + 9u) {
            continue;
        }
        if (length + 2u >= sizeof context->key) {
            return 0u;
        }
        if (first) {
            context->key[length++] = '#';
        }
        first = 0;
        context->key[length++] = (unsigned char)('0' + (int)(code - zero));
    }
    context->key[length] = '\0';
    return length;
}

static int32_t @_lookup(@_context *context) {
    int32_t low = 0;
    int32_t high = $count - 1;
    while (low <= high) {
        const int32_t middle = (low + high) / 2;
        const int order = strcmp((const char *)context->key, @_entries[middle].key);
        if (order == 0) {
            return middle;
        }
        if (order < 0) {
            high = middle - 1;
        } else {
            low = middle + 1;
        }
    }
    return -1;
}

static int @_is_blank(@_context *context, uint32_t at, uint32_t end) {
    while (at < end && (@_fold(context->codes[at]) == @_NOTHING || @_fold(context->codes[at]) == 0x20u)) {
        ++at;
    }
    return at == end;
}

/* The longest entry that begins with the token at `at`: its number and end, or -1. */
static int32_t @_entry_at(@_context *context, uint32_t at, uint32_t *end) {
    uint32_t ends[$longest];
    uint32_t last = at;
    int32_t count = 0;
    while (count < $longest) {
        const uint32_t begin = @_token(context, last, &last);
        if (begin >= context->length) {
            break;
        }
        if (!@_is_blank(context, begin, last)) {
            ends[count++] = last;
        }
    }
    while (count-- > 0) {
        const size_t length = @_fold_key(context, at, ends[count]);
        int32_t found = length > 0u ? @_lookup(context) : -1;
        if (found < 0 && length > 1u && context->key[length - 1u] == 's') {
            context->key[length - 1u] = '\0';
            found = @_lookup(context);
        }
        if (found >= 0) {
            *end = ends[count];
            return found;
        }
    }
    return -1;
}

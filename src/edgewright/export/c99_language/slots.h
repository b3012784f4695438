/* What NAME.h of a language model says of slots. */
#define $slots 3
#define $most 8

/* lines header */

#define @@_SLOTS $slots
/* Slots of an utterance at most: the first of the text. */
#define @@_MOST_SLOTS $most
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

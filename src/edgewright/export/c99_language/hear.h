/* NAME_hear.h of a dialogue with a language model. */
#include <stddef.h>
#include <stdint.h>
#include "dialogue.h"
#define @@_WORDS_MOST_SLOTS 8
#define @@_WORDS_INTENTS 3
#define @@_WORDS_SLOTS 3
#define @@_WORDS_WORD 2
#define @@_WORDS_NUMBER 1
typedef struct {
    int codes;
} @_words_context;
typedef struct {
    int32_t intent;
    float confidence;
} @_words_answer;
typedef struct {
    int32_t name;
    uint16_t begin, end;
    uint8_t by, kind;
    char word[12];
    const char *entry;
    double number;
} @_words_slot;
int @_words_parse(@_words_context *context, const char *text, size_t bytes, @_words_answer *answer);
int32_t @_words_find_slots(@_words_context *context, const char *text, size_t bytes, int32_t intent, int32_t today,
                           @_words_slot slots[@@_WORDS_MOST_SLOTS]);
#define $title vending

/* lines title */
/* The dialogue $title with @_words, which understands what is said to it. Made by `edgewright language dialogue c`.
 */

/* lines header */
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

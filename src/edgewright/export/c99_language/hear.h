/* NAME_hear.h of a dialogue with a language model. */
#include "dialogue.h"
#include "student.h" /* as @_words */
#include "slots.h" /* as @_words */
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

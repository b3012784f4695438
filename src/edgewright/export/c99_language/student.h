/* NAME.h of a language model; `student.py` writes its sizes and fields. */
#include <stddef.h>
#include <stdint.h>
#define $title words
#define $classes 3
#define $flash 9
#define $ram 9
#define $longest 512
#define $scale 0.5f
#define $fields \
    uint32_t codes[@@_LONGEST + 2u], length; \
    int32_t sums[4], out[@@_INTENTS], row_scores[5], best[5], ahead[5], tokens; \
    uint16_t begins[64], ends[64]; \
    uint8_t marks[@@_LONGEST], path[64], back[64][5]; \
    unsigned char key[32];
#define $slots

/* lines title */
/* $title: $classes intents, int8. Weights: $flash bytes. Memory: $ram bytes of RAM,
 * in the caller's context.
 *
 * Text is UTF-8. Latin, Greek, Cyrillic and Armenian letters lose case and diacritics, composed or decomposed; other
 * scripts are taken as they are and must come composed (NFC).
 */

/* block header */
#define @@_INTENTS $classes
#define @@_OUT_OF_SCOPE (-1)
/* Code points of an utterance at most. */
#define @@_LONGEST ${longest}u
/* What @_parse answers besides 0. */
#define @@_NO_WORD 1
#define @@_TOO_LONG 2
#define @@_NOT_UTF8 3

typedef struct {
    int32_t intent;   /* place in @_intents, or @@_OUT_OF_SCOPE */
    int32_t nearest;  /* the likeliest intent, in scope or not */
    int32_t logit;    /* of the nearest; times $scale it is the score */
    float confidence; /* calibrated probability of the nearest */
} @_answer;

extern const char *const @_intents[@@_INTENTS];

/* Memory of a call; nothing in it has to be set. What @_logits gives is kept up to the next call. */
typedef struct {
$fields
} @_context;

/* Understands an utterance of so many bytes: 0, or why not. */
int @_parse(@_context *context, const char *text, size_t bytes, @_answer *answer);

/* The integer logits of the last utterance that @_parse answered with 0. */
const int32_t *@_logits(const @_context *context);
$slots

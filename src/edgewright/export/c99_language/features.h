/* NAME_features.h; `student.py` writes the sizes. */
#include <stddef.h>
#include <stdint.h>
#define $title words
#define $rows 64
#define $unit 16
#define $zero (-128)
#define $ram 9
#define $longest 512
#define @_context @_features_context

/* lines title */
/* $title: the input of its network, $rows bytes on a grid of 1 / $unit with zero point $zero.
 * Memory: $ram bytes of RAM, besides the input, in the caller's context.
 *
 * Text is UTF-8, and composed (NFC) beyond Latin, Greek, Cyrillic and Armenian.
 */

/* lines header */
#define @@_ROWS $rows
/* Code points of an utterance at most. */
#define @@_LONGEST ${longest}u
/* What @_features answers besides 0. */
#define @@_NO_WORD 1
#define @@_TOO_LONG 2
#define @@_NOT_UTF8 3

/* Memory of a call; nothing in it has to be set. */
typedef struct {
    uint8_t *bags;
    uint32_t codes[@@_LONGEST + 2u];
} @_features_context;

/* Fills in the input of the network for an utterance of so many bytes: 0, or why not. */
int @_features(@_context *context, const char *text, size_t bytes, int8_t input[@@_ROWS]);

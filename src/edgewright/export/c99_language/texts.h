/* NAME.h of a model of text; `texts.py` writes what it remembers. */
#define $memory \
    float state[4]; \
    uint8_t symbols[3]; \
    uint8_t length;

/* lines header */
/* A model of text, written by Edgewright. */
#ifndef @@_H
#define @@_H
#include <stddef.h>
#include <stdint.h>
#define @_SYMBOLS 96
typedef struct {
    $memory
} @_text;
void @_start(@_text *text);
void @_push(@_text *text, char character);
void @_chances(const @_text *text, float chances[@_SYMBOLS]);
/* Writes the rest of a word, and returns its characters: rank 0 begins with the likeliest symbol, 1 with the next. */
size_t @_suggest(const @_text *text, int rank, char *word, size_t room);
#endif

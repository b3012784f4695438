/* A model of text in C, asked for chances and completions. */
#include "../c99_language/texts.h"
#include <stddef.h>
#define $room 64

/* lines probe */
#include "@.h"
void probe_text(const char *typed, int n, float *chances, int rank, char *word) {
    @_text text;
    @_start(&text);
    for (int i = 0; i < n; ++i) {
        @_push(&text, typed[i]);
    }
    @_chances(&text, chances);
    @_suggest(&text, rank, word, $room);
}

/* A model of text in C, asked for chances and completions. */
#include <stddef.h>
typedef struct {
    int length;
} @_text;
void @_start(@_text *text);
void @_push(@_text *text, char character);
void @_chances(const @_text *text, float *chances);
size_t @_suggest(const @_text *text, int rank, char *word, size_t room);
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

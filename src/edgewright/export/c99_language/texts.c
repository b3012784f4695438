/* What both kinds of models of text have; `texts.py` writes the header. */
#include "texts.h"
#include <math.h>

/* lines symbols */
static int @_symbol(char character) {
    return character == '\n' ? 0 : character >= ' ' && character <= '~' ? character - 31 : '?' - 31;
}
static int @_in_word(int symbol) {
    const int c = symbol + 31;
    return symbol && ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '\'');
}

/* lines suggest */
size_t @_suggest(const @_text *text, int rank, char *word, size_t room) {
    @_text now = *text;
    float chances[@_SYMBOLS];
    size_t length = 0;
    if (room == 0) {
        return 0;
    }
    while (length + 1 < room) {
        int best = -1;
        @_chances(&now, chances);
        for (int left = length ? 0 : rank; left >= 0; left--) {
            best = -1;
            for (int k = 0; k < @_SYMBOLS; k++) {
                if ((length || @_in_word(k)) && (best < 0 || chances[k] > chances[best])) {
                    best = k;
                }
            }
            if (left) {
                chances[best] = -1.0f;
            }
        }
        if (best < 0 || !@_in_word(best)) {
            break;
        }
        word[length++] = (char)(best + 31);
        @_push(&now, (char)(best + 31));
    }
    word[length] = '\0';
    return length;
}

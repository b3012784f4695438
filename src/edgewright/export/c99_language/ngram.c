/* A model of text that counts; `texts.py` writes the tables. */
#include "texts.c"
#define $step 0.25
#define @_ORDER 2
static const uint32_t *const @_keys[3], *const @_contexts[2];
static const long @_key_counts[3], @_context_counts[2];
static const uint8_t *const @_values[3], *const @_shares[2];

/* lines code */
static long @_find(const uint32_t *keys, long count, uint64_t key) {
    const uint32_t wanted = (uint32_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
    long low = 0, high = count;
    while (low < high) {
        const long middle = low + (high - low) / 2;
        if (keys[middle] < wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && keys[low] == wanted ? low : -1;
}
void @_start(@_text *text) {
    text->length = 0;
}
void @_push(@_text *text, char character) {
    if (text->length == @_ORDER) {
        for (int k = 1; k < @_ORDER; k++) {
            text->symbols[k - 1] = text->symbols[k];
        }
        text->length--;
    }
    text->symbols[text->length++] = (uint8_t)@_symbol(character);
}
void @_chances(const @_text *text, float chances[@_SYMBOLS]) {
    uint64_t context = 0, power = 1;
    float total = 0.0f;
    for (int k = 0; k < @_SYMBOLS; k++) {
        chances[k] = 1.0f / @_SYMBOLS;
    }
    for (int n = 0; n <= text->length; n++) {
        if (n) {
            context += text->symbols[text->length - n] * power;
            power *= @_SYMBOLS;
            const long place = @_find(@_contexts[n - 1], @_context_counts[n - 1], context);
            const float share = place < 0 ? 1.0f : exp2f(-${step}f * @_shares[n - 1][place]);
            for (int k = 0; k < @_SYMBOLS; k++) {
                chances[k] *= share;
            }
        }
        for (int k = 0; k < @_SYMBOLS; k++) {
            const long place = @_find(@_keys[n], @_key_counts[n], context * @_SYMBOLS + (uint64_t)k);
            if (place >= 0) {
                chances[k] = exp2f(-${step}f * @_values[n][place]);
            }
        }
    }
    for (int k = 0; k < @_SYMBOLS; k++) {
        total += chances[k];
    }
    for (int k = 0; k < @_SYMBOLS; k++) {
        chances[k] /= total;
    }
}

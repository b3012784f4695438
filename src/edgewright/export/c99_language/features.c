/* An utterance to the input of a network; `student.py` writes the sizes. */
#include "features.h"
#include <string.h>
int32_t @_normalise(@_context *context, const char *text, size_t bytes);
uint32_t @_add_rows(@_context *context, int32_t length);
uint32_t @_root(uint32_t value);
#define $unit 92160
#define $most 255
#define $zero -128

/* block add */
static void @_add(@_context *context, uint32_t row) {
    if (context->bags[row] < 255u) {
        ++context->bags[row];
    }
}

/* block features */
int @_features(@_context *context, const char *text, size_t bytes, int8_t input[@@_ROWS]) {
    const int32_t length = @_normalise(context, text, bytes);
    if (length <= 0) {
        return length == 0 ? @@_NO_WORD : (int)-length;
    }
    context->bags = (uint8_t *)input;
    memset(input, 0, @@_ROWS);
    /* A text may be shorter than every run of characters and words. */
    const uint32_t count = @_add_rows(context, length), root = count > 0u ? @_root(count << 16) : 1u;
    for (uint32_t row = 0u; row < @@_ROWS; ++row) {
        const uint32_t scaled = (context->bags[row] * ${unit}u + root / 2u) / root;
        input[row] = (int8_t)((int32_t)(scaled < ${most}u ? scaled : ${most}u) + ($zero));
    }
    return 0;
}

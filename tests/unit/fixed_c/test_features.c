#include "c99_language/features.c"
#include "check.h"
#include <math.h>

static uint32_t rows, first;

int32_t ew_normalise(ew_context *context, const char *text, size_t bytes) {
    (void)context;
    return bytes == 0 ? 0 : text[0] == '!' ? -EW_NOT_UTF8 : 7;
}

/* The first row so often, and each other one once. */
uint32_t ew_add_rows(ew_context *context, int32_t length) {
    for (uint32_t i = 0; length == 7 && i < rows; ++i) {
        ew_add(context, i < first ? 0u : i - first + 1u);
    }
    return rows;
}

uint32_t ew_root(uint32_t value) {
    return (uint32_t)sqrt((double)value);
}

int main(void) {
    static ew_context context;
    int8_t input[EW_ROWS + 1];
    CHECK(ew_features(&context, "", 0, input) == EW_NO_WORD && ew_features(&context, "!", 1, input) == EW_NOT_UTF8);
    input[EW_ROWS] = 77;
    /* 360 for a single one is cut; of 16 rows three in one are 360 * 3 / 4, cut, and others 90. */
    rows = first = 1u;
    CHECK(ew_features(&context, "a", 1, input) == 0 && input[0] == 127 && input[1] == -128 && input[EW_ROWS] == 77);
    rows = 16u;
    first = 2u;
    CHECK(ew_features(&context, "a", 1, input) == 0 && input[0] == 180 - 128 && input[1] == 90 - 128);
    CHECK(input[14] == -38);
    CHECK(input[15] == -128);
    /* A row counts up to 255 times: never less than that again; once is 20.9. */
    rows = 297u;
    first = 257u;
    CHECK(ew_features(&context, "a", 1, input) == 0 && input[0] == 127 && input[1] == 21 - 128);
    /* A text shorter than every run of characters or words has none. */
    rows = 0u;
    CHECK(ew_features(&context, "a", 1, input) == 0 && input[0] == -128 && input[63] == -128);
    return failures;
}

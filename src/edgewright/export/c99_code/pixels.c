/* A picture of bytes becomes the network's input, resized or as it is; `pixels.py` writes weights and bytes. */
#include "model.h"
#define $first out
#define $count 2
#define $line 2
#define $channels 1
#define $rows 1
#define $columns 2
#define $row_taps 2
#define $column_taps 2
#define $width 3
#define $row row
#define $column column
#define $row_weights row_weights
#define $column_weights column_weights
#define $value (int8_t)(sum / 16 - 128)
#define $byte (int8_t)((int)pixels[i] - 128)
static const uint16_t row[1] = {0}, column[2] = {0, 1};
static const uint8_t row_weights[2] = {1, 3}, column_weights[4] = {2, 0, 2, 4};
void @_resized(const uint8_t *pixels, int8_t *out);
void @_taken(const uint8_t *pixels, int8_t *out);
void @_resized(const uint8_t *pixels, int8_t *out) {

/* block resized */
    int8_t *const bytes = $first;
    for (int i = 0; i < $count; ++i) {
        const int y = i / $line, x = i / $channels % $columns;
        int32_t sum = 0;
        for (int r = 0; r < $row_taps; ++r) {
            const int place = ($row[y] + r) * $width + $column[x];
            const uint8_t *p = pixels + place * $channels + i % $channels;
            int32_t part = 0;
            for (int c = 0; c < $column_taps; ++c, p += $channels) {
                part += $column_weights[$columns * c + x] * *p;
            }
            sum += $row_weights[$rows * r + y] * part;
        }
        bytes[i] = $value;
    }

/* alone */
}
void @_taken(const uint8_t *pixels, int8_t *out) {

/* block taken */
    int8_t *const bytes = $first;
    for (int i = 0; i < @@_INPUTS; ++i) {
        bytes[i] = $byte;
    }

/* alone */
}

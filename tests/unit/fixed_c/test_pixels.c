#include "c99_code/pixels.c"
#include "check.h"

int main(void) {
    /* Two rows of three pixels: the first row counts once and the second three times, columns half and half or once. */
    static uint8_t pixels[EW_INPUTS] = {8, 16, 4, 24, 32, 20};
    static int8_t out[EW_INPUTS];
    ew_resized(pixels, out);
    CHECK(out[0] == (2 * (8 + 16) + 3 * 2 * (24 + 32)) / 16 - 128);
    CHECK(out[1] == (4 * 4 + 3 * 4 * 20) / 16 - 128);
    pixels[5] = 255;
    ew_taken(pixels, out);
    CHECK(out[0] == -120 && out[5] == 127);
    return failures != 0;
}

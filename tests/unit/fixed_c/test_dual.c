#include "c99_dual/dual.c"
#include "check.h"

int main(void) {
    /* Halfwords 3 and -2 with 10 and 100. */
    CHECK(ew_two(UINT32_C(0xFFFE0003), UINT32_C(0x0064000A), 5) == 5 + 30 - 200);
    /* Bytes 1, -2, 3, -4 of a word. */
    CHECK(ew_bytes(UINT32_C(0xFC03FE01)) == UINT32_C(0x00030001) && ew_others(UINT32_C(0xFC03FE01)) == UINT32_C(0xFFFCFFFE));
    CHECK(ew_second(256 * 7 + 9, 9) == 7 && ew_second(256 * -7 + 9, 9) == -7 && ew_byte(200) == 127);
    CHECK(ew_rounded_once(1 << 20, 1 << 30, 2) == 1 << 16 && ew_rounded_twice(6, 1 << 30, 1) == 2);
    const int8_t x[4] = {1, -2, 3, -4}, image[4] = {1, 2, 3, 4};
    uint32_t wide[4], out[2];
    int8_t narrow[4], under[4];
    ew_widen(x, 4, wide);
    CHECK(wide[0] == UINT32_C(0xFFFE0001) && wide[1] == UINT32_C(0xFFFC0003));
    ew_narrow_bytes(wide, 4, narrow);
    CHECK(narrow[0] == 1 && narrow[1] == -2 && narrow[2] == 3 && narrow[3] == -4);
    /* Four rows of one pair of inputs; a halfword is 256 times the second row's weight and once the first's. */
    const uint32_t weights[6] = {0, 0, 0, 0, UINT32_C(0x01030201), UINT32_C(0x00000000)};
    const ew_layer layer = {1, 0, 1 << 30, weights + 6, weights, 1};
    ew_dense_once(wide, &layer, out);
    /* The first row is 1 - 6 = -5, an eighth of which rounds to -1; the others are 0. */
    CHECK(out[0] == UINT32_C(0x0000FFFF) && out[1] == 0);
    /* A kernel of two by two at the upper left corner of an image of two by two, one place of padding. */
    const ew_kernel kernel = {2, 2, 1, 1, 2, 2, 1, 1, 9};
    ew_patch(image, 0, 0, -1, -1, &kernel, under);
    CHECK(under[0] == 9 && under[1] == 9 && under[2] == 9 && under[3] == 1);
    ew_patch(image, 0, 0, 0, 0, &kernel, under);
    CHECK(under[0] == 1 && under[1] == 2 && under[2] == 3 && under[3] == 4);
    return failures;
}

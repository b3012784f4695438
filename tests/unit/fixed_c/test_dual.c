#include "c99_dual/dual.c"
#include "check.h"

int main(void) {
    /* Halfwords 3 and -2 with 10 and 100. */
    CHECK(ew_two(UINT32_C(0xFFFE0003), UINT32_C(0x0064000A), 5) == 5 + 30 - 200);
    /* Bytes 1, -2, 3, -4 of a word. */
    CHECK(ew_bytes(UINT32_C(0xFC03FE01)) == UINT32_C(0x00030001));
    CHECK(ew_others(UINT32_C(0xFC03FE01)) == UINT32_C(0xFFFCFFFE));
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
    /* Lines before the second are those that are held. */
    ew_patch(image, x, 1, 0, 0, &kernel, under);
    CHECK(under[0] == 1 && under[1] == -2 && under[2] == 3 && under[3] == 4);
    const int8_t others[4] = {5, 6, 7, 8};
    uint32_t turns[4];
    ew_side_by_side(x, others, 4, turns);
    CHECK(turns[0] == UINT32_C(0x00030001) && turns[1] == UINT32_C(0x00070005));
    CHECK(turns[2] == UINT32_C(0xFFFCFFFE) && turns[3] == UINT32_C(0x00080006));
    int32_t low = 10, high = 100;
    ew_each(UINT32_C(0xFFFE0003), UINT32_C(0x0005FFFC), &low, &high);
    CHECK(low == 10 - 12 && high == 100 - 10);
    /* Four filters of one pair of inputs at two places, 1 and 3 and 5 and 7: a word has the second row's weights 256 times
     * and the first's once: 2 and -1, 3 and 1, and 0. Biases are 4, -6, 8 and 300; all is quartered, and 10 is zero. */
    const uint32_t filters[14] = {
        (uint32_t)(256 * -6 + 4), 4, 256 * 300 + 8, 8, UINT32_C(0x00FF0302), 0,
        1u << 30, 1, 1u << 30, 1, 1u << 30, 1, 1u << 30, 1,
    };
    const ew_filters all = {10, filters + 14, filters, 1};
    int8_t here[4], there[4];
    ew_two_places(turns, &all, here, there);
    /* (4 + 2 - 3) / 4 and (4 + 10 - 7) / 4; (-6 + 3 + 3) / 4 and (-6 + 15 + 7) / 4. */
    CHECK(here[0] == 11 && there[0] == 12 && here[1] == 10 && there[1] == 14 && here[2] == 12 && there[2] == 12);
    CHECK(here[3] == 85 && there[3] == 85);
    /* Two places of four channels; three lines of two taps each, whose weights are 1 to 6, and inputs that are 1, 2, 3
     * and 4. Biases are 0, 400, -4 and 0; the sum is divided by 8. */
    const uint32_t four = UINT32_C(0x04030201), plane[5] = {four, four, four, four, four};
    uint32_t taps[24] = {0, 400, (uint32_t)-4};
    for (int tap = 0; tap < 6; ++tap) {
        taps[4 + 2 * tap] = taps[5 + 2 * tap] = (uint32_t)(tap + 1) * UINT32_C(0x00010001);
    }
    for (int i = 0; i < 4; ++i) {
        taps[16 + 2 * i] = 1u << 30;
        taps[17 + 2 * i] = 1;
    }
    const ew_planes places = {1, 2, 0, 1, 1, 4, -1};
    int8_t channels[8];
    ew_planes_3x2(plane, taps, channels, &places);
    /* 21, 42, 63 and 84 of the inputs: 21 / 8 - 1, 442 / 8 - 1, 59 / 8 - 1 and 84 / 8 - 1, rounded at 4 and at 2. */
    for (int i = 0; i < 2; ++i) {
        CHECK(channels[4 * i] == 2 && channels[4 * i + 1] == 55 && channels[4 * i + 2] == 7);
        CHECK(channels[4 * i + 3] == 10);
    }
    return failures;
}

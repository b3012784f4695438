#include "c99_operators/int8_recurrent.c"
#include "check.h"

int32_t ew_divide(int32_t value, int shift) {
    const int64_t half = shift > 0 ? INT64_C(1) << (shift - 1) : 0;
    return (int32_t)(value < 0 ? -((half - value) >> shift) : (value + half) >> shift);
}

int32_t ew_scaled(int32_t v, int32_t m, int s) {
    return (int32_t)((int64_t)v * m >> s);
}

int main(void) {
    /* exp(-2^k) for k from -2 to 4, of 15 bits. */
    const int16_t powers[7] = {25520, 19875, 12055, 4435, 600, 11, 0};
    CHECK(ew_within(40000) == 32767 && ew_within(-40000) == -32768 && ew_within(7) == 7);
    CHECK(ew_part(24, 3) == 3 && ew_part(-20, 3) == -3);
    CHECK(ew_product15(1 << 14, 1 << 14) == 1 << 13);
    CHECK(ew_sigmoid15(powers, 0) == 1 << 14 && ew_tanh15(powers, 0, 3) == 0);
    /* Numbers of 12 bits of fraction: the sigmoid of 1 is 0.7311, the tanh of 1 0.7616; both are symmetric. */
    const int32_t open = ew_sigmoid15(powers, 1 << 12), bent = ew_tanh15(powers, 1 << 12, 3);
    CHECK(open > 23940 && open < 23975 && open + ew_sigmoid15(powers, -(1 << 12)) == 32767);
    CHECK(bent > 24935 && bent < 24975 && bent == -ew_tanh15(powers, -(1 << 12), 3));
    /* Gates that are half open: a state moves half of the way to a half at each of two samples, 8192 and 12288. */
    uint16_t halves[256];
    const int8_t x[4] = {100, 100, 100, 100};
    int16_t states[2] = {0, 0}, cells[2] = {8192, -8192};
    int8_t state[4], cell[4], out[2];
    for (int i = 0; i < 256; ++i) {
        halves[i] = 0x8000;
    }
    memcpy(state, states, sizeof state);
    ew_gru(halves, x, state, out);
    CHECK(out[0] == 48 && out[1] == 48);
    /* Half of a cell is forgotten at each of two samples, and nothing new comes. */
    memcpy(cell, cells, sizeof cell);
    ew_lstm(powers, x, state, cell, out);
    CHECK(out[0] == 8 && out[1] == -8);
    /* Between 1/2 and 1/128 more, half of the way, halves towards the right; and beyond the table. */
    halves[1] = 0x8100;
    CHECK(ew_tanh_between(halves, 128) == 128 && ew_tanh_between(halves, -128) == -128);
    CHECK(ew_tanh_between(halves, 0) == 0);
    CHECK(ew_tanh_between(halves, 255 * 256) == 32767 && ew_tanh_between(halves, -99999) == -32767);
    CHECK(ew_tanh_between(halves, 1) == 1 && ew_tanh_between(halves, 256) == 256);
    return failures;
}

/* e to the power of x as the C libraries of desks and boards compute it: a table of 32 powers of two and a polynomial
 * in double. The compiler's own for WebAssembly differs from them in the last digit of one number in twenty. The table
 * is the one that comes with the compiler. */
#include "exp2f_data.h"
#include <stdint.h>
#include <string.h>

float expf(float x) {
    const int steps = 1 << EXP2F_TABLE_BITS;
    const double *c = __exp2f_data.poly_scaled;
    double scaled, whole, rest, power;
    uint64_t place, bits;
    if (!(x <= 0x1.62e42ep6f)) {
        return x < 0.0f ? 0.0f : x + __builtin_inff();
    }
    if (x < -0x1.9fe368p6f) {
        return 0.0f;
    }
    scaled = __exp2f_data.invln2_scaled * (double)x;
    whole = scaled + __exp2f_data.shift;
    memcpy(&place, &whole, sizeof place);
    whole -= __exp2f_data.shift;
    rest = scaled - whole;
    bits = __exp2f_data.tab[place % (uint64_t)steps] + (place << (52 - EXP2F_TABLE_BITS));
    memcpy(&power, &bits, sizeof power);
    return (float)(((c[0] * rest + c[1]) * (rest * rest) + (c[2] * rest + 1.0)) * power);
}

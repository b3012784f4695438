/* GRU and LSTM on bytes; `int8_recurrent.py` writes their weights and the loops over samples. */
#include <stdint.h>
#include <string.h>
int32_t @_divide(int32_t v, int e);
int32_t @_scaled(int32_t v, int32_t m, int s);
#define $table 0
#define $upwards 1
#define $name sigmoid
#define $samples 2
#define $units 2
#define $gates 4
#define $first 1
#define $before 1
#define $sequence 0
#define $state state
#define $start start_of
#define $late late_of
#define $last late_of
#define $coming sum[0] += x[2 * t + j] - 100;
#define $staying sum[0] += held_of[j];
#define $seen sum[0] += sees[j];
#define $narrow @_gate
#define $multiplier multiplier
#define $shift shift
#define $own 1
#define $within @_within
#define $gated @_gated
#define $opens @_sigmoid_of_sum
#define $bends @_sigmoid_of_sum
#define $entries entries
#define $byte_of_next (int8_t)(next / 256)
#define $byte_of_last (int8_t)(last / 256)
#define $result out
#define $cell cell
#define $scaled @_scaled
#define $rounded 1
#define $part @_part
#define $sigmoid @_sigmoid15(powers,
#define $tanh @_tanh15(powers,
#define $bits 3
#define $whole 15
#define $clip 30000
#define $above held > 30000 ? 30000 :
#define $shown (int8_t)(held / 256)

/* block within */
static int32_t @_within(int32_t v) {
    return v < INT16_MIN ? INT16_MIN : v > INT16_MAX ? INT16_MAX : v;
}

/* block between */
/* Between two entries of the table, those of x / 2^bits. */
static int32_t @_between(const uint16_t *table, int32_t x, int bits, int32_t beyond) {
    const int32_t i = x >> bits;
    const int32_t first = table[i < 255 ? i : 254], second = table[i < 255 ? i + 1 : 255];
    return i < 255 ? first * (1 << bits) + (x & ((1 << bits) - 1)) * (second - first) : beyond;
}

/* block sigmoid_between */
static int32_t @_sigmoid_between(const uint16_t *table, int32_t x) {
    const int32_t value = @_between(table, x < 0 ? -x : x, 9, 0x7FFF * 1024);
    return (x >= 0 ? value + 512 : (1 << 25) - value + 511) >> 10;
}

/* block tanh_between */
static int32_t @_tanh_between(const uint16_t *table, int32_t x) {
    const int32_t value = @_between(table, x < 0 ? -x : x, 8, 0xFFFF * 256);
    return (x >= 0 ? value - (1 << 23) + 128 : (1 << 23) - value + 127) >> 8;
}

/* block part */
#if $table
/* v / 2^e, rounded at the first half, upwards, and at the rest, halves away from zero. */
static int32_t @_part(int32_t v, int e) {
    return @_divide((v + 1) >> 1, e - 1);
}
#else
static int32_t @_part(int32_t v, int e) {
    return @_divide(v, e);
}
#endif

/* block product15 */
/* a * b / 2^15, halves upwards. */
static int32_t @_product15(int32_t a, int32_t b) {
    return (a * b + (1 << 14)) >> 15;
}

/* block exp15 */
/* exp(x) for x <= 0 with so many integer bits; the result has none. powers: exp(-2^k) for k from -2 to 4. */
static int32_t @_exp15(const int16_t *powers, int32_t x, int bits) {
    const int32_t quarter = 1 << (13 - bits), rest = (x & (quarter - 1)) - quarter;
    const int32_t a = @_within(rest * (1 << bits)) + (1 << 12), square = @_product15(a, a);
    const int32_t cube = @_product15(square, a), fourth = @_divide(@_product15(square, square), 2);
    int32_t value = @_divide(@_product15(fourth + cube, 10923) + square, 1);
    value = 28918 + @_product15(28918, a + value);
    for (int k = 0; k < bits + 2 && k < 7; ++k) {
        if (((rest - x) >> (13 - bits + k)) & 1) {
            value = @_product15(value, powers[k]);
        }
    }
    if (bits > 5 && x < -(1 << (20 - bits))) {
        value = 0;
    }
    return x == 0 ? 32767 : value;
}

/* block reciprocal15 */
/* 2 / (1 + x) for x from 0 to 1, two integer bits. */
static int32_t @_reciprocal15(int32_t x) {
    const int32_t half = (x + 32768) >> 1;
    int32_t y = 23130 + @_product15(half, -15420);
    for (int i = 0; i < 3; ++i) {
        y = @_within(y + @_within(@_product15(y, (1 << 13) - @_product15(half, y)) * 4));
    }
    return y;
}

/* block sigmoid15 */
#if $table
static int32_t @_sigmoid15(const uint16_t *table, int32_t x) {
    return @_sigmoid_between(table, 3 * x);
}
#else
static int32_t @_sigmoid15(const int16_t *powers, int32_t x) {
    const int32_t value = @_within(@_reciprocal15(@_exp15(powers, x < 0 ? x : -x, 3)) * 2);
    return x == 0 ? 1 << 14 : x > 0 ? value : 32767 - value;
}
#endif

/* block tanh15 */
#if $table
static int32_t @_tanh15(const uint16_t *table, int32_t x, int bits) {
    const int down = 3 - bits;
    return @_tanh_between(table, down > 0 ? (3 * x + (1 << (down - 1))) >> down : 3 * x * (1 << -down));
}
#else
static int32_t @_tanh15(const int16_t *powers, int32_t x, int bits) {
    const int32_t value = @_within((@_reciprocal15(@_exp15(powers, x < 0 ? x : -x, bits + 1)) - (1 << 13)) * 4);
    return x == 0 ? 0 : x > 0 ? value : -value;
}
#endif

/* block gate */
#if $upwards
/* v * m / 2^s, halves upwards, within 16 bits. */
#else
/* v * m / 2^s, halves away from zero, within 16 bits. */
#endif
static int32_t @_gate(int32_t v, int32_t m, int s) {
#if $upwards
    const int64_t p = ((int64_t)v * m + (INT64_C(1) << (s - 1))) >> s;
#else
    const int64_t p = ((int64_t)v * m + (INT64_C(1) << (s - 1)) - (v < 0)) >> s;
#endif
    return p < INT16_MIN ? INT16_MIN : p > INT16_MAX ? INT16_MAX : (int32_t)p;
}

/* block gated */
/* a * b / 2^15, rounded at the first half, upwards, and at the rest, halves away from zero. */
static int32_t @_gated(int32_t a, int32_t b) {
    return @_divide((a * b + 1) >> 1, 14);
}

/* block of_sum */
/* Of x in steps of 5 * 2^-14. */
static int32_t @_${name}_of_sum(const uint16_t *table, int32_t x) {
    return @_${name}_between(table, (15 * x + 2) >> 2);
}

/* alone */
static const int32_t start_of[8] = {0}, late_of[8] = {0}, multiplier[9] = {1 << 14}, held_of[2] = {0};
static const int shift[9] = {14, 14, 14, 14, 14, 14, 14, 14, 14};
void @_gru(const uint16_t *entries, const int8_t *x, int8_t *state, int8_t *out);
void @_lstm(const int16_t *powers, const int8_t *x, int8_t *state, int8_t *cell, int8_t *out);
void @_gru(const uint16_t *entries, const int8_t *x, int8_t *state, int8_t *out) {

/* block gru */
for (int t = 0; t < $samples; ++t) {
    int16_t held[$units];
#if $before
    int16_t keeps[$units], sees[$units];
    int32_t news[$units];
#endif
    memcpy(held, $state, sizeof held);
    for (int j = 0; j < $units; ++j) {
        int32_t gate[$gates], sum[$gates];
        memcpy(sum, $start + $gates * j, sizeof sum);
        $coming
        for (int k = 0; k < $gates; ++k) {
            gate[k] = $narrow(sum[k], $multiplier[k], $shift[k]);
        }
#if $before
        memcpy(sum, $late + $first * j, $first * sizeof sum[0]);
#else
        memcpy(sum, $late + $gates * j, sizeof sum);
#endif
        $staying
        for (int k = 0; k < $first; ++k) {
            sum[k] = $narrow(sum[k], $multiplier[$gates + k], $shift[$gates + k]);
        }
#if $before
        keeps[j] = (int16_t)$opens($entries, $within(gate[0] + sum[0]));
        sees[j] = (int16_t)$gated($opens($entries, $within(gate[1] + sum[1])), held[j]);
        news[j] = gate[2];
    }
    for (int j = 0; j < $units; ++j) {
        const int32_t kept = keeps[j];
        int32_t sum[1] = {$last[j]};
        $seen
        sum[0] = $narrow(sum[0], $multiplier[$own], $shift[$own]);
        const int32_t fresh = $bends($entries, $within(news[j] + sum[0]));
#else
        const int32_t kept = $opens($entries, $within(gate[0] + sum[0]));
        const int32_t seen = $opens($entries, $within(gate[1] + sum[1]));
        const int32_t fresh = $bends($entries, $within(gate[2] + $gated(seen, sum[2])));
#endif
        const int16_t next = (int16_t)$within(fresh - $gated(kept, fresh) + $gated(kept, held[j]));
        memcpy($state + 2 * j, &next, sizeof next);
#if $sequence
        $result[t * $units + j] = $byte_of_next;
#endif
    }
}
#if !$sequence
for (int j = 0; j < $units; ++j) {
    int16_t last;
    memcpy(&last, $state + 2 * j, sizeof last);
    $result[j] = $byte_of_last;
}
#endif

/* alone */
}
void @_lstm(const int16_t *powers, const int8_t *x, int8_t *state, int8_t *cell, int8_t *out) {

/* block lstm */
for (int t = 0; t < $samples; ++t) {
    int8_t next[$units];
    for (int j = 0; j < $units; ++j) {
        const int32_t *start = $start + $gates * j;
        const int32_t *late = $late + $gates * j;
        int32_t gate[$gates], sum[$gates];
        memcpy(sum, start, sizeof sum);
        $coming
        for (int k = 0; k < $gates; ++k) {
            gate[k] = $within($scaled(sum[k], $multiplier[k], $shift[k]));
        }
        memcpy(sum, late, sizeof sum);
        $staying
        for (int k = 0; k < $gates; ++k) {
#if $rounded
            gate[k] = $within(gate[k] + $within($scaled(sum[k], $multiplier[$gates + k], $shift[$gates + k])));
#else
            gate[k] = $within(gate[k] + $scaled(sum[k], $multiplier[$gates + k], $shift[$gates + k]));
#endif
        }
        int16_t held;
        memcpy(&held, $cell + 2 * j, sizeof held);
        held = (int16_t)$within($within($part(${sigmoid}gate[2]) * held, 15))
            + $within($part(${sigmoid}gate[0]) * ${tanh}gate[3], $bits), 30 + $whole)));
#if $clip
        held = (int16_t)(${above}held < -$clip ? -$clip : held);
#endif
        memcpy($cell + 2 * j, &held, sizeof held);
        next[j] = $shown;
    }
    memcpy($state, next, sizeof next);
#if $sequence
    memcpy($result + t * $units, next, sizeof next);
#endif
}
#if !$sequence
memcpy($result, $state, $units);
#endif

/* alone */
}

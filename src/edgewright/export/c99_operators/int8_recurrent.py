"""LSTM on bytes: a state of bytes, and cells of 16 bits; the arithmetic is that of core/kernels/recurrent.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.integer.gates import EXP_EIGHTH, EXP_POWERS, GATE_BITS, ONE, RECIPROCAL, TABLE, THIRD
from edgewright.export._c_text import smallest
from edgewright.export._c_unit import Unit
from edgewright.export.c99_operators import Site, kernel
from edgewright.export.c99_operators._dots import dots
from edgewright.export.c99_operators._rounding import clamp, divide, twice

GATES = 4


@kernel("lstm")
def lstm(site: Site) -> None:
    """Write a loop over the samples; the state begins as the real number 0."""
    units = site.operator.arrays["recurrent"].shape[1]
    state, cell = site.unit.fresh((units,), "int8"), site.unit.fresh((2 * units,), "int8")
    target = site.output
    names = [one.leaves[0].buffer.name for one in (state, cell)]
    sequence = site.operator.numbers["sequence"][0]
    last = f"memcpy({site.result}, {names[0]}, {units});"
    lines = [
        f"memset({names[0]}, {site.unit.whole(site.target.zero, 'zero')}, {units});",
        f"memset({names[1]}, 0, {2 * units});",
        *step_lines(site, names[0], names[1], site.values[0].shape[1], site.result if sequence else ""),
        *([] if sequence else [last]),
    ]
    site.unit.step(lines, site.inputs, (target, state, cell))


def step_lines(site: Site, state: str, cell: str, samples: int, every: str) -> list[str]:
    """Return the loop over samples that changes a state.

    Args:
        site: of the operator.
        state: name of its bytes.
        cell: name of the bytes of its cells, two each.
        samples: of the input.
        every: name of where the state after every sample goes; empty where nowhere.
    """
    unit, arrays, numbers = site.unit, site.operator.arrays, site.operator.numbers
    units, channels = arrays["recurrent"].shape[1], arrays["weights"].shape[1]
    table = numbers["table"][0]
    opens, bends = _of_table(unit) if table else _of_series(unit)
    scaled, held = twice(unit), unit.helper("within", _WITHIN)
    multiplier, shift = (unit.table(smallest(arrays[name]), name) for name in ("multiplier", "shift"))
    call = dots(unit, GATES, "")
    each = f"for (int k = 0; k < {GATES}; ++k) {{"
    factor = f"{multiplier}[k], {shift}[k]", f"{multiplier}[{GATES} + k], {shift}[{GATES} + k]"
    own = f"{scaled}(sum[k], {factor[1]})"
    late = unit.table(_by_unit(arrays["late"], units), "late")
    exponent = unit.whole(numbers["cell"][0], "cell")
    part = unit.helper("part", _PART_TWICE if table else _PART)
    shown = f"{scaled}({opens}gate[1]) * {bends}held, 15 + {exponent}), {multiplier}[8], {shift}[8])"
    x, coming = f"{site.name()} + t * {channels}", _weights(unit, arrays["weights"], units, "weights")
    staying = _weights(unit, arrays["recurrent"], units, "recurrent")
    return [
        f"for (int t = 0; t < {samples}; ++t) {{",
        f"    int8_t next[{units}];",
        f"    for (int j = 0; j < {units}; ++j) {{",
        f"        const int32_t *start = {unit.table(_by_unit(arrays['start'], units), 'bias')} + {GATES} * j;",
        f"        const int32_t *late = {late} + {GATES} * j;",
        f"        int32_t gate[{GATES}], sum[{GATES}];",
        "        memcpy(sum, start, sizeof sum);",
        f"        {call(x, f'{coming} + j * {GATES * channels}', str(channels))}",
        f"        {each}",
        f"            gate[k] = {held}({scaled}(sum[k], {factor[0]}));",
        "        }",
        "        memcpy(sum, late, sizeof sum);",
        f"        {call(state, f'{staying} + j * {GATES * units}', str(units))}",
        f"        {each}",
        f"            gate[k] = {held}(gate[k] + {f'{held}({own})' if table else own});",
        "        }",
        "        int16_t held;",
        f"        memcpy(&held, {cell} + 2 * j, sizeof held);",
        f"        held = (int16_t){held}({held}({part}({opens}gate[2]) * held, 15))",
        f"            + {held}({part}({opens}gate[0]) * {bends}gate[3], {GATE_BITS}), 30 + {exponent})));",
        f"        memcpy({cell} + 2 * j, &held, sizeof held);",
        f"        next[j] = {clamp(unit)}({shown}{unit.less(-site.target.zero, 'zero')}, -128, 127);",
        "    }",
        f"    memcpy({state}, next, sizeof next);",
        *([f"    memcpy({every} + t * {units}, next, sizeof next);"] if every else []),
        "}",
    ]


def _by_unit(rows: NDArray[np.int32], units: int) -> NDArray[np.int32]:
    """Return numbers of gates, then units, as of units, then gates."""
    return np.ascontiguousarray(rows.reshape(GATES, units).T).astype(np.int32).ravel()


def _weights(unit: Unit, weights: NDArray[np.int8], units: int, role: str) -> str:
    """Return the table of weights in the order in which `dots` reads them: unit, input, gate."""
    return unit.table(np.ascontiguousarray(weights.reshape(GATES, units, -1).transpose(1, 2, 0)).ravel(), role)


def _of_series(unit: Unit) -> tuple[str, str]:
    """Beginnings of calls of LiteRT's sigmoid and tanh."""
    divide(unit)
    for name, text in (("within", _WITHIN), ("product15", _PRODUCT), ("exp15", _EXP), ("reciprocal15", _RECIPROCAL)):
        unit.helper(name, text)
    return _calls(unit, np.array(EXP_POWERS, np.int16), _SIGMOID, _TANH)


def _of_table(unit: Unit) -> tuple[str, str]:
    """Beginnings of calls of TFLM's sigmoid and tanh."""
    unit.helper("between", _BETWEEN)
    return _calls(unit, TABLE.astype(np.uint16), _TABLE_SIGMOID, _TABLE_TANH)


def _calls(unit: Unit, table: NDArray[Any], sigmoid: str, tanh: str) -> tuple[str, str]:
    name = unit.table(table)
    return f"{unit.helper('sigmoid15', sigmoid)}({name}, ", f"{unit.helper('tanh15', tanh)}({name}, "


_WITHIN = """\
static int32_t @_within(int32_t v) {
    return v < INT16_MIN ? INT16_MIN : v > INT16_MAX ? INT16_MAX : v;
}"""
_PART = """\
static int32_t @_part(int32_t v, int e) {
    return @_divide(v, e);
}"""
_PART_TWICE = """\
/* v / 2^e, rounded at the first half, upwards, and at the rest, halves away from zero. */
static int32_t @_part(int32_t v, int e) {
    return @_divide((v + 1) >> 1, e - 1);
}"""
_PRODUCT = """\
/* a * b / 2^15, halves upwards. */
static int32_t @_product15(int32_t a, int32_t b) {
    return (a * b + (1 << 14)) >> 15;
}"""
_EXP = f"""\
/* exp(x) for x <= 0 with so many integer bits; the result has none. powers: exp(-2^k) for k from -2 to 4. */
static int32_t @_exp15(const int16_t *powers, int32_t x, int bits) {{
    const int32_t quarter = 1 << (13 - bits), rest = (x & (quarter - 1)) - quarter;
    const int32_t a = @_within(rest * (1 << bits)) + (1 << 12), square = @_product15(a, a);
    const int32_t cube = @_product15(square, a), fourth = @_divide(@_product15(square, square), 2);
    int32_t value = @_divide(@_product15(fourth + cube, {THIRD}) + square, 1);
    value = {EXP_EIGHTH} + @_product15({EXP_EIGHTH}, a + value);
    for (int k = 0; k < bits + 2 && k < 7; ++k) {{
        if (((rest - x) >> (13 - bits + k)) & 1) {{
            value = @_product15(value, powers[k]);
        }}
    }}
    if (bits > 5 && x < -(1 << (20 - bits))) {{
        value = 0;
    }}
    return x == 0 ? {ONE} : value;
}}"""
_RECIPROCAL = f"""\
/* 2 / (1 + x) for x from 0 to 1, two integer bits. */
static int32_t @_reciprocal15(int32_t x) {{
    const int32_t half = (x + {ONE + 1}) >> 1;
    int32_t y = {RECIPROCAL[0]} + @_product15(half, {RECIPROCAL[1]});
    for (int i = 0; i < 3; ++i) {{
        y = @_within(y + @_within(@_product15(y, (1 << 13) - @_product15(half, y)) * 4));
    }}
    return y;
}}"""
_SIGMOID = f"""\
static int32_t @_sigmoid15(const int16_t *powers, int32_t x) {{
    const int32_t value = @_within(@_reciprocal15(@_exp15(powers, x < 0 ? x : -x, {GATE_BITS})) * 2);
    return x == 0 ? 1 << 14 : x > 0 ? value : {ONE} - value;
}}"""
_TANH = """\
static int32_t @_tanh15(const int16_t *powers, int32_t x, int bits) {
    const int32_t value = @_within((@_reciprocal15(@_exp15(powers, x < 0 ? x : -x, bits + 1)) - (1 << 13)) * 4);
    return x == 0 ? 0 : x > 0 ? value : -value;
}"""
_BETWEEN = """\
/* Between two entries of the table, those of x / 2^bits. */
static int32_t @_between(const uint16_t *table, int32_t x, int bits, int32_t beyond) {
    const int32_t i = x >> bits;
    const int32_t first = table[i < 255 ? i : 254], second = table[i < 255 ? i + 1 : 255];
    return i < 255 ? first * (1 << bits) + (x & ((1 << bits) - 1)) * (second - first) : beyond;
}"""
_TABLE_SIGMOID = """\
static int32_t @_sigmoid15(const uint16_t *table, int32_t x) {
    const int32_t value = @_between(table, x < 0 ? -3 * x : 3 * x, 9, 0x7FFF * 1024);
    return (x >= 0 ? value + 512 : (1 << 25) - value + 511) >> 10;
}"""
_TABLE_TANH = f"""\
static int32_t @_tanh15(const uint16_t *table, int32_t x, int bits) {{
    const int down = {GATE_BITS} - bits;
    const int32_t scaled = down > 0 ? (3 * x + (1 << (down - 1))) >> down : 3 * x * (1 << -down);
    const int32_t value = @_between(table, scaled < 0 ? -scaled : scaled, 8, 0xFFFF * 256);
    return (scaled >= 0 ? value - (1 << 23) + 128 : (1 << 23) - value + 127) >> 8;
}}"""

"""LSTM on bytes: a state of bytes, and cells of 16 bits; the arithmetic is that of core/kernels/lstm.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.integer.gates import EXP_EIGHTH, EXP_POWERS, GATE_BITS, ONE, RECIPROCAL, TABLE, THIRD
from edgewright.export.c99_code.text import smallest
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_operators import Part, Recurrence, Site, kernel, recurrence
from edgewright.export.c99_operators._dots import dots
from edgewright.export.c99_operators._gates import WITHIN, between, by_unit, over_window, weights_by_unit
from edgewright.export.c99_operators._rounding import clamp, divide, twice

GATES = 4


def _parts(site: Site) -> tuple[Part, ...]:
    units = site.operator.arrays["recurrent"].shape[1]
    return Part("state", units, site.unit.whole(site.target.zero, "zero")), Part("cell", 2 * units, "0")


def _lines(site: Site, names: Sequence[str], samples: int) -> list[str]:
    """Return the loop over samples; the state begins as the real number 0."""
    state, cell = names
    unit, arrays, numbers = site.unit, site.operator.arrays, site.operator.numbers
    units, channels = arrays["recurrent"].shape[1], arrays["weights"].shape[1]
    table = numbers["table"][0]
    opens, bends = _of_table(unit) if table else _of_series(unit)
    scaled, held = twice(unit), unit.helper("within", WITHIN)
    multiplier, shift = (unit.table(smallest(arrays[name]), name) for name in ("multiplier", "shift"))
    call = dots(unit, GATES, "")
    each = f"for (int k = 0; k < {GATES}; ++k) {{"
    factor = f"{multiplier}[k], {shift}[k]", f"{multiplier}[{GATES} + k], {shift}[{GATES} + k]"
    own = f"{scaled}(sum[k], {factor[1]})"
    late = unit.table(by_unit(arrays["late"], GATES), "late")
    exponent = unit.whole(numbers["cell"][0], "cell")
    part = unit.helper("part", _PART_TWICE if table else _PART)
    shown = f"{scaled}({opens}gate[1]) * {bends}held, 15 + {exponent}), {multiplier}[8], {shift}[8])"
    x, coming = f"{site.name()} + t * {channels}", weights_by_unit(unit, arrays["weights"], GATES, "weights")
    staying = weights_by_unit(unit, arrays["recurrent"], GATES, "recurrent")
    sequence, clip = numbers["sequence"][0], numbers.get("clip", (0,))[0]
    # No 16 bits are above the largest.
    above = f"held > {clip} ? {clip} : " if clip < 2**15 - 1 else ""
    return [
        f"for (int t = 0; t < {samples}; ++t) {{",
        f"    int8_t next[{units}];",
        f"    for (int j = 0; j < {units}; ++j) {{",
        f"        const int32_t *start = {unit.table(by_unit(arrays['start'], GATES), 'bias')} + {GATES} * j;",
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
        *([f"        held = (int16_t)({above}held < -{clip} ? -{clip} : held);"] if clip else []),
        f"        memcpy({cell} + 2 * j, &held, sizeof held);",
        f"        next[j] = {clamp(unit)}({shown}{unit.less(-site.target.zero, 'zero')}, -128, 127);",
        "    }",
        f"    memcpy({state}, next, sizeof next);",
        *([f"    memcpy({site.result} + t * {units}, next, sizeof next);"] if sequence else []),
        "}",
        *([] if sequence else [f"memcpy({site.result}, {state}, {units});"]),
    ]


def _of_series(unit: Unit) -> tuple[str, str]:
    """Beginnings of calls of LiteRT's sigmoid and tanh."""
    divide(unit)
    for name, text in (("within", WITHIN), ("product15", _PRODUCT), ("exp15", _EXP), ("reciprocal15", _RECIPROCAL)):
        unit.helper(name, text)
    return _calls(unit, np.array(EXP_POWERS, np.int16), _SIGMOID, _TANH)


def _of_table(unit: Unit) -> tuple[str, str]:
    """Beginnings of calls of TFLM's sigmoid and tanh."""
    between(unit)
    return _calls(unit, TABLE.astype(np.uint16), _TABLE_SIGMOID, _TABLE_TANH)


def _calls(unit: Unit, table: NDArray[Any], sigmoid: str, tanh: str) -> tuple[str, str]:
    name = unit.table(table)
    return f"{unit.helper('sigmoid15', sigmoid)}({name}, ", f"{unit.helper('tanh15', tanh)}({name}, "


_PART = """\
static int32_t @_part(int32_t v, int e) {
    return @_divide(v, e);
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
_PART_TWICE = """\
/* v / 2^e, rounded at the first half, upwards, and at the rest, halves away from zero. */
static int32_t @_part(int32_t v, int e) {
    return @_divide((v + 1) >> 1, e - 1);
}"""
_TABLE_SIGMOID = """\
static int32_t @_sigmoid15(const uint16_t *table, int32_t x) {
    return @_sigmoid_between(table, 3 * x);
}"""
_TABLE_TANH = f"""\
static int32_t @_tanh15(const uint16_t *table, int32_t x, int bits) {{
    const int down = {GATE_BITS} - bits;
    return @_tanh_between(table, down > 0 ? (3 * x + (1 << (down - 1))) >> down : 3 * x * (1 << -down));
}}"""
kernel("lstm")(over_window)
recurrence("lstm")(Recurrence(_parts, _lines))

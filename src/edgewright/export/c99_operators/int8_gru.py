"""GRU on bytes with a state of 16 bits; the arithmetic is that of core/kernels/gru.py."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.core.integer.gates import TABLE
from edgewright.core.kernels.gru import GATES
from edgewright.export.c99_code.text import smallest
from edgewright.export.c99_operators import Part, Recurrence, Site, kernel, recurrence
from edgewright.export.c99_operators._dots import dots
from edgewright.export.c99_operators._gates import WITHIN, between, by_unit, over_window, weights_by_unit
from edgewright.export.c99_operators._rounding import clamp, divide, twice


def _parts(site: Site) -> tuple[Part, ...]:
    return (Part("state", 2 * site.operator.arrays["recurrent"].shape[1], "0"),)


def _lines(site: Site, names: Sequence[str], samples: int) -> list[str]:
    """Return the loop over samples; the state, two bytes a unit, begins as 0."""
    (state,), unit, arrays = names, site.unit, site.operator.arrays
    units, channels = arrays["recurrent"].shape[1], arrays["weights"].shape[1]
    divide(unit)
    between(unit)
    held, part = unit.helper("within", WITHIN), unit.helper("gated", _GATED)
    upwards = site.operator.numbers["upwards"][0]
    gate = unit.helper("gate", _GATE % (_UPWARDS if upwards else _AWAY))
    table = unit.table(TABLE.astype(np.uint16))
    opens, bends = (unit.helper(f"{name}_of_sum", _OF_SUM % ((name,) * 2)) for name in ("sigmoid", "tanh"))
    multiplier, shift = (unit.table(smallest(arrays[name]), name) for name in ("multiplier", "shift"))
    given = unit.table(smallest(arrays["given"]), "given")
    byte = f"{clamp(unit)}({twice(unit)}(%s, {given}[0], {given}[1]){unit.less(-site.target.zero, 'zero')}, -128, 127)"
    coming = weights_by_unit(unit, arrays["weights"], GATES, "weights")
    before = site.operator.numbers.get("before", (0,))[0]
    # Gates whose products with the state come before the new state's, which needs the reset of every unit first.
    first = GATES - 1 if before else GATES
    staying = weights_by_unit(unit, arrays["recurrent"][: first * units], first, "recurrent")
    start = unit.table(by_unit(arrays["start"], GATES), "bias")
    late = unit.table(by_unit(arrays["late"][: first * units], first), "late")
    x = f"{site.name()} + t * {channels}"
    call, own = dots(unit, GATES, ""), dots(unit, first, "", "int16_t")
    sequence = site.operator.numbers["sequence"][0]
    if before:
        last = unit.table(arrays["late"][first * units :], "late")
        rows = weights_by_unit(unit, arrays["recurrent"][first * units :], 1, "recurrent")
        new = [
            f"        keeps[j] = (int16_t){opens}({table}, {held}(gate[0] + sum[0]));",
            f"        sees[j] = (int16_t){part}({opens}({table}, {held}(gate[1] + sum[1])), held[j]);",
            "        news[j] = gate[2];",
            "    }",
            f"    for (int j = 0; j < {units}; ++j) {{",
            "        const int32_t kept = keeps[j];",
            f"        int32_t sum[1] = {{{last}[j]}};",
            f"        {dots(unit, 1, '', 'int16_t')('sees', f'{rows} + j * {units}', str(units))}",
            f"        sum[0] = {gate}(sum[0], {multiplier}[{2 * GATES - 1}], {shift}[{2 * GATES - 1}]);",
            f"        const int32_t fresh = {bends}({table}, {held}(news[j] + sum[0]));",
        ]
    else:
        new = [
            f"        const int32_t kept = {opens}({table}, {held}(gate[0] + sum[0]));",
            f"        const int32_t seen = {opens}({table}, {held}(gate[1] + sum[1]));",
            f"        const int32_t fresh = {bends}({table}, {held}(gate[2] + {part}(seen, sum[2])));",
        ]
    return [
        f"for (int t = 0; t < {samples}; ++t) {{",
        f"    int16_t held[{units}];",
        *([f"    int16_t keeps[{units}], sees[{units}];", f"    int32_t news[{units}];"] if before else []),
        f"    memcpy(held, {state}, sizeof held);",
        f"    for (int j = 0; j < {units}; ++j) {{",
        f"        int32_t gate[{GATES}], sum[{GATES}];",
        f"        memcpy(sum, {start} + {GATES} * j, sizeof sum);",
        f"        {call(x, f'{coming} + j * {GATES * channels}', str(channels))}",
        f"        for (int k = 0; k < {GATES}; ++k) {{",
        f"            gate[k] = {gate}(sum[k], {multiplier}[k], {shift}[k]);",
        "        }",
        f"        memcpy(sum, {late} + {first} * j, {first} * sizeof sum[0]);" if before
        else f"        memcpy(sum, {late} + {GATES} * j, sizeof sum);",
        f"        {own('held', f'{staying} + j * {first * units}', str(units))}",
        f"        for (int k = 0; k < {first}; ++k) {{",
        f"            sum[k] = {gate}(sum[k], {multiplier}[{GATES} + k], {shift}[{GATES} + k]);",
        "        }",
        *new,
        f"        const int16_t next = (int16_t){held}(fresh - {part}(kept, fresh) + {part}(kept, held[j]));",
        f"        memcpy({state} + 2 * j, &next, sizeof next);",
        *([f"        {site.result}[t * {units} + j] = {byte % 'next'};"] if sequence else []),
        "    }",
        "}",
        *([] if sequence else [
            f"for (int j = 0; j < {units}; ++j) {{",
            "    int16_t last;",
            f"    memcpy(&last, {state} + 2 * j, sizeof last);",
            f"    {site.result}[j] = {byte % 'last'};",
            "}",
        ]),
    ]  # fmt: skip


_AWAY, _UPWARDS = ("away from zero", " - (v < 0)"), ("upwards", "")
_GATE = """\
/* v * m / 2^s, halves %s, within 16 bits. */
static int32_t @_gate(int32_t v, int32_t m, int s) {
    const int64_t p = ((int64_t)v * m + (INT64_C(1) << (s - 1))%s) >> s;
    return p < INT16_MIN ? INT16_MIN : p > INT16_MAX ? INT16_MAX : (int32_t)p;
}"""
_GATED = """\
/* a * b / 2^15, rounded at the first half, upwards, and at the rest, halves away from zero. */
static int32_t @_gated(int32_t a, int32_t b) {
    return @_divide((a * b + 1) >> 1, 14);
}"""
_OF_SUM = """\
/* Of x in steps of 5 * 2^-14. */
static int32_t @_%s_of_sum(const uint16_t *table, int32_t x) {
    return @_%s_between(table, (15 * x + 2) >> 2);
}"""
kernel("gru")(over_window)
recurrence("gru")(Recurrence(_parts, _lines))

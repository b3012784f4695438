"""C of recurrent layers, in floating point and int8."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.arithmetic import EXP_POWERS, GATE_BITS, TABLE
from edgewright.core.errors import ExportError
from edgewright.core.kernels.recurrent import GRU_GATES, LSTM_GATES
from edgewright.core.operators import where
from edgewright.core.operators.shape import SEQUENCE, WINDOW
from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.source import Source
from edgewright.export.c99_code.text import smallest
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_operators import Part, Recurrence, Site, Spot, kernel, operator, recurrence
from edgewright.export.c99_operators._place import dots
from edgewright.export.c99_operators._rounding import clamp, divide, twice
from edgewright.export.c99_operators.elementwise import C


@operator("LSTM", "GRU")
def recurrent(spot: Spot) -> Source:
    """Give the state after the last sample, or after every sample.

    Raises:
        InputError: for weights that are computed, or an operator that is not over windows.
    """
    unit, constants = spot.unit, spot.constants[1:4]
    if WINDOW not in spot.node.attributes or len(constants) < 3 or any(array is None for array in constants):
        raise ExportError("constant weights, over a window", "others", where(spot.node))
    weights, state, bias = (np.asarray(array, np.float32)[0] for array in constants)
    units, (gates, inputs) = state.shape[1], weights.shape
    lstm = spot.node.op == "LSTM"
    if lstm:
        # Both are added to the same sums.
        bias = bias[:gates] + bias[gates:]
    unit.helper("sigmoid", C["Sigmoid"])
    late = lstm or spot.node.attributes.get("linear_before_reset", 0)
    form = "lstm" if lstm else "gru" if late else "gru_before"
    function = unit.helper(form, parts(__file__, "recurrent.c")[form])
    source, sequence = unit.stored(spot.source(0)), spot.node.attributes[WINDOW] == SEQUENCE
    leaf, steps = source.leaves[0], source.shape[2]
    target, memory = unit.fresh(spot.shape), unit.fresh((6 * units,))
    hidden = memory if sequence else target
    tables = [unit.table(np.ascontiguousarray(a), role) for a, role in
              ((weights, "weights"), (state, "recurrent"), (bias, "bias"))]  # fmt: skip
    strides = ", ".join(str(step) for step in leaf.view.strides[1:])
    x = f"{leaf.buffer.name}{f' + {leaf.offset}' if leaf.offset else ''}, {strides}"
    names = [memory_source.leaves[0].buffer.name for memory_source in (hidden, memory, target)]
    every = names[2] if sequence else "0"
    sizes = f"{inputs}, {units}, {steps}"
    call = f"{function}({x}, {', '.join(tables)}, {names[0]}, {names[1]} + {units}, {every}, {sizes});"
    unit.step([call], (source,), (target, memory))
    return target


INT8_RECURRENT_C = parts(__file__, "int8_recurrent.c")


def _over_window(site: Site) -> None:
    """Write a loop over the samples of a window, with a state in memory of the call."""
    layer, samples = recurrence.known[site.operator.kind], site.values[0].shape[1]
    parts = layer.parts(site)
    states = [site.unit.fresh((part.size,), "int8") for part in parts]
    names = [source.leaves[0].buffer.name for source in states]
    clear = [f"memset({name}, {part.first}, {part.size});" for name, part in zip(names, parts, strict=True)]
    output = site.output
    site.unit.step([*clear, *layer.lines(site, names, samples)], site.inputs, (output, *states))


def _by_unit(rows: NDArray[np.int32], gates: int) -> NDArray[np.int32]:
    """Return numbers of gates, then units, as of units, then gates."""
    return np.ascontiguousarray(rows.reshape(gates, -1).T).astype(np.int32).ravel()


def _weights_by_unit(unit: Unit, weights: NDArray[np.int8], gates: int, role: str) -> str:
    """Return the table of weights in the order in which `dots` reads them: unit, input, gate."""
    rows = weights.reshape(gates, -1, weights.shape[1])
    return unit.table(np.ascontiguousarray(rows.transpose(1, 2, 0)).ravel(), role)


def _between(unit: Unit) -> None:
    """Add sigmoid and tanh between two entries of a table, of 16 bits and of numbers in steps of 2^-12 / 3."""
    for name in ("between", "sigmoid_between", "tanh_between"):
        unit.helper(name, INT8_RECURRENT_C[name])


def _gru_parts(site: Site) -> tuple[Part, ...]:
    return (Part("state", 2 * site.operator.arrays["recurrent"].shape[1], "0"),)


def _gru_lines(site: Site, names: Sequence[str], samples: int) -> list[str]:
    """Return the loop over samples; the state, two bytes a unit, begins as 0."""
    (state,), unit, arrays = names, site.unit, site.operator.arrays
    units, channels = arrays["recurrent"].shape[1], arrays["weights"].shape[1]
    divide(unit)
    _between(unit)
    within, part = unit.helper("within", INT8_RECURRENT_C["within"]), unit.helper("gated", INT8_RECURRENT_C["gated"])
    gate = unit.helper("gate", filled(INT8_RECURRENT_C["gate"], upwards=site.operator.numbers["upwards"][0]))
    table = unit.table(TABLE.astype(np.uint16))
    opens, bends = (
        unit.helper(f"{name}_of_sum", filled(INT8_RECURRENT_C["of_sum"], name=name)) for name in ("sigmoid", "tanh")
    )
    multiplier, shift = (unit.table(smallest(arrays[name]), name) for name in ("multiplier", "shift"))
    given = unit.table(smallest(arrays["given"]), "given")
    byte = f"{clamp(unit)}({twice(unit)}(%s, {given}[0], {given}[1]){unit.less(-site.target.zero, 'zero')}, -128, 127)"
    coming = _weights_by_unit(unit, arrays["weights"], GRU_GATES, "weights")
    before = site.operator.numbers.get("before", (0,))[0]
    # Gates whose products with the state come before the new state's, which needs the reset of every unit first.
    first = GRU_GATES - 1 if before else GRU_GATES
    staying = _weights_by_unit(unit, arrays["recurrent"][: first * units], first, "recurrent")
    start = unit.table(_by_unit(arrays["start"], GRU_GATES), "bias")
    late = unit.table(_by_unit(arrays["late"][: first * units], first), "late")
    x = f"{site.name()} + t * {channels}"
    call, own = dots(unit, GRU_GATES, ""), dots(unit, first, "", "int16_t")
    numbers = {
        "samples": samples, "units": units, "state": state, "gates": GRU_GATES, "first": first, "before": before,
        "sequence": site.operator.numbers["sequence"][0], "start": start, "late": late, "multiplier": multiplier,
        "shift": shift, "narrow": gate, "within": within, "gated": part, "opens": opens, "bends": bends,
        "entries": table, "result": site.result, "byte_of_next": byte % "next", "byte_of_last": byte % "last",
    }  # fmt: skip
    if before:
        numbers["last"] = unit.table(arrays["late"][first * units :], "late")
        rows = _weights_by_unit(unit, arrays["recurrent"][first * units :], 1, "recurrent")
        numbers["seen"] = dots(unit, 1, "", "int16_t")("sees", f"{rows} + j * {units}", str(units))
        numbers["own"] = 2 * GRU_GATES - 1
    numbers["coming"] = call(x, f"{coming} + j * {GRU_GATES * channels}", str(channels))
    numbers["staying"] = own("held", f"{staying} + j * {first * units}", str(units))
    return filled(INT8_RECURRENT_C["gru"], **numbers).split("\n")


def _lstm_parts(site: Site) -> tuple[Part, ...]:
    units = site.operator.arrays["recurrent"].shape[1]
    return Part("state", units, site.unit.whole(site.target.zero, "zero")), Part("cell", 2 * units, "0")


def _lstm_lines(site: Site, names: Sequence[str], samples: int) -> list[str]:
    """Return the loop over samples; the state begins as the real number 0."""
    state, cell = names
    unit, arrays, numbers = site.unit, site.operator.arrays, site.operator.numbers
    units, channels = arrays["recurrent"].shape[1], arrays["weights"].shape[1]
    table = numbers["table"][0]
    opens, bends = _of_table(unit) if table else _of_series(unit)
    scaled, within = twice(unit), unit.helper("within", INT8_RECURRENT_C["within"])
    multiplier, shift = (unit.table(smallest(arrays[name]), name) for name in ("multiplier", "shift"))
    call = dots(unit, LSTM_GATES, "")
    late = unit.table(_by_unit(arrays["late"], LSTM_GATES), "late")
    exponent = unit.whole(numbers["cell"][0], "cell")
    part = unit.helper("part", filled(INT8_RECURRENT_C["part"], table=table))
    shown = f"{scaled}({opens}gate[1]) * {bends}held, 15 + {exponent}), {multiplier}[8], {shift}[8])"
    x, coming = f"{site.name()} + t * {channels}", _weights_by_unit(unit, arrays["weights"], LSTM_GATES, "weights")
    staying = _weights_by_unit(unit, arrays["recurrent"], LSTM_GATES, "recurrent")
    sequence, clip = numbers["sequence"][0], numbers.get("clip", (0,))[0]
    begin = unit.table(_by_unit(arrays["start"], LSTM_GATES), "bias")
    text = filled(
        INT8_RECURRENT_C["lstm"], samples=samples, units=units, gates=LSTM_GATES, start=begin, late=late,
        coming=call(x, f"{coming} + j * {LSTM_GATES * channels}", str(channels)), within=within, scaled=scaled,
        multiplier=multiplier, shift=shift, rounded=table, state=state, cell=cell,
        staying=call(state, f"{staying} + j * {LSTM_GATES * units}", str(units)), part=part, sigmoid=opens, tanh=bends,
        bits=GATE_BITS, whole=exponent, clip=clip,
        # No 16 bits are above the largest.
        above=f"held > {clip} ? {clip} : " if clip < 2**15 - 1 else "",
        shown=f"{clamp(unit)}({shown}{unit.less(-site.target.zero, 'zero')}, -128, 127)",
        sequence=sequence, result=site.result,
    )  # fmt: skip
    return text.split("\n")


def _of_series(unit: Unit) -> tuple[str, str]:
    """Beginnings of calls of LiteRT's sigmoid and tanh."""
    divide(unit)
    for name in ("within", "product15", "exp15", "reciprocal15"):
        unit.helper(name, INT8_RECURRENT_C[name])
    return _calls(unit, np.array(EXP_POWERS, np.int16), table=False)


def _of_table(unit: Unit) -> tuple[str, str]:
    """Beginnings of calls of TFLM's sigmoid and tanh."""
    _between(unit)
    return _calls(unit, TABLE.astype(np.uint16), table=True)


def _calls(unit: Unit, entries: NDArray[Any], *, table: bool) -> tuple[str, str]:
    name = unit.table(entries)
    sigmoid, tanh = (unit.helper(word, filled(INT8_RECURRENT_C[word], table=table)) for word in ("sigmoid15", "tanh15"))
    return f"{sigmoid}({name}, ", f"{tanh}({name}, "


for _kind, _recurrence in (
    ("gru", Recurrence(_gru_parts, _gru_lines)),
    ("lstm", Recurrence(_lstm_parts, _lstm_lines)),
):
    kernel(_kind)(_over_window)
    recurrence(_kind)(_recurrence)

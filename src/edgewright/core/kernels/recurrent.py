"""Kernels with a state: LSTM and GRU of LiteRT and TFLM."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from edgewright.core.arithmetic import (
    GATE_BITS,
    divide_by_power,
    quantise_multiplier,
    saturated,
    short_multiplier,
    sigmoid,
    sigmoid_of_sum,
    sigmoid_of_table,
    tanh,
    tanh_of_sum,
    tanh_of_table,
    twice,
)
from edgewright.core.errors import Int8Error
from edgewright.core.kernels import Function, Kernel, Recurrence, Site, State, register
from edgewright.core.operators import where
from edgewright.core.operators.shape import SEQUENCE, WINDOW
from edgewright.core.records.network import Array, IntegerOperator, IntegerValue, Rounding


def over_window(
    recurrence: Callable[[IntegerOperator, IntegerValue], Recurrence],
) -> Callable[[IntegerOperator, Sequence[IntegerValue], IntegerValue], Function]:
    """Return the `build` of a kernel: (n, 1, samples, channels) -> (n, units), or (n, 1, samples, units)."""

    def build(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
        recurrent = recurrence(operator, output)
        units, sequence = operator.arrays["recurrent"].shape[1], operator.numbers["sequence"][0]
        samples = inputs[0].shape[1]

        def run(x: Array) -> Array:
            state, given = recurrent.first(len(x)), np.empty((len(x), units), np.int8)
            every = np.empty((len(x), 1, samples, units), np.int8)
            for index in range(samples):
                given, state = recurrent.step(x[:, 0, index], state)
                every[:, 0, index] = given
            return every if sequence else given

        return run

    return build


def read_window(site: Site, kind: str, gates: int) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Return the operator of a node over a window, its two biases in one row, and the shape of its output.

    Raises:
        InputError: without weights, over anything else, or with several scales a gate.
    """
    node, weights, state = site.node, site.weights, site.recurrent
    if weights is None or state is None or WINDOW not in node.attributes or len(site.source.shape) != 3:
        raise Int8Error(f"{node.op} over a window with constant weights", "another", where(node))
    height, steps, _ = site.source.shape
    if height != 1:
        raise Int8Error("windows of (channels, samples)", f"height {height}", where(node))
    units = state.array.shape[-1]
    none = np.zeros(2 * gates * units, np.float32 if weights.scale is None else np.int32)
    arrays = {
        "weights": np.ascontiguousarray(weights.array[0]),
        "recurrent": np.ascontiguousarray(state.array[0]),
        "bias": none if weights.bias is None else np.asarray(weights.bias).ravel(),
    }
    if weights.scale is not None and state.scale is not None:
        arrays["weight_scale"] = _of_gates(weights.scale, units, gates, node.op)
        arrays["recurrent_scale"] = _of_gates(state.scale, units, gates, node.op)
    sequence = node.attributes[WINDOW] == SEQUENCE
    operator = IntegerOperator(kind=kind, inputs=(), output=-1, numbers={"sequence": (int(sequence),)}, arrays=arrays)
    return operator, (1, steps, units) if sequence else (units,)


def _of_gates(scale: Array, units: int, gates: int, op: str) -> Array:
    """Return the scale of each gate, which is that of all its units.

    Raises:
        InputError: where units differ.
    """
    each = np.broadcast_to(np.asarray(scale, np.float32).ravel(), (gates * units,)).reshape(gates, units)
    if (each != each[:, :1]).any():
        raise Int8Error(f"one scale a gate of {op}", "several", f"operator {op}")
    return np.ascontiguousarray(each[:, 0])


def refuse_wide(operator: IntegerOperator, largest: Array) -> None:
    """Refuse sums that leave 32 bits.

    Args:
        operator: with a state.
        largest: absolute values of its sums, int64.

    Raises:
        InputError: naming the largest sum.
    """
    if largest.max() >= 2**31:
        raise Int8Error(
            "sums of products within 32 bits",
            f"up to {largest.max()}",
            f"integer operator {operator.kind}",
            "Scale what goes into the layer",
        )


GRU_GATES = 3
# A gate from -10 to 10: LiteRT brings no other step near this one to the sigmoid's table in all of its kernels.
GATE_STEP = 5 * 2.0**-14
# Of the state, which tanh and the gates between 0 and 1 hold within -1 to 1.
STATE_STEP = 2.0**-15


def _read_gru(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """GRU over a window."""
    operator, shape = read_window(site, "gru", GRU_GATES)
    before = {} if site.node.attributes.get("linear_before_reset", 0) else {"before": (1,)}
    return msgspec.structs.replace(operator, numbers={**operator.numbers, **before}), shape


def _prepare_gru(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Multipliers of 15 bits for the gates' sums, those of the input first; `given` brings the state to bytes.

    The biases have the zero point of the input in them.
    """
    arrays = operator.arrays
    coming = arrays["weight_scale"].astype(np.float64) * np.float64(np.float32(inputs[0].scale)) / GATE_STEP
    recurrent = arrays["recurrent_scale"].astype(np.float64) * STATE_STEP / GATE_STEP
    multiplier, shift = short_multiplier(np.concatenate([coming, recurrent]))
    bias, late = arrays["bias"].astype(np.int64).reshape(2, -1)
    for name, biases, furthest, few in (("weights", bias, 255, slice(0, 3)), ("recurrent", late, 2**15, slice(3, 6))):
        rows = np.abs(arrays[name].astype(np.int64)).sum(axis=1) * furthest + np.abs(biases)
        largest = rows.reshape(GRU_GATES, -1).max(axis=1)
        refuse_wide(operator, np.maximum(largest, (largest * multiplier[few]) >> np.maximum(shift[few], 1)))
    start = bias - inputs[0].zero * arrays["weights"].sum(axis=1, dtype=np.int64)
    given = np.concatenate(quantise_multiplier(STATE_STEP / np.float64(np.float32(output.scale))))
    refuse_wide(operator, np.where(np.append(1 - shift, given[1] - 15) > 0, 2**31, 0))
    constants = {
        "multiplier": multiplier,
        "shift": shift,
        "start": start.astype(np.int32),
        "late": late.astype(np.int32),
    }
    numbers = {**operator.numbers, "upwards": (int(rounding == "tflm"),)}
    return msgspec.structs.replace(operator, arrays={**arrays, **constants, "given": given}, numbers=numbers)


def _recurrence_gru(operator: IntegerOperator, output: IntegerValue) -> Recurrence:
    """Return the state of 16 bits; what comes out is the state on the output's grid."""
    arrays, units = operator.arrays, operator.arrays["recurrent"].shape[1]
    multiplier, shift = (np.repeat(arrays[name], units) for name in ("multiplier", "shift"))
    coming, recurrent = (np.ascontiguousarray(arrays[name].T, np.float64) for name in ("weights", "recurrent"))
    away, rows, both = not operator.numbers["upwards"][0], GRU_GATES * units, 2 * units
    before = bool(operator.numbers.get("before", (0,))[0])

    def gates(x: Array, weights: Array, start: Array, part: slice) -> Array:
        sums = (x.astype(np.float64) @ weights).astype(np.int64) + start
        down = shift[part]
        return saturated((sums * multiplier[part] + (np.int64(1) << (down - 1)) - (away & (sums < 0))) >> down)

    def product(a: Array, b: Array) -> Array:
        """Return a * b / 2**15 as LiteRT and TFLM multiply: rounded at the first half, and at the rest."""
        return divide_by_power((a * b + 1) >> 1, 14)

    def step(x: Array, state: State) -> tuple[Array, State]:
        (hidden,) = state
        every = gates(x, coming, arrays["start"], slice(0, rows))
        own = gates(hidden, recurrent[:, :both], arrays["late"][:both], slice(rows, rows + both))
        opened = sigmoid_of_sum(saturated(every[:, :both] + own))
        kept, seen = opened[:, :units], opened[:, units:]
        reached = product(seen, hidden) if before else hidden
        own = gates(reached, recurrent[:, both:], arrays["late"][both:], slice(rows + both, 2 * rows))
        fresh = tanh_of_sum(saturated(every[:, both:] + (own if before else product(seen, own))))
        hidden = saturated(fresh - product(kept, fresh) + product(kept, hidden))
        return np.asarray(np.clip(twice(hidden, *arrays["given"]) + output.zero, -128, 127), np.int8), (hidden,)

    return Recurrence(lambda n: (np.zeros((n, units), np.int64),), step, remembered=2 * units)


register("gru")(
    Kernel(
        over_window(_recurrence_gru), prepare=_prepare_gru, read=_read_gru, onnx=("GRU",), recurrence=_recurrence_gru
    )
)


LSTM_GATES = 4


def _read_lstm(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """LSTM over a window.

    Raises:
        InputError: without weights, or without the step of its cell.
    """
    operator, shape = read_window(site, "lstm", LSTM_GATES)
    node, integer = site.node, "weight_scale" in operator.arrays
    if integer and "cell" not in node.attributes:
        raise Int8Error("the step of the cell in the file's metadata", "none", where(node), "Quantise the float model")
    bias, late = operator.arrays["bias"].reshape(2, -1)
    if integer and np.any(late):
        raise Int8Error("one bias of an LSTM, that of its input", "another of its state", where(node))
    numbers = {"cell": (int(str(node.attributes.get("cell", 0))),), **operator.numbers}
    numbers |= {"clip": (int(str(node.attributes["cell_clip"])),)} if "cell_clip" in node.attributes else {}
    arrays = {**operator.arrays, "bias": np.ascontiguousarray(bias + late)}
    return msgspec.structs.replace(operator, numbers=numbers, arrays=arrays), shape


def _prepare_lstm(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Multipliers of the gates' sums of inputs, of those of the state, and of what comes out.

    The bias has the zero point of the input in it, and `late` that of the state.
    """
    arrays = operator.arrays
    step = np.float32(2.0 ** -(15 - GATE_BITS))
    coming = arrays["weight_scale"].astype(np.float32) * np.float32(inputs[0].scale) / step
    recurrent = arrays["recurrent_scale"].astype(np.float32) * np.float32(output.scale) / step
    given = 2.0**-15 / np.float64(np.float32(output.scale)) * 2.0**-15
    if rounding == "litert":
        given = np.float64(np.float32(given))
    multiplier, shift = quantise_multiplier(np.append(np.concatenate([coming, recurrent]).astype(np.float64), given))
    _refuse_overflow(operator, shift)
    bias = arrays["bias"].astype(np.int64) - inputs[0].zero * arrays["weights"].sum(axis=1, dtype=np.int64)
    late = -output.zero * arrays["recurrent"].sum(axis=1, dtype=np.int64)
    constants = {
        "multiplier": multiplier,
        "shift": shift,
        "start": bias.astype(np.int32),
        "late": late.astype(np.int32),
    }
    numbers = {**operator.numbers, "table": (int(rounding == "tflm"),)}
    return msgspec.structs.replace(operator, arrays={**arrays, **constants}, numbers=numbers)


def _refuse_overflow(operator: IntegerOperator, shift: Array) -> None:
    """Refuse sums that leave 32 bits before they are brought to the gates' step.

    Raises:
        InputError: naming the largest sum.
    """
    for name, bias, shifts in (
        ("weights", "bias", shift[:LSTM_GATES]),
        ("recurrent", "", shift[LSTM_GATES : 2 * LSTM_GATES]),
    ):
        rows = np.abs(operator.arrays[name].astype(np.int64)).sum(axis=1) * 255
        rows += np.abs(operator.arrays[bias].astype(np.int64)) if bias else 0
        refuse_wide(operator, rows.reshape(LSTM_GATES, -1).max(axis=1) << np.maximum(shifts, 0))


def _recurrence_lstm(operator: IntegerOperator, output: IntegerValue) -> Recurrence:
    """State and cells: bytes on the grid of what comes out, and 16 bits."""
    arrays = operator.arrays
    exponent, units = operator.numbers["cell"][0], arrays["recurrent"].shape[1]
    multiplier, shift = arrays["multiplier"], arrays["shift"]
    factors = [
        np.repeat(part[start : start + LSTM_GATES], units) for start in (0, LSTM_GATES) for part in (multiplier, shift)
    ]
    coming, recurrent = (np.ascontiguousarray(arrays[name].T, np.float64) for name in ("weights", "recurrent"))
    table, clip = bool(operator.numbers["table"][0]), operator.numbers.get("clip", (0,))[0]
    opens, bends = (sigmoid_of_table, tanh_of_table) if table else (sigmoid, tanh)

    def part(x: Array, down: int) -> Array:
        """Return a product of two gates: TFLM rounds it twice."""
        return divide_by_power((x + 1) >> 1, down - 1) if table else divide_by_power(x, down)

    def step(x: Array, state: State) -> tuple[Array, State]:
        hidden, cell = state
        gates = saturated(twice((x.astype(np.float64) @ coming).astype(np.int64) + arrays["start"], *factors[:2]))
        own = twice((hidden.astype(np.float64) @ recurrent).astype(np.int64) + arrays["late"], *factors[2:])
        gates = saturated(gates + (saturated(own) if table else own))
        opened, shown, kept = (opens(gates[:, n * units : (n + 1) * units]) for n in range(3))
        fresh = bends(gates[:, 3 * units :], GATE_BITS)
        cell = saturated(saturated(part(kept * cell, 15)) + saturated(part(opened * fresh, 30 + exponent)))
        cell = np.clip(cell, -clip, clip) if clip else cell
        shown = twice(shown * bends(cell, 15 + exponent), multiplier[-1], shift[-1]) + output.zero
        given = np.asarray(np.clip(shown, -128, 127), np.int8)
        return given, (given, cell)

    def first(rows: int) -> State:
        return np.full((rows, units), output.zero, np.int8), np.zeros((rows, units), np.int64)

    return Recurrence(first, step, remembered=3 * units)


register("lstm")(
    Kernel(
        over_window(_recurrence_lstm),
        prepare=_prepare_lstm,
        read=_read_lstm,
        onnx=("LSTM",),
        recurrence=_recurrence_lstm,
    )
)

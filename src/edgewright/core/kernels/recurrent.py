"""LSTM with bytes as state and 16 bits as cell: UNIDIRECTIONAL_SEQUENCE_LSTM of LiteRT, and of TFLM.

Gates stand in the order of ONNX: input, output, forget, cell. `arrays`: `weights` (4 units, channels), `recurrent`
(4 units, units), `bias` (4 units,), `weight_scale` and `recurrent_scale` (4,): one a gate. `numbers`: `cell`, the
exponent of two that is the step of the cell; `sequence`, 1 where the state after every sample comes out; `table`, 1
where sigmoid and tanh come from a table, as in TFLM.
docs/adr/0073-recurrent-layers.md has the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from edgewright.core.integer.gates import GATE_BITS, saturated, sigmoid, sigmoid_of_table, tanh, tanh_of_table
from edgewright.core.integer.requantise import divide_by_power, quantise_multiplier, twice
from edgewright.core.kernels import Function, Kernel, Site, register
from edgewright.core.operators import where
from edgewright.core.operators.recurrent import SEQUENCE, WINDOW
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue, Rounding

GATES = 4
# Bytes of a sample, bytes of the state, cells -> state and cells after it.
Step = Callable[[Array, Array, Array], tuple[Array, Array]]


def _read_lstm(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """LSTM over a window.

    Raises:
        InputError: without weights, or without the step of its cell.
    """
    node, weights = site.node, site.weights
    state = site.recurrent
    if weights is None or state is None or WINDOW not in node.attributes or len(site.source.shape) != 3:
        raise InputError("an LSTM over a window with constant weights", "another", where(node))
    if weights.scale is not None and "cell" not in node.attributes:
        raise InputError("the step of the cell in the file's metadata", "none", where(node), "Quantise the float model")
    height, steps, _ = site.source.shape
    if height != 1:
        raise InputError("windows of (channels, samples)", f"height {height}", where(node))
    units = state.array.shape[-1]
    both = np.zeros(2 * GATES * units, np.int32) if weights.bias is None else np.asarray(weights.bias).ravel()
    bias, late = both.reshape(2, -1)
    if weights.scale is not None and np.any(late):
        raise InputError("one bias of an LSTM, that of its input", "another of its state", where(node))
    arrays = {
        "weights": np.ascontiguousarray(weights.array[0]),
        "recurrent": np.ascontiguousarray(state.array[0]),
        "bias": np.ascontiguousarray(bias + late),
    }
    if weights.scale is not None and state.scale is not None:
        arrays["weight_scale"] = _of_gates(weights.scale, units)
        arrays["recurrent_scale"] = _of_gates(state.scale, units)
    sequence = node.attributes[WINDOW] == SEQUENCE
    numbers: dict[str, tuple[int, ...]] = {
        "cell": (int(str(node.attributes.get("cell", 0))),),
        "sequence": (int(sequence),),
    }
    operator = IntegerOperator(kind="lstm", inputs=(), output=-1, numbers=numbers, arrays=arrays)
    return operator, (1, steps, units) if sequence else (units,)


def _of_gates(scale: Array, units: int) -> Array:
    """Return the scale of each gate, which is that of all its units.

    Raises:
        InputError: where units differ.
    """
    each = np.broadcast_to(np.asarray(scale, np.float32).ravel(), (GATES * units,)).reshape(GATES, units)
    if (each != each[:, :1]).any():
        raise InputError("one scale a gate of an LSTM", "several", "operator LSTM")
    return np.ascontiguousarray(each[:, 0])


def _prepare_lstm(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Multipliers of the gates' sums of inputs, of those of the state, and of what comes out.

    The bias has the zero point of the input in it, and `late` that of the state.
    """
    arrays = operator.arrays
    step = np.float32(2.0 ** -(15 - GATE_BITS))
    coming = arrays["weight_scale"].astype(np.float32) * np.float32(inputs[0].scale) / step
    held = arrays["recurrent_scale"].astype(np.float32) * np.float32(output.scale) / step
    given = 2.0**-15 / np.float64(np.float32(output.scale)) * 2.0**-15
    if rounding == "litert":
        given = np.float64(np.float32(given))
    multiplier, shift = quantise_multiplier(np.append(np.concatenate([coming, held]).astype(np.float64), given))
    _refuse_overflow(operator, shift)
    bias = arrays["bias"].astype(np.int64) - inputs[0].zero * arrays["weights"].sum(axis=1, dtype=np.int64)
    late = -output.zero * arrays["recurrent"].sum(axis=1, dtype=np.int64)
    made = {"multiplier": multiplier, "shift": shift, "start": bias.astype(np.int32), "late": late.astype(np.int32)}
    numbers = {**operator.numbers, "table": (int(rounding == "tflm"),)}
    return msgspec.structs.replace(operator, arrays={**arrays, **made}, numbers=numbers)


def _refuse_overflow(operator: IntegerOperator, shift: Array) -> None:
    """Refuse sums that leave 32 bits before they are brought to the gates' step.

    Raises:
        InputError: naming the largest sum.
    """
    for name, bias, shifts in (("weights", "bias", shift[:GATES]), ("recurrent", "", shift[GATES : 2 * GATES])):
        rows = np.abs(operator.arrays[name].astype(np.int64)).sum(axis=1) * 255
        rows += np.abs(operator.arrays[bias].astype(np.int64)) if bias else 0
        largest = rows.reshape(GATES, -1).max(axis=1) << np.maximum(shifts, 0)
        if largest.max() >= 2**31:
            raise InputError(
                "sums of products within 32 bits",
                f"up to {largest.max()}",
                f"integer operator {operator.kind}",
                "Scale what goes into the layer",
            )


def _build_lstm(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, 1, samples, channels) -> (n, units), or (n, 1, samples, units) of a sequence."""
    step = steps_of_lstm(operator, output)
    units, sequence = operator.arrays["recurrent"].shape[1], operator.numbers["sequence"][0]
    samples = inputs[0].shape[1]

    def run(x: Array) -> Array:
        hidden = np.full((len(x), units), output.zero, np.int8)
        cell = np.zeros((len(x), units), np.int64)
        every = np.empty((len(x), 1, samples, units), np.int8)
        for place in range(samples):
            hidden, cell = step(x[:, 0, place], hidden, cell)
            every[:, 0, place] = hidden
        return every if sequence else hidden

    return run


def steps_of_lstm(operator: IntegerOperator, output: IntegerValue) -> Step:
    """Return the function of one sample: (bytes (n, channels), bytes of the state, cell) -> state and cell after it."""
    arrays = operator.arrays
    exponent, units = operator.numbers["cell"][0], arrays["recurrent"].shape[1]
    multiplier, shift = arrays["multiplier"], arrays["shift"]
    factors = [np.repeat(part[start : start + GATES], units) for start in (0, GATES) for part in (multiplier, shift)]
    coming, held = (np.ascontiguousarray(arrays[name].T, np.float64) for name in ("weights", "recurrent"))
    table = bool(operator.numbers["table"][0])
    opens, bends = (sigmoid_of_table, tanh_of_table) if table else (sigmoid, tanh)

    def part(x: Array, down: int) -> Array:
        """Return a product of two gates: TFLM rounds it twice."""
        return divide_by_power((x + 1) >> 1, down - 1) if table else divide_by_power(x, down)

    def run(x: Array, hidden: Array, cell: Array) -> tuple[Array, Array]:
        gates = saturated(twice((x.astype(np.float64) @ coming).astype(np.int64) + arrays["start"], *factors[:2]))
        own = twice((hidden.astype(np.float64) @ held).astype(np.int64) + arrays["late"], *factors[2:])
        gates = saturated(gates + (saturated(own) if table else own))
        opened, shown, kept = (opens(gates[:, n * units : (n + 1) * units]) for n in range(3))
        fresh = bends(gates[:, 3 * units :], GATE_BITS)
        cell = saturated(saturated(part(kept * cell, 15)) + saturated(part(opened * fresh, 30 + exponent)))
        shown = twice(shown * bends(cell, 15 + exponent), multiplier[-1], shift[-1]) + output.zero
        return np.asarray(np.clip(shown, -128, 127), np.int8), cell

    return run


register("lstm")(Kernel(_build_lstm, prepare=_prepare_lstm, read=_read_lstm, onnx=("LSTM",)))

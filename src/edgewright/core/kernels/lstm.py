"""LSTM with bytes as state and 16 bits as cell: UNIDIRECTIONAL_SEQUENCE_LSTM of LiteRT, and of TFLM.

Gates stand in the order of ONNX: input, output, forget, cell. `arrays`: `weights` (4 units, channels), `recurrent`
(4 units, units), `bias` (4 units,), `weight_scale` and `recurrent_scale` (4,): one a gate. `numbers`: `cell`, the
exponent of two that is the step of the cell; `clip`, where cells end before 16 bits do, as TensorFlow's converter has
it; `sequence`, 1 where the state after every sample comes out; `table`, 1 where sigmoid and tanh come from a table, as
in TFLM.
docs/adr/0073-recurrent-layers.md has the arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from edgewright.core.arithmetic.gates import GATE_BITS, saturated, sigmoid, sigmoid_of_table, tanh, tanh_of_table
from edgewright.core.arithmetic.requantise import divide_by_power, quantise_multiplier, twice
from edgewright.core.kernels import Kernel, Recurrence, Site, State, register
from edgewright.core.kernels._recurrence import over_window, read_window, refuse_wide
from edgewright.core.operators import where
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue, Rounding

GATES = 4


def _read_lstm(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """LSTM over a window.

    Raises:
        InputError: without weights, or without the step of its cell.
    """
    operator, shape = read_window(site, "lstm", GATES)
    node, integer = site.node, "weight_scale" in operator.arrays
    if integer and "cell" not in node.attributes:
        raise InputError("the step of the cell in the file's metadata", "none", where(node), "Quantise the float model")
    bias, late = operator.arrays["bias"].reshape(2, -1)
    if integer and np.any(late):
        raise InputError("one bias of an LSTM, that of its input", "another of its state", where(node))
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
    for name, bias, shifts in (("weights", "bias", shift[:GATES]), ("recurrent", "", shift[GATES : 2 * GATES])):
        rows = np.abs(operator.arrays[name].astype(np.int64)).sum(axis=1) * 255
        rows += np.abs(operator.arrays[bias].astype(np.int64)) if bias else 0
        refuse_wide(operator, rows.reshape(GATES, -1).max(axis=1) << np.maximum(shifts, 0))


def _recurrence_lstm(operator: IntegerOperator, output: IntegerValue) -> Recurrence:
    """State and cells: bytes on the grid of what comes out, and 16 bits."""
    arrays = operator.arrays
    exponent, units = operator.numbers["cell"][0], arrays["recurrent"].shape[1]
    multiplier, shift = arrays["multiplier"], arrays["shift"]
    factors = [np.repeat(part[start : start + GATES], units) for start in (0, GATES) for part in (multiplier, shift)]
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

"""GRU with a state of 16 bits: 16x8 products, sums and products of gates as LiteRT's operators of int16 give them.

Gates stand in the order of ONNX: update, reset, new state. `arrays`: `weights` (3 units, channels), `recurrent`
(3 units, units), `bias` (6 units,), those of the input and then those of the state, `weight_scale` and
`recurrent_scale` (3,): one a gate. `numbers`: `sequence`, 1 where the state after every sample comes out; `before`, 1
where the reset comes before the product with the state (`linear_before_reset` = 0), else left out; `upwards`, 1
where a negative half of a sum is rounded up, as in TFLM, and not away from zero.
docs/adr/0078-int8-gru.md has the arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from edgewright.core.arithmetic.gates import saturated, sigmoid_of_sum, tanh_of_sum
from edgewright.core.arithmetic.requantise import divide_by_power, quantise_multiplier, short_multiplier, twice
from edgewright.core.kernels import Kernel, Recurrence, Site, State, register
from edgewright.core.kernels._recurrence import over_window, read_window, refuse_wide
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue, Rounding

GATES = 3
# A gate from -10 to 10: LiteRT brings no other step near this one to the sigmoid's table in all of its kernels.
GATE_STEP = 5 * 2.0**-14
# Of the state, which tanh and the gates between 0 and 1 hold within -1 to 1.
STATE_STEP = 2.0**-15


def _read_gru(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """GRU over a window."""
    operator, shape = read_window(site, "gru", GATES)
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
        largest = rows.reshape(GATES, -1).max(axis=1)
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
    away, rows, both = not operator.numbers["upwards"][0], GATES * units, 2 * units
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

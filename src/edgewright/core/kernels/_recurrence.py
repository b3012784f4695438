"""What kernels with a state have in common: a sample at a time, over a window, and how a node is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgewright.core.kernels import Function, Recurrence, Site
from edgewright.core.operators import where
from edgewright.core.operators.recurrent import SEQUENCE, WINDOW
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue


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
        raise InputError(f"{node.op} over a window with constant weights", "another", where(node))
    height, steps, _ = site.source.shape
    if height != 1:
        raise InputError("windows of (channels, samples)", f"height {height}", where(node))
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
        raise InputError(f"one scale a gate of {op}", "several", f"operator {op}")
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
        raise InputError(
            "sums of products within 32 bits",
            f"up to {largest.max()}",
            f"integer operator {operator.kind}",
            "Scale what goes into the layer",
        )

"""Running a network of integers, and giving one the multipliers of a rounding."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.runtime.integer.requantise import half_away
from edgewright.runtime.kernels import kernel, prepare
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerNetwork, IntegerValue, Rounding

Int8 = NDArray[np.int8]


def with_rounding(network: IntegerNetwork, rounding: Rounding) -> IntegerNetwork:
    """The network with multipliers, tables and clamps worked out anew from its scales.

    Args:
        network: with int8 weights and grids.
        rounding: 'litert' or 'tflm'.

    Raises:
        InputError: for grids that an operator cannot have, or sums that leave 32 bits.
    """
    values = network.values
    operators = tuple(
        prepare(operator, [values[i] for i in operator.inputs], values[operator.output], rounding)
        for operator in network.operators
    )
    return msgspec.structs.replace(network, rounding=rounding, operators=operators)


def run_integer(network: IntegerNetwork, x: Int8) -> Int8:
    """Raw outputs of a network, bit by bit as the kernels of its rounding give them.

    Args:
        network: with a rounding.
        x: int8, shape (n, *shape of the network's input).

    Returns:
        int8, shape (n, outputs).
    """
    return np.asarray(run_values(network, x)[network.output], np.int8)


def run_values(network: IntegerNetwork, x: Int8) -> dict[int, Array]:
    """All values of a network by number; arguments as of `run_integer`.

    Raises:
        InputError: for an input of another shape or type.
    """
    shape = network.values[network.input].shape
    if x.dtype != np.int8 or x.shape[1:] != shape:
        raise InputError(f"int8 of shape (n, {', '.join(map(str, shape))})", f"{x.dtype} of shape {x.shape}")
    made: dict[int, Array] = {network.input: x}
    for operator in network.operators:
        values = [network.values[i] for i in operator.inputs]
        arrays = [made[i] for i in operator.inputs]
        made[operator.output] = kernel(operator.kind).run(operator, values, network.values[operator.output], arrays)
    return made


def to_integers(value: IntegerValue, x: Any) -> Int8:  # noqa: ANN401 - an array of floats
    """Real numbers on the grid of a value: divided in float32, halves rounded away from zero, not a number as 0."""
    with np.errstate(invalid="ignore", over="ignore"):
        steps = half_away(np.asarray(x, np.float32) / np.float32(value.scale))
    return np.asarray(np.clip(np.nan_to_num(steps) + value.zero, -128, 127), np.int8)


def to_reals(value: IntegerValue, x: Any) -> NDArray[np.float32]:  # noqa: ANN401 - an array of integers
    """Integers of a value as real numbers, float32."""
    return np.asarray((np.asarray(x, np.int32) - value.zero).astype(np.float32) * np.float32(value.scale))

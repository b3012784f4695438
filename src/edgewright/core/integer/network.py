"""Running a network of integers, and giving one the multipliers of a rounding."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.kernels import kernel, prepare
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerNetwork, IntegerOperator, IntegerValue, Rounding

Int8 = NDArray[np.int8]
# Windows of convolutions and sums of a part of a batch take about so many bytes: they stay in the second cache.
_PART_BYTES = 1 << 21
# The float32 next to one half: added and cut off, halves go away from zero, and what lies just below them does not.
_BELOW_HALF = np.nextafter(np.float32(0.5), np.float32(0.0))


def with_rounding(network: IntegerNetwork, rounding: Rounding) -> IntegerNetwork:
    """Return the network with multipliers, tables and clamps worked out again from its scales.

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


class NetworkFunction:
    """A network made ready for many runs; it keeps nothing between calls, so threads may share it.

    Attributes:
        samples_at_once: a larger batch is run in parts, so that windows of convolutions stay within megabytes.

    Args:
        network: with a rounding.

    Raises:
        InputError: for an operator that is not known, or sums that leave 32 bits.
    """

    def __init__(self, network: IntegerNetwork) -> None:
        values = network.values
        self.network = network
        self._steps = tuple(
            (kernel(o.kind).build(o, [values[i] for i in o.inputs], values[o.output]), o.inputs, o.output)
            for o in network.operators
        )
        last = {number: index for index, (_, inputs, _) in enumerate(self._steps) for number in inputs}
        self._frees = tuple(
            tuple(n for n in inputs if last[n] == index and n != network.output)
            for index, (_, inputs, _) in enumerate(self._steps)
        )
        self.samples_at_once = max(
            1, _PART_BYTES // max((_bytes_at_once(network, o) for o in network.operators), default=1)
        )

    def __call__(self, x: Int8) -> Int8:
        """Raw outputs, int8, shape (n, *shape of the output); arguments and errors as of `run_values`."""
        parts = [self._run(part)[self.network.output] for part in self._parts(x)]
        return np.asarray(parts[0] if len(parts) == 1 else np.concatenate(parts), np.int8)

    def values(self, x: Int8) -> dict[int, Array]:
        """All values by number; arguments and errors as of `run_values`."""
        parts = [self._run(part, free=False) for part in self._parts(x)]
        return {number: np.concatenate([part[number] for part in parts]) for number in parts[0]}

    def _parts(self, x: Int8) -> Iterator[Int8]:
        shape = self.network.values[self.network.input].shape
        if x.dtype != np.int8 or x.shape[1:] != shape:
            raise InputError(f"int8 of shape (n, {', '.join(map(str, shape))})", f"{x.dtype} of shape {x.shape}")
        for start in range(0, max(len(x), 1), self.samples_at_once):
            yield x[start : start + self.samples_at_once]

    def _run(self, x: Int8, *, free: bool = True) -> dict[int, Array]:
        arrays: dict[int, Array] = {self.network.input: x}
        for (function, inputs, output), freed in zip(self._steps, self._frees, strict=True):
            arrays[output] = function(*[arrays[i] for i in inputs])
            if free:
                for number in freed:
                    arrays.pop(number, None)
        return arrays


def _bytes_at_once(network: IntegerNetwork, operator: IntegerOperator) -> int:
    """Return bytes that one sample needs while an operator runs: what its kernel sees, and its sums in float64."""
    window = math.prod(operator.numbers.get("kernel", (1,))) if operator.kind == "conv" else 1
    output = network.values[operator.output].shape
    channels = network.values[operator.inputs[0]].shape[-1]
    return math.prod(output[:-1]) * (window * channels * 4 + output[-1] * 9)


def run_integer(network: IntegerNetwork, x: Int8) -> Int8:
    """Raw outputs of a network, bit by bit as the kernels of its rounding give them.

    Args:
        network: with a rounding.
        x: int8, shape (n, *shape of the network's input).

    Returns:
        int8, shape (n, outputs).
    """
    return NetworkFunction(network)(x)


def run_values(network: IntegerNetwork, x: Int8) -> dict[int, Array]:
    """All values of a network by number; arguments as of `run_integer`.

    Raises:
        InputError: for an input of another shape or type.
    """
    return NetworkFunction(network).values(x)


def to_integers(value: IntegerValue, x: Any) -> Int8:  # noqa: ANN401 - an array of floats
    """Real numbers on the grid of a value: divided in float32, halves rounded away from zero, not a number as 0."""
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.asarray(x, np.float32) / np.float32(value.scale)
        steps += np.copysign(_BELOW_HALF, steps)
        np.trunc(steps, out=steps)
        steps += np.float32(value.zero)
    np.copyto(steps, value.zero, where=np.isnan(steps))
    return np.asarray(steps.clip(-128, 127), np.int8)


def to_reals(value: IntegerValue, x: Any) -> NDArray[np.float32]:  # noqa: ANN401 - an array of integers
    """Return integers of a value as real numbers, float32."""
    return np.asarray((np.asarray(x, np.int32) - value.zero).astype(np.float32) * np.float32(value.scale))

"""Functions of one byte: as tables, and operators of a network that become one table.

SiLU in bytes is a logistic function and a product, Mish five operators; each byte that goes in has one that comes out.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.kernels import kernel
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerNetwork, IntegerOperator, IntegerValue

Int8 = NDArray[np.int8]
BYTES = np.arange(-128, 128).astype(np.int8)
"""The bytes that a table has an entry for, in its order."""
# Kinds whose output at a place depends on their inputs at that place alone.
_BY_VALUE = frozenset({"add", "logistic", "multiply", "quantise", "relu", "table"})


def table_operator(table: Any, inputs: tuple[int, ...] = (), output: int = -1) -> IntegerOperator:  # noqa: ANN401
    """Return the operator that looks bytes up; `table` has an entry for each of `BYTES`."""
    return IntegerOperator(kind="table", inputs=inputs, output=output, arrays={"table": np.asarray(table, np.int8)})


def reals_of(value: IntegerValue) -> NDArray[np.float32]:
    """Return what each of `BYTES` stands for on the grid of a value, as DequantizeLinear works it out."""
    return np.asarray((BYTES.astype(np.int32) - value.zero).astype(np.float32) * np.float32(value.scale))


def bytes_of(reals: Array, grid: tuple[float, int]) -> Int8:
    """Return real numbers rounded onto a grid as QuantizeLinear rounds them, halves to even."""
    steps = np.rint(np.asarray(reals, np.float32) / np.float32(grid[0])) + np.float32(grid[1])
    return np.asarray(np.clip(np.nan_to_num(steps, nan=grid[1]), -128, 127), np.int8)


def applied(operator: IntegerOperator, inputs: list[IntegerValue], output: IntegerValue, *tables: Int8) -> Int8:
    """Return the table of a prepared operator on inputs that are tables themselves."""
    rows = tuple(table.reshape(-1, 1) for table in tables)
    flat = [msgspec.structs.replace(value, shape=(1,)) for value in (*inputs, output)]
    return np.asarray(kernel(operator.kind).build(operator, flat[:-1], flat[-1])(*rows), np.int8).ravel()


def with_tables(network: IntegerNetwork, outputs: tuple[int, ...] = ()) -> IntegerNetwork:
    """Return the network in which operators one after the other on the same byte are one table.

    An operator that stands alone stays as it is.

    Args:
        network: with a rounding.
        outputs: numbers of values that are kept; that of the network's output when empty.
    """
    origins: dict[int, tuple[int, Int8]] = {}
    operators: list[IntegerOperator] = []
    for operator in network.operators:
        sources = [origins.get(number, (number, BYTES)) for number in operator.inputs]
        values = [network.values[number] for number in operator.inputs]
        target = network.values[operator.output]
        alike = len({number for number, _ in sources}) == 1 and all(v.shape == target.shape for v in values)
        if operator.kind in _BY_VALUE and alike:
            origin = sources[0][0]
            table = applied(operator, values, target, *(known for _, known in sources))
            origins[operator.output] = origin, table
            if len(sources) > 1 or origin != operator.inputs[0]:
                operators.append(table_operator(table, (origin,), operator.output))
                continue
        operators.append(operator)
    needed, kept = set(outputs or (network.output,)), list[IntegerOperator]()
    for operator in reversed(operators):
        if operator.output in needed:
            needed.update(operator.inputs)
            kept.append(operator)
    return msgspec.structs.replace(network, operators=tuple(kept[::-1]))

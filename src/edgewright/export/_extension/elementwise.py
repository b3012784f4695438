"""Sums of two values, and operators that have no code for this machine: those run as portable C, one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.kernels import kernel
from edgewright.core.kernels.elementwise import EXTRA_BITS
from edgewright.export.c99_code.pipeline import write_network_c99
from edgewright.schema.integer import IntegerOperator, IntegerValue

if TYPE_CHECKING:
    from edgewright.export._extension.network import NetworkWriter

# What factors of 30 bits are changed by, until their sum rounds every pair of bytes as two roundings do.
_NUDGES = (0, 1, 2, 4, 8, 16, -4, -16)


def add(writer: NetworkWriter, operator: IntegerOperator) -> None:
    """Both on one grid with more bits, added, brought to the output's grid; of floats the sum."""
    first, second = operator.inputs
    values, count = writer.network.values, math.prod(writer.network.values[operator.output].shape)
    if not writer.integer:
        low, high = writer.limits(operator)
        writer.lines += [
            f"for (int i = 0; i < {count}; ++i) {{",
            f"    const float one = v{first}[i] + v{second}[i];",
            f"    v{operator.output}[i] = one < {low} ? {low} : one > {high} ? {high} : one;",
            "}",
        ]
        return
    own = [operator.arrays["multiplier"].ravel(), -operator.arrays["shift"].ravel()]
    factors = writer.constant("int32_t", np.repeat(np.stack(own, axis=1).ravel(), 16).astype(np.int32))
    # The larger scale is half of the common one: its bytes need no rounding.
    exact = ", ".join(str(int(m == 1 << 30 and s == 0)) for m, s in zip(own[0][:2], own[1][:2], strict=True))
    found = _line(operator, [values[i] for i in operator.inputs], values[operator.output])
    line = "NULL" if found is None else writer.constant("int32_t", found)
    zeros = ", ".join(str(values[i].zero) for i in (first, second, operator.output))
    writer.lines.append(
        f"add_bytes(v{first}, v{second}, v{operator.output}, {count}, {factors}, {line}, {EXTRA_BITS}, {exact}, "
        f"{zeros}, {operator.low}, {operator.high});"
    )


def _line(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> NDArray[np.int32] | None:
    """Return a sum of two products and a constant that, shifted, gives the byte of every pair of bytes.

    Returns:
        Both factors' lower 15 bits in one number, their upper 15 bits, the constant's lower 15 bits and its upper ones,
        and the shift after the lower 15 bits are gone; None where no factors that were tried give all bytes.
    """
    pairs = np.arange(1 << 16)
    bytes_of = [(pairs >> 8).astype(np.int64), (pairs & 255).astype(np.int64)]
    wanted = kernel("add").build(operator, inputs, output)(*((x - 128).astype(np.int8) for x in bytes_of))
    scales = np.ldexp(operator.arrays["multiplier"].ravel().astype(np.float64), operator.arrays["shift"].ravel() - 31)
    real = scales[:2] * scales[2] * 2**EXTRA_BITS
    shift = 15 - max(0, int(np.frexp(real.max())[1]))
    for more in product(_NUDGES, repeat=2):
        factors = np.round(np.ldexp(real, 15 + shift)).astype(np.int64) + more
        moved = -sum((128 + v.zero) * int(f) for v, f in zip(inputs, factors, strict=True))
        added = moved + (2 * (output.zero + 128) + 1 << 14 + shift)
        if factors.min() < 0 or factors.max() >= 1 << 30 or shift < 0 or abs(added) >= 1 << 45:
            continue
        found = (sum(x * f for x, f in zip(bytes_of, factors, strict=True)) + added >> 15 + shift) - 128
        if np.array_equal(np.clip(found, operator.low, operator.high), wanted):
            halves = [int(h[0]) | int(h[1]) << 16 for h in (factors & 0x7FFF, factors >> 15)]
            return np.array([*halves, added & 0x7FFF, added >> 15, shift], np.int32)
    return None


def has_add(operator: IntegerOperator, *, integer: bool) -> bool:
    """Return whether all factors of an operator `add` are below 1, as `add_bytes` has them."""
    return not integer or bool(
        (operator.arrays["shift"] <= 0).all()
        and (operator.arrays["multiplier"] > 0).all()
        and (operator.arrays["multiplier"] < 2**31).all()
    )


def portable(writer: NetworkWriter, operator: IntegerOperator) -> None:
    """Run the C of every machine on signed bytes, which the kernels here may keep without a sign."""
    network, name = writer.network, f"operator{operator.output}"
    ends = network.values[operator.inputs[0]], network.values[operator.output]
    alone = msgspec.structs.replace(operator, inputs=(0,), output=1)
    part = msgspec.structs.replace(network, values=ends, operators=(alone,), input=0, output=1)
    writer.files |= {file: text.encode() for file, text in write_network_c99(part, name=name).items()}
    taken, given = (math.prod(value.shape) for value in ends)
    writer.lines += [
        "{",
        f"    static {name}_network_context memory;",
        f"    static int8_t taken[{taken}], given[{given}];",
        f"    for (int i = 0; i < {taken}; ++i) taken[i] = (int8_t)(v{operator.inputs[0]}[i] - OFFSET);",
        f"    {name}_network(&memory, taken, given);",
        f"    for (int i = 0; i < {given}; ++i) v{operator.output}[i] = (byte)(given[i] + OFFSET);",
        "}",
    ]

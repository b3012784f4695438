"""Sums of two values, and operators that have no code for this machine: those run as portable C, one by one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edgewright.core.kernels.elementwise import EXTRA_BITS
from edgewright.export._c_pipeline import write_network_c99
from edgewright.schema.integer import IntegerOperator

if TYPE_CHECKING:
    from edgewright.export._extension.network import NetworkWriter


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
    zeros = ", ".join(str(values[i].zero) for i in (first, second, operator.output))
    writer.lines.append(
        f"add_bytes(v{first}, v{second}, v{operator.output}, {count}, {factors}, {EXTRA_BITS}, {exact}, {zeros}, "
        f"{operator.low}, {operator.high});"
    )


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

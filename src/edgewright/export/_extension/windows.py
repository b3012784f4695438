"""Depthwise convolution, pooling and means as C for this machine: loops over channels that a compiler vectorises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgewright.schema.integer import IntegerOperator

if TYPE_CHECKING:
    from edgewright.export._extension.network import NetworkWriter


def depthwise(writer: NetworkWriter, operator: IntegerOperator) -> None:
    """One filter a channel: sums of all channels side by side."""
    weights = operator.arrays["weights"]
    filters = weights.shape[2]
    source = writer.network.values[operator.inputs[0]]
    kind, other = ("int32_t", np.int32) if writer.integer else ("float", np.float32)
    bias = operator.arrays.get("bias", np.zeros(filters, other))
    name, wide = writer.padded(operator, str(source.zero + 128) if writer.integer else "0.0f")
    w = writer.constant("int8_t" if writer.integer else "float", weights)
    b = writer.constant(kind, np.pad(bias.astype(other), (0, -filters % 16)))
    room = -(-filters // 16) * 16
    given = f"((int32_t)under[ch] - {source.zero + 128})" if writer.integer else "under[ch]"
    writer.lines += [
        writer.places(operator),
        f"    {kind} total[{room}]; memcpy(total, {b}, sizeof total);",
        *_under(operator, name, wide, source.shape[2]),
        f"        const {'int8_t' if writer.integer else 'float'} *const factors = {w} + (a * "
        f"{operator.numbers['kernel'][1]} + e) * {filters};",
        f"        for (int ch = 0; ch < {filters}; ++ch) total[ch] += {given} * factors[ch];",
        "    }",
        f"    {writer.finished(operator, filters, writer.place(operator))}",
        "}",
    ]


def max_pool(writer: NetworkWriter, operator: IntegerOperator) -> None:
    """Largest value under the kernel; what pads never wins."""
    source = writer.network.values[operator.inputs[0]]
    channels = source.shape[2]
    name, wide = writer.padded(operator, "0" if writer.integer else "-INFINITY")
    low, high = (operator.low + 128, operator.high + 128) if writer.integer else writer.limits(operator)
    writer.lines += [
        writer.places(operator),
        f"    {writer.type} *const best = {writer.place(operator)};",
        f"    for (int ch = 0; ch < {channels}; ++ch) best[ch] = {low};",
        *_under(operator, name, wide, channels),
        f"        for (int ch = 0; ch < {channels}; ++ch) best[ch] = under[ch] > best[ch] ? under[ch] : best[ch];",
        "    }",
        f"    for (int ch = 0; ch < {channels}; ++ch) best[ch] = best[ch] > {high} ? {high} : best[ch];",
        "}",
    ]


def mean(writer: NetworkWriter, operator: IntegerOperator) -> None:
    """Mean over height and width."""
    source = writer.network.values[operator.inputs[0]]
    height, width, channels = source.shape
    kind, given = ("int32_t", f"(int32_t)x[ch] - {source.zero + 128}") if writer.integer else ("float", "x[ch]")
    room = -(-channels // 16) * 16
    ending = [f"    for (int ch = 0; ch < {channels}; ++ch) v{operator.output}[ch] = total[ch] / {height * width}.0f;"]
    if writer.integer:
        ending = ["    " + writer.finished(operator, channels, f"v{operator.output}")]
    writer.lines += [
        "{",
        f"    {kind} total[{room}] = {{0}};",
        f"    for (int i = 0; i < {height * width}; ++i) {{",
        f"        const {writer.type} *const x = v{operator.inputs[0]} + i * {channels};",
        f"        for (int ch = 0; ch < {channels}; ++ch) total[ch] += {given};",
        "    }",
        *ending,
        "}",
    ]


def _under(operator: IntegerOperator, name: str, wide: int, channels: int) -> list[str]:
    """Opens the loops over the kernel, `a` down and `e` across."""
    (kh, kw), (sh, sw) = operator.numbers["kernel"], operator.numbers["strides"]
    dh, dw = operator.numbers.get("dilations", (1, 1))
    at = f"((r * {sh} + a * {dh}) * {wide} + c * {sw} + e * {dw}) * {channels}"
    return [
        f"    for (int a = 0; a < {kh}; ++a) for (int e = 0; e < {kw}; ++e) {{",
        f"        const __typeof__(*{name}) *const under = {name} + {at};",
    ]

"""Depthwise convolution, pooling and means as C for this machine: loops over channels that a compiler vectorises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgewright.export._extension.packing import byte_bias, padded, tap_pairs
from edgewright.schema.integer import IntegerOperator

if TYPE_CHECKING:
    from edgewright.export._extension.network import NetworkWriter


def depthwise(writer: NetworkWriter, operator: IntegerOperator) -> None:
    """One filter a channel: sums of all channels side by side."""
    weights = operator.arrays["weights"]
    filters = weights.shape[2]
    source = writer.network.values[operator.inputs[0]]
    bias = operator.arrays.get("bias", np.zeros(filters, np.int32 if writer.integer else np.float32))
    name, wide = writer.padded(operator, f"{source.zero} + OFFSET" if writer.integer else "0.0f")
    room = -(-filters // 16) * 16
    (kh, kw), (sh, sw), (dh, dw) = (operator.numbers[n] for n in ("kernel", "strides", "dilations"))
    at = f"{name} + (r * {sh * wide} + c * {sw}) * {filters}"
    taps = f"{filters}, {kh}, {kw}, {dh * wide * filters}, {dw * filters}"
    writer.lines.append(writer.places(operator))
    if writer.integer:
        w = writer.constant("int16_t", tap_pairs(weights))
        both = byte_bias(weights.reshape(-1, filters).T, bias, source.zero)
        b = writer.constant("int32_t", np.concatenate([padded(array, 0, room // 16) for array in both]))
        writer.lines += [
            f"    int32_t total[{room}] __attribute__((aligned(64)));",
            f"    depthwise_sums({at}, {w}, {b}, total, {taps});",
            f"    {writer.finished(operator, filters, writer.place(operator))}",
        ]
    else:
        factors = np.pad(weights.reshape(-1, filters), ((0, 0), (0, room - filters)))
        w, b = writer.constant("float", factors), writer.constant("float", padded(bias, 0, room // 16))
        low, high = writer.limits(operator)
        writer.lines.append(f"    depthwise_floats({at}, {w}, {b}, {writer.place(operator)}, {taps}, {low}, {high});")
    writer.lines.append("}")


def max_pool(writer: NetworkWriter, operator: IntegerOperator) -> None:
    """Largest value under the kernel; what pads never wins."""
    source = writer.network.values[operator.inputs[0]]
    channels = source.shape[2]
    name, wide = writer.padded(operator, "OFFSET - 128" if writer.integer else "-INFINITY")
    low, high = (f"{n} + OFFSET" for n in (operator.low, operator.high)) if writer.integer else writer.limits(operator)
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
    kind, given = ("int32_t", f"x[ch] - ({source.zero} + OFFSET)") if writer.integer else ("float", "x[ch]")
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

"""Pools and means over height and width, bytes or floats, as C for this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgewright.schema.integer import IntegerOperator

if TYPE_CHECKING:
    from edgewright.export._extension.network import NetworkWriter


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


def average_pool(writer: NetworkWriter, operator: IntegerOperator) -> None:
    """Mean of the values under the kernel, all of which lie within the image; halves away from zero."""
    source = writer.network.values[operator.inputs[0]]
    channels, (kh, kw) = source.shape[2], operator.numbers["kernel"]
    count = kh * kw
    low, high = (str(operator.low), str(operator.high)) if writer.integer else writer.limits(operator)
    # Room for whole vectors, so that the compiler writes no loop for the rest.
    room = -(-channels // 16) * 16
    kind, less = ("int32_t", " - OFFSET") if writer.integer else ("float", "")
    rounded = f"(total[ch] + (total[ch] > 0 ? {count // 2} : -{count // 2})) / {count}"
    made, more = (rounded, " + OFFSET") if writer.integer else (f"total[ch] / {count}.0f", "")
    writer.lines += [
        writer.places(operator),
        f"    {writer.type} *const mean = {writer.place(operator)};",
        f"    {kind} total[{room}] = {{0}};",
        *_under(operator, f"v{operator.inputs[0]}", source.shape[1], channels),
        f"        for (int ch = 0; ch < {channels}; ++ch) total[ch] += under[ch]{less};",
        "    }",
        f"    for (int ch = 0; ch < {channels}; ++ch) {{",
        f"        const {kind} one = {made};",
        f"        mean[ch] = (one < {low} ? {low} : one > {high} ? {high} : one){more};",
        "    }",
        "}",
    ]


def _under(operator: IntegerOperator, name: str, wide: int, channels: int) -> list[str]:
    """Open the loops over the kernel, `a` down and `e` across."""
    (kh, kw), (sh, sw) = operator.numbers["kernel"], operator.numbers["strides"]
    dh, dw = operator.numbers.get("dilations", (1, 1))
    at = f"((r * {sh} + a * {dh}) * {wide} + c * {sw} + e * {dw}) * {channels}"
    return [
        f"    for (int a = 0; a < {kh}; ++a) for (int e = 0; e < {kw}; ++e) {{",
        f"        const __typeof__(*{name}) *const under = {name} + {at};",
    ]

"""A network as C for this machine: dense layers and convolutions on packed weights, float or int8."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from edgewright.core.processor import cpu_features
from edgewright.export._extension.packing import (
    Blob,
    blocks,
    byte_bias,
    byte_block,
    float_block,
    most_groups,
    padded,
    tap_pairs,
    within_bytes,
)
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerNetwork, IntegerOperator, IntegerValue


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
    """Open the loops over the kernel, `a` down and `e` across."""
    (kh, kw), (sh, sw) = operator.numbers["kernel"], operator.numbers["strides"]
    dh, dw = operator.numbers.get("dilations", (1, 1))
    at = f"((r * {sh} + a * {dh}) * {wide} + c * {sw} + e * {dw}) * {channels}"
    return [
        f"    for (int a = 0; a < {kh}; ++a) for (int e = 0; e < {kw}; ++e) {{",
        f"        const __typeof__(*{name}) *const under = {name} + {at};",
    ]


# Kernels read whole vectors: room behind every buffer.
_ROOM = 64
KINDS = ("dense", "conv", "depthwise", "max_pool", "mean", "reshape", "transpose")


def supported(network: IntegerNetwork) -> bool:
    """Return whether every operator has code of its own here; the portable C serves the others."""
    flat = len(network.values[network.output].shape) == 1
    return flat and all(_has_code(network, operator) for operator in network.operators)


def _has_code(network: IntegerNetwork, operator: IntegerOperator) -> bool:
    if operator.kind == "depthwise":
        return bool(operator.arrays["weights"].shape[2] == network.values[operator.inputs[0]].shape[2])
    return operator.kind in KINDS and operator.numbers.get("groups", (1,)) == (1,)


@dataclass(frozen=True)
class Site:
    """Where a dense layer reads and writes, as C: `rows` rows, their inputs `step` and their outputs `stride` apart."""

    source: str
    target: str
    rows: str = "1"
    step: int = 0
    stride: int = 0


class NetworkWriter:
    """Writes `static void network(const T *in, T *out)`; T is float, or int8_t for a network of integers.

    Attributes:
        blob: the constants.
        integer: whether values between operators are bytes; they are kept as value + OFFSET (kernels.h).
        features: of the processor that runs it; of this one where none are given.
    """

    def __init__(self, network: IntegerNetwork, blob: Blob, features: frozenset[str] | None = None) -> None:
        self.network, self.blob = network, blob
        self.features = cpu_features() if features is None else features
        self.integer = network.rounding != "none"
        self.type = "byte" if self.integer else "float"
        self.lines: list[str] = []

    def text(self) -> str:
        """Return the function, with its buffers."""
        network = self.network
        outside = "int8_t" if self.integer else "float"
        writers: dict[str, Callable[[IntegerOperator], None]] = {
            "dense": self._dense,
            "conv": self._conv,
            "depthwise": partial(depthwise, self),
            "max_pool": partial(max_pool, self),
            "mean": partial(mean, self),
            "reshape": self._reshape,
            "transpose": self._transpose,
        }
        self._copy(f"v{network.input}", "in", _size(network.values[network.input]))
        for operator in network.operators:
            writers[operator.kind](operator)
        self._copy("out", f"v{network.output}", _size(network.values[network.output]))
        room = _ROOM if self.integer else _ROOM // 4
        buffers = [
            f"static {self.type} v{i}[{_size(value) + room}] __attribute__((aligned(64)));"
            for i, value in enumerate(network.values)
        ]
        head = f"static void network(const {outside} *restrict in, {outside} *restrict out) {{"
        return "\n".join([*buffers, head, *(f"    {line}" for line in self.lines), "}", ""])

    def _copy(self, target: str, source: str, count: int) -> None:
        value = f"{source}[i]"
        if self.integer:
            value = f"(byte)({value} + OFFSET)" if source == "in" else f"(int8_t)({value} - OFFSET)"
        self.lines.append(f"for (int i = 0; i < {count}; ++i) {target}[i] = {value};")

    def _reshape(self, operator: IntegerOperator) -> None:
        count = _size(self.network.values[operator.output])
        size = count * (1 if self.integer else 4)
        self.lines.append(f"memcpy(v{operator.output}, v{operator.inputs[0]}, {size});")

    def _transpose(self, operator: IntegerOperator) -> None:
        shape = self.network.values[operator.inputs[0]].shape
        order = operator.numbers["order"]
        steps = [int(np.prod(shape[axis + 1 :])) for axis in order]
        a, b, c = (shape[axis] for axis in order)
        self.lines.append(f"for (int i = 0, at = 0; i < {a}; ++i) for (int j = 0; j < {b}; ++j)")
        index = f"i * {steps[0]} + j * {steps[1]} + k * {steps[2]}"
        self.lines.append(
            f"    for (int k = 0; k < {c}; ++k, ++at) v{operator.output}[at] = v{operator.inputs[0]}[{index}];"
        )

    def _dense(self, operator: IntegerOperator) -> None:
        weights = operator.arrays["weights"]
        self._layer(operator, weights, Site(f"v{operator.inputs[0]}", f"v{operator.output}"))

    def _conv(self, operator: IntegerOperator) -> None:
        """Every place of the kernel is a dense layer on what lies under it, gathered in one row."""
        source, target = self.network.values[operator.inputs[0]], self.network.values[operator.output]
        (kh, kw), (sh, sw), (dh, dw) = (operator.numbers[n] for n in ("kernel", "strides", "dilations"))
        channels, element = source.shape[2], 1 if self.integer else 4
        name, wide = self.padded(operator, f"{source.zero} + OFFSET" if self.integer else "0.0f")
        weights = operator.arrays["weights"].reshape(len(operator.arrays["weights"]), -1)
        rows, columns, filters = target.shape
        groups = max(groups for _, groups in blocks(filters, most_groups(self.integer, self.features)))
        # Places side by side are computed at once; the last ones of a row may be computed twice.
        count = f"{'' if self.integer else 'FLOAT_'}ROWS({groups}, {columns})"
        self.lines += [
            f"for (int r = 0; r < {rows}; ++r) for (int next = 0; next < {columns}; next += {count}) {{",
            f"    const int c = next < {columns} - {count} ? next : {columns} - {count};",
        ]
        at = f"{name} + ((r * {sh}) * {wide} + c * {sw}) * {channels}"
        step = sw * channels
        if (kh == 1 or (kw == wide and dh == 1)) and dw == 1:
            self.lines.append(f"    const {self.type} *const under = {at};")
        else:
            step = weights.shape[1]
            self.lines.append(f"    {self.type} under[{count} * {step} + {_ROOM}];")
            run = channels if dw > 1 else kw * channels
            inner = f"for (int b = 0; b < {kw if dw > 1 else 1}; ++b)"
            self.lines += [
                f"    for (int i = 0; i < {count}; ++i) for (int a = 0; a < {kh}; ++a) {inner}",
                f"        memcpy(under + i * {step} + a * {kw * channels} + b * {channels}, "
                f"{at} + (i * {sw} + a * {dh * wide} + b * {dw}) * {channels}, {run * element});",
            ]
        self._layer(operator, weights, Site("under", self.place(operator), count, step, filters))
        self.lines.append("}")

    def padded(self, operator: IntegerOperator, fill: str) -> tuple[str, int]:
        """Return the operator's input with its padding in place: name of the memory, and its width."""
        height, width, channels = self.network.values[operator.inputs[0]].shape
        top, left, bottom, right = operator.numbers["pads"]
        name, wide, element = f"v{operator.inputs[0]}", width + left + right, 1 if self.integer else 4
        if not any((top, left, bottom, right)):
            return name, wide
        made, size = f"padded{operator.output}", (height + top + bottom) * wide * channels
        self.lines += [
            f"static {self.type} {made}[{size + _ROOM}];",
            f"for (int i = 0; i < {size}; ++i) {made}[i] = {fill};",
            f"for (int i = 0; i < {height}; ++i) memcpy({made} + ((i + {top}) * {wide} + {left}) * {channels}, "
            f"{name} + i * {width * channels}, {width * channels * element});",
        ]
        return made, wide

    def places(self, operator: IntegerOperator) -> str:
        """Open the loops over rows `r` and columns `c` of the output."""
        rows, columns, _ = self.network.values[operator.output].shape
        return f"for (int r = 0; r < {rows}; ++r) for (int c = 0; c < {columns}; ++c) {{"

    def place(self, operator: IntegerOperator) -> str:
        """Where the channels of such a place lie."""
        _, columns, channels = self.network.values[operator.output].shape
        return f"(v{operator.output} + (r * {columns} + c) * {channels})"

    def limits(self, operator: IntegerOperator) -> tuple[str, str]:
        """Return what the activation of a float operator clamps to."""
        known = {"": ("-INFINITY", "INFINITY"), "relu": ("0.0f", "INFINITY"), "relu6": ("0.0f", "6.0f")}
        return known[operator.activation]

    def finished(self, operator: IntegerOperator, count: int, target: str) -> str:
        """Sum in `total` to the operator's outputs."""
        if not self.integer:
            low, high = self.limits(operator)
            value = f"total[ch] < {low} ? {low} : total[ch] > {high} ? {high} : total[ch]"
            return f"for (int ch = 0; ch < {count}; ++ch) {target}[ch] = {value};"
        rule, arrays = self._rounding(operator, count, 0, count)
        zero = self.network.values[operator.output].zero
        return f"{rule}(total, {arrays}, {target}, {count}, {zero}, {operator.low}, {operator.high});"

    def _layer(self, operator: IntegerOperator, weights: Array, site: Site) -> None:
        bias = operator.arrays.get("bias", np.zeros(len(weights), np.int32 if self.integer else np.float32))
        for start, groups in blocks(len(weights), most_groups(self.integer, self.features)):
            count = min(len(weights) - start, groups * 16)
            if self.integer:
                self._bytes(operator, weights, bias, (start, groups, count), site)
            else:
                low, high = self.limits(operator)
                w = self.constant("float", float_block(weights, start, groups))
                b = self.constant("float", padded(bias.astype(np.float32), start, groups))
                self.lines.append(
                    f"dense_floats({site.source}, {site.step}, {site.rows}, {w}, {b}, {site.target} + {start}, "
                    f"{site.stride}, {weights.shape[1]}, {groups}, {count}, {low}, {high});"
                )

    def _bytes(
        self, operator: IntegerOperator, weights: Array, bias: Array, block: tuple[int, int, int], site: Site
    ) -> None:
        start, groups, count = block
        values = self.network.values
        quads, size = -(-weights.shape[1] // 4), groups * 16
        self.lines.append(f"{{ int32_t total[{site.rows} * {size}] __attribute__((aligned(64)));")
        for call, part in zip(("dense_sums", "more_sums"), within_bytes(weights), strict=False):
            both = [padded(array, start, groups) for array in byte_bias(part, bias, values[operator.inputs[0]].zero)]
            w = self.constant("int8_t", byte_block(part, start, groups))
            b = self.constant("int32_t", np.concatenate(both))
            self.lines.append(f"{call}({site.source}, {site.step}, {site.rows}, {w}, {b}, total, {quads}, {groups});")
            bias = np.zeros_like(bias)
        rule, arrays = self._rounding(operator, len(weights), start, count)
        zero, low, high = values[operator.output].zero, operator.low, operator.high
        self.lines.append(
            f"for (int i = 0; i < {site.rows}; ++i) {rule}(total + i * {size}, {arrays}, {site.target} + "
            f"i * {site.stride} + {start}, {count}, {zero}, {low}, {high}); }}"
        )

    def _rounding(self, operator: IntegerOperator, outputs: int, start: int, count: int) -> tuple[str, str]:
        own = slice(start, start + count)
        multiplier = np.broadcast_to(operator.arrays["multiplier"].reshape(-1), outputs)[own]
        shift = np.broadcast_to(operator.arrays["shift"].reshape(-1), outputs)[own]
        single = bool(operator.numbers["single"][0])
        # Factors below 1 with 31 bits, nearly always: results fit 32 bits and a vector takes twice as many.
        short = multiplier.max() < 2**31 and (shift.min() >= 31 if single else shift.max() <= 0)
        rule, kind = ("round_once" if single else "round_twice"), "int32" if short else "int64"
        if short and not single:
            shift = -shift
        arrays = [np.pad(array.astype(kind), (0, -count % 16), "edge") for array in (multiplier, shift)]
        places = ", ".join(self.constant(f"{kind}_t", array) for array in arrays)
        return (rule if short else f"{rule}_long"), places

    def constant(self, kind: str, array: Array) -> str:
        """C expression of a constant array."""
        return f"(const {kind} *)(constants + {self.blob.add(array)})"


def _size(value: IntegerValue) -> int:
    return int(np.prod(value.shape))

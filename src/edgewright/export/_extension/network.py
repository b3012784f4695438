"""A network as C for this machine: operators on packed weights, float or int8; portable C runs the others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.kernels import kernel
from edgewright.core.kernels.elementwise import EXTRA_BITS
from edgewright.core.prediction.objects import cpu_features
from edgewright.core.records.network import Array, IntegerNetwork, IntegerOperator, IntegerValue
from edgewright.export._extension.build import (
    Blob,
    Site,
    blocks,
    byte_bias,
    byte_block,
    float_block,
    most_groups,
    padded,
    tap_groups,
    within_bytes,
)
from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.pipeline import write_network_c99

C = parts(__file__, "network.c")
# Kernels read whole vectors: room behind every buffer.
_ROOM = 64
KINDS = ("dense", "conv", "depthwise", "max_pool", "mean", "average_pool", "add", "reshape", "transpose")


def supported(network: IntegerNetwork) -> bool:
    """Return whether operators with weights have code of their own here; portable C serves the others, one by one."""
    flat = len(network.values[network.output].shape) == 1
    return flat and all(
        has_code(network, operator) or (network.rounding != "none" and _runs_alone(operator))
        for operator in network.operators
    )


def has_code(network: IntegerNetwork, operator: IntegerOperator) -> bool:
    """Return whether an operator has code of its own here."""
    source = network.values[operator.inputs[0]]
    if operator.kind == "depthwise":
        return bool(operator.arrays["weights"].shape[2] == source.shape[2])
    if operator.kind == "add":
        same = len({network.values[i].shape for i in (*operator.inputs, operator.output)}) == 1
        return same and has_add(operator, integer=network.rounding != "none")
    if operator.kind == "average_pool":
        return not any(operator.numbers["pads"])
    return operator.kind in KINDS and operator.numbers.get("groups", (1,)) == (1,)


def _runs_alone(operator: IntegerOperator) -> bool:
    """Return whether the portable C of an operator can stand alone: it reads one value, and has no weights."""
    return len(operator.inputs) == 1 and "weights" not in operator.arrays


class NetworkWriter:
    """Writes `static void network(const T *in, T *out)`; T is float, or int8_t for a network of integers.

    Attributes:
        blob: the constants.
        integer: whether values between operators are bytes; they are kept as value + OFFSET (kernels.h).
        features: of the processor that runs it; of this one where none are given.
        files: portable C of operators that have no code of their own here.
    """

    def __init__(self, network: IntegerNetwork, blob: Blob, features: frozenset[str] | None = None) -> None:
        self.network, self.blob = network, blob
        self.features = cpu_features() if features is None else features
        self.integer = network.rounding != "none"
        self.type = "byte" if self.integer else "float"
        self.lines: list[str] = []
        self.files: dict[str, bytes] = {}

    def text(self) -> str:
        """Return the function, with its buffers; `files` then has what it includes."""
        network = self.network
        outside = "int8_t" if self.integer else "float"
        writers: dict[str, Callable[[IntegerOperator], None]] = {
            "dense": self._dense,
            "conv": self._conv,
            **{run.__name__: partial(run, self) for run in (depthwise, max_pool, mean, average_pool, add)},
            "reshape": self._reshape,
            "transpose": self._transpose,
        }
        self._copy(f"v{network.input}", "in", _size(network.values[network.input]))
        for operator in network.operators:
            (writers[operator.kind] if has_code(network, operator) else partial(portable, self))(operator)
        self._copy("out", f"v{network.output}", _size(network.values[network.output]))
        room = _ROOM if self.integer else _ROOM // 4
        buffers = [
            f"static {self.type} v{i}[{_size(value) + room}] __attribute__((aligned(64)));"
            for i, value in enumerate(network.values)
        ]
        head = f"static void network(const {outside} *restrict in, {outside} *restrict out) {{"
        parts = [f'#include "{name}"' for name in self.files if name.endswith(".c")]
        return "\n".join([*parts, *buffers, head, *(f"    {line}" for line in self.lines), "}", ""])

    def write(self, part: str, **numbers: object) -> None:
        """Add a part of network.c."""
        self.lines += filled(C[part], **numbers).split("\n")

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
        """Every place of the kernel is a dense layer on what lies under it, in one row where that is faster."""
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
        lines, down = 1, 0
        if (kh == 1 or (kw == wide and dh == 1)) and dw == 1:
            self.lines.append(f"    const {self.type} *const under = {at};")
        elif self.integer and dw == 1 and "avx512_vnni" in self.features:
            # Lines are read where they lie; weights of what fills their last group of four are 0.
            self.lines.append(f"    const {self.type} *const under = {at};")
            lines, down, run = kh, dh * wide * channels, kw * channels
            weights = np.pad(weights.reshape(-1, kh, run), ((0, 0), (0, 0), (0, -run % 4))).reshape(len(weights), -1)
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
        self._layer(operator, weights, Site("under", self.pixel(operator), count, step, filters, lines, down))
        self.lines.append("}")

    def padded(self, operator: IntegerOperator, fill: str) -> tuple[str, int]:
        """Return the operator's input with its padding in place: name of the memory, and its width."""
        height, width, channels = self.network.values[operator.inputs[0]].shape
        top, left, bottom, right = operator.numbers["pads"]
        name, wide, element = f"v{operator.inputs[0]}", width + left + right, 1 if self.integer else 4
        if not any((top, left, bottom, right)):
            return name, wide
        padded_name, size = f"padded{operator.output}", (height + top + bottom) * wide * channels
        self.lines += [
            f"static {self.type} {padded_name}[{size + _ROOM}];",
            f"for (int i = 0; i < {size}; ++i) {padded_name}[i] = {fill};",
            f"for (int i = 0; i < {height}; ++i) memcpy({padded_name} + ((i + {top}) * {wide} + {left}) * {channels}, "
            f"{name} + i * {width * channels}, {width * channels * element});",
        ]
        return padded_name, wide

    def places(self, operator: IntegerOperator, together: int = 1) -> str:
        """Open the loops over rows `r` and columns `c` of the output, so many columns at once."""
        rows, columns, _ = self.network.values[operator.output].shape
        return f"for (int r = 0; r < {rows}; ++r) for (int c = 0; c < {columns}; c += {together}) {{"

    def pixel(self, operator: IntegerOperator) -> str:
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
        start, groups, _ = block
        values = self.network.values
        quads, size = -(-weights.shape[1] // 4) // site.lines, groups * 16
        self.lines.append(f"{{ int32_t total[{site.rows} * {size}] __attribute__((aligned(64)));")
        for call, part in zip(("dense_sums", "more_sums"), within_bytes(weights), strict=False):
            both = [padded(array, start, groups) for array in byte_bias(part, bias, values[operator.inputs[0]].zero)]
            w = self.constant("int8_t", byte_block(part, start, groups))
            b = self.constant("int32_t", np.concatenate(both))
            shape = f"{site.lines}, {site.down}, {quads}, {groups}"
            self.lines.append(f"{call}({site.source}, {site.step}, {site.rows}, {w}, {b}, total, {shape});")
            bias = np.zeros_like(bias)
        self.lines.append(f"{self.rounded(operator, weights, block, site)} }}")

    def rounded(self, operator: IntegerOperator, weights: Array, block: tuple[int, int, int], site: Site) -> str:
        """Rows of sums in `total` to bytes; weights have shape (outputs, inputs)."""
        start, groups, count = block
        rule, arrays = self._rounding(operator, len(weights), start, count)
        zero, low, high = self.network.values[operator.output].zero, operator.low, operator.high
        target, ends = f"{site.target} + {start}", f"{count}, {zero}, {low}, {high}"
        if rule == "round_twice":
            within = int(self._stays_within(operator, weights))
            return (
                f"round_twice_rows(total, {site.rows}, {groups}, {arrays}, {target}, {site.stride}, {ends}, {within});"
            )
        return (
            f"for (int i = 0; i < {site.rows}; ++i) "
            f"{rule}(total + i * {groups * 16}, {arrays}, {target} + i * {site.stride}, {ends});"
        )

    def _stays_within(self, operator: IntegerOperator, weights: Array) -> bool:
        """Return whether `round_twice_rows` may round four vectors at once: 32 bits hold what it adds."""
        source, target = (self.network.values[i] for i in (operator.inputs[0], operator.output))
        bias = np.abs(operator.arrays.get("bias", np.zeros(1)).astype(np.float64))
        largest = bias + max(127 - source.zero, source.zero + 128) * np.abs(weights.astype(np.float64)).sum(axis=1)
        right = -operator.arrays["shift"].ravel().astype(np.float64)
        room = largest + 2 + (2 * (target.zero + 128) + 1) * 2.0 ** (right + 1)
        return bool(room.max() < 2**31 and (operator.low >= target.zero or right.min() >= 1))

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


def depthwise(writer: NetworkWriter, operator: IntegerOperator) -> None:
    """One filter a channel: sums of all channels side by side, of neighbouring places too where they fill a vector."""
    (kh, kw), (sh, sw), (dh, dw) = (operator.numbers[n] for n in ("kernel", "strides", "dilations"))
    source, channels = writer.network.values[operator.inputs[0]], operator.arrays["weights"].shape[2]
    rows, columns, _ = writer.network.values[operator.output].shape
    together = 16 // math.gcd(16, channels)
    together = together if sw == 1 and columns % together == 0 else 1
    # A single factor of all channels stays one.
    given = operator.arrays.items()
    arrays = {k: np.tile(a, together) if k in ("weights", "bias") or a.size > 1 else a for k, a in given}
    operator = msgspec.structs.replace(operator, arrays=arrays)
    weights, filters = arrays["weights"], channels * together
    bias = arrays.get("bias", np.zeros(filters, np.int32 if writer.integer else np.float32))
    name, wide = writer.padded(operator, f"{source.zero} + OFFSET" if writer.integer else "0.0f")
    room = -(-filters // 16) * 16
    at = f"{name} + (r * {sh * wide} + c * {sw}) * {channels}"
    taps = f"{filters}, {kh}, {kw}, {dh * wide * channels}, {dw * channels}"
    if writer.integer:
        # Several vectors are rounded at once; the last places of a row may be computed twice.
        units = columns // together
        count = min(units, max(1, 64 // room))
        step = together * channels
        w = writer.constant("int16_t", tap_groups(weights.astype(np.int16), 2))
        quads = writer.constant("int8_t", tap_groups(weights.astype(np.int8), 4))
        both = byte_bias(weights.reshape(-1, filters).T, bias, source.zero)
        b = writer.constant("int32_t", np.concatenate([padded(array, 0, room // 16) for array in both]))
        site = Site("", writer.pixel(operator), str(count), sw * step, step)
        writer.lines += [
            f"for (int r = 0; r < {rows}; ++r) for (int next = 0; next < {units}; next += {count}) {{",
            f"    const int c = (next < {units - count} ? next : {units - count}) * {together};",
            f"    int32_t total[{count * room}] __attribute__((aligned(64)));",
            f"    for (int i = 0; i < {count}; ++i)",
            f"        depthwise_sums({at} + i * {site.step}, {w}, {quads}, {b}, total + i * {room}, {taps});",
            f"    {writer.rounded(operator, weights.reshape(-1, filters).T, (0, room // 16, filters), site)}",
        ]
    else:
        factors = np.pad(weights.reshape(-1, filters), ((0, 0), (0, room - filters)))
        w, b = writer.constant("float", factors), writer.constant("float", padded(bias, 0, room // 16))
        low, high = writer.limits(operator)
        writer.lines.append(writer.places(operator, together))
        writer.lines.append(f"    depthwise_floats({at}, {w}, {b}, {writer.pixel(operator)}, {taps}, {low}, {high});")
    writer.lines.append("}")


# What factors of 30 bits are changed by, until their sum rounds every pair of bytes as two roundings do.
_NUDGES = (0, 1, 2, 4, 8, 16, -4, -16)


def add(writer: NetworkWriter, operator: IntegerOperator) -> None:
    """Both on one grid with more bits, added, brought to the output's grid; of floats the sum."""
    first, second = operator.inputs
    values, count = writer.network.values, math.prod(writer.network.values[operator.output].shape)
    if not writer.integer:
        low, high = writer.limits(operator)
        ends = {"first": f"v{first}", "second": f"v{second}", "sum": f"v{operator.output}"}
        writer.write("add", **ends, count=count, low=low, high=high)
        return
    own = [operator.arrays["multiplier"].ravel(), -operator.arrays["shift"].ravel()]
    factors = writer.constant("int32_t", np.repeat(np.stack(own, axis=1).ravel(), 16).astype(np.int32))
    # The larger scale is half of the common one: its bytes need no rounding.
    exact = ", ".join(str(int(m == 1 << 30 and s == 0)) for m, s in zip(own[0][:2], own[1][:2], strict=True))
    line_factors = _line(operator, [values[i] for i in operator.inputs], values[operator.output])
    line = "NULL" if line_factors is None else writer.constant("int32_t", line_factors)
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
        sums = (sum(x * f for x, f in zip(bytes_of, factors, strict=True)) + added >> 15 + shift) - 128
        if np.array_equal(np.clip(sums, operator.low, operator.high), wanted):
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
    count, outputs = (math.prod(value.shape) for value in ends)
    values = {"first": f"v{operator.inputs[0]}", "sum": f"v{operator.output}"}
    writer.write("portable", operator=name, count=count, outputs=outputs, **values)


def max_pool(writer: NetworkWriter, operator: IntegerOperator) -> None:
    """Largest value under the kernel; what pads never wins."""
    source = writer.network.values[operator.inputs[0]]
    channels = source.shape[2]
    name, wide = writer.padded(operator, "OFFSET - 128" if writer.integer else "-INFINITY")
    low, high = (f"{n} + OFFSET" for n in (operator.low, operator.high)) if writer.integer else writer.limits(operator)
    writer.write(
        "max_pool", places=writer.places(operator), type=writer.type, pixel=writer.pixel(operator), channels=channels,
        low=low, high=high, under=_under(operator, name, wide, channels),
    )  # fmt: skip


def mean(writer: NetworkWriter, operator: IntegerOperator) -> None:
    """Mean over height and width."""
    source = writer.network.values[operator.inputs[0]]
    height, width, channels = source.shape
    kind, given = ("int32_t", f"x[ch] - ({source.zero} + OFFSET)") if writer.integer else ("float", "x[ch]")
    room = -(-channels // 16) * 16
    finish = f"for (int ch = 0; ch < {channels}; ++ch) v{operator.output}[ch] = total[ch] / {height * width}.0f;"
    if writer.integer:
        finish = writer.finished(operator, channels, f"v{operator.output}")
    writer.write(
        "mean", kind=kind, room=room, count=height * width, type=writer.type, name=f"v{operator.inputs[0]}",
        channels=channels, given=given, finish=finish,
    )  # fmt: skip


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
    quotient, more = (rounded, " + OFFSET") if writer.integer else (f"total[ch] / {count}.0f", "")
    writer.write(
        "average_pool", places=writer.places(operator), type=writer.type, pixel=writer.pixel(operator), kind=kind,
        room=room, under=_under(operator, f"v{operator.inputs[0]}", source.shape[1], channels), channels=channels,
        less=less, quotient=quotient, low=low, high=high, more=more,
    )  # fmt: skip


def _under(operator: IntegerOperator, name: str, wide: int, channels: int) -> str:
    """Open the loops over the kernel, `a` down and `e` across."""
    (rows, columns), (row_step, column_step) = operator.numbers["kernel"], operator.numbers["strides"]
    row_gap, column_gap = operator.numbers.get("dilations", (1, 1))
    return filled(
        C["under"], kernel_rows=rows, kernel_columns=columns, name=name, row_step=row_step, row_gap=row_gap, wide=wide,
        column_step=column_step, column_gap=column_gap, channels=channels,
    )  # fmt: skip

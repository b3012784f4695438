"""A convolution with one filter a channel, bytes or floats, as C for this machine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edgewright.export._extension.packing import Site, byte_bias, padded, tap_groups
from edgewright.schema.integer import IntegerOperator

if TYPE_CHECKING:
    from edgewright.export._extension.network import NetworkWriter


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
        site = Site("", writer.place(operator), str(count), sw * step, step)
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
        writer.lines.append(f"    depthwise_floats({at}, {w}, {b}, {writer.place(operator)}, {taps}, {low}, {high});")
    writer.lines.append("}")

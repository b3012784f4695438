"""A convolution with one filter a channel, bytes or floats, as C for this machine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edgewright.export._extension.packing import byte_bias, padded, tap_pairs
from edgewright.schema.integer import IntegerOperator

if TYPE_CHECKING:
    from edgewright.export._extension.network import NetworkWriter


def depthwise(writer: NetworkWriter, operator: IntegerOperator) -> None:
    """One filter a channel: sums of all channels side by side, of neighbouring places too where they fill a vector."""
    (kh, kw), (sh, sw), (dh, dw) = (operator.numbers[n] for n in ("kernel", "strides", "dilations"))
    source, channels = writer.network.values[operator.inputs[0]], operator.arrays["weights"].shape[2]
    columns = writer.network.values[operator.output].shape[1]
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
    writer.lines.append(writer.places(operator, together))
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

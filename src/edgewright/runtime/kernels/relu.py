"""ReLU and ReLU6 that no other operator takes in: another scale, rounded twice, and a clamp."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from edgewright.runtime.integer.requantise import quantise_multiplier, twice
from edgewright.runtime.kernels import Site, clamped, extended, finished, same_grid
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue, Rounding

ONNX = ("Relu", "Clip")


def read(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Relu, or Clip from 0 to 6."""
    kind = "relu" if site.node.op == "Relu" else "relu6"
    operator = IntegerOperator(kind="relu", inputs=(), output=-1, activation=kind)  # type: ignore[arg-type]
    return operator, site.source.shape


def prepare(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """The multiplier is of the float32 quotient of the scales; TFLM's ReLU6 has none and keeps the scale."""
    if rounding == "tflm" and operator.activation == "relu6":
        same_grid(inputs, output, "relu6")
    multiplier, shift = quantise_multiplier(np.float64(np.float32(inputs[0].scale) / np.float32(output.scale)))
    return extended(clamped(msgspec.structs.replace(operator), output), multiplier=multiplier, shift=shift)


def run(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, arrays: Sequence[Array]
) -> Array:
    """(n, *shape) -> (n, *shape)."""
    x = arrays[0].astype(np.int64) - inputs[0].zero
    return finished(twice(x, operator.arrays["multiplier"], operator.arrays["shift"]), operator, output)

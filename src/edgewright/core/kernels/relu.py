"""ReLU and ReLU6 that no other operator takes in: another scale, rounded twice, and a clamp."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from edgewright.core.integer.requantise import quantise_multiplier, twice
from edgewright.core.kernels import Function, Site, clamped, extended, finished, same_grid
from edgewright.core.kernels._rounding import byte_table
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


def build(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, *shape) -> (n, *shape)."""
    x = np.arange(-128, 128) - inputs[0].zero
    return byte_table(finished(twice(x, operator.arrays["multiplier"], operator.arrays["shift"]), operator, output))

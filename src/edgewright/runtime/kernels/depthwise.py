"""Depthwise convolution: weights (height, width, filters), filters // channels for each channel; rounded twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.runtime.integer.requantise import twice
from edgewright.runtime.kernels import finished
from edgewright.runtime.kernels._windows import windows
from edgewright.runtime.kernels.conv import with_multipliers
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue, Rounding


def prepare(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """The same for both roundings."""
    del rounding
    return with_multipliers(operator, inputs[0], output, 2)


def run(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, arrays: Sequence[Array]
) -> Array:
    """(n, h, w, c) -> (n, rows, columns, filters); padding stands for the real number 0."""
    own = operator.arrays
    filters = own["weights"].shape[2]
    seen = windows(operator, arrays[0].astype(np.int64) - inputs[0].zero, 0)
    seen = np.repeat(seen, filters // seen.shape[-1], axis=-1)
    sums = np.einsum("nijhwc,hwc->nijc", seen, own["weights"].astype(np.int64))
    if "bias" in own:
        sums = sums + own["bias"]
    return finished(twice(sums, own["multiplier"], own["shift"]), operator, output)

"""Depthwise convolution: weights (height, width, filters), filters // channels for each channel; rounded twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.core.kernels import Function, sums
from edgewright.core.kernels._rounding import rounded_twice
from edgewright.core.kernels._windows import padded, spans, taps
from edgewright.core.kernels.conv import with_multipliers
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue, Rounding


def prepare(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """The same for both roundings."""
    del rounding
    return with_multipliers(operator, inputs[0], output, 2)


def build(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, h, w, c) -> (n, rows, columns, filters); padding stands for the real number 0."""
    zero, channels, filters = inputs[0].zero, inputs[0].shape[2], operator.arrays["weights"].shape[2]
    found = sums(operator, inputs[0], 2)
    weights = operator.arrays["weights"].astype(found.dtype)
    finish = rounded_twice(operator, output, found.offset, found.furthest)

    # A row of the image beside a row of weights: NumPy's inner loop is then longer than the channels.
    usual = np.tile(weights, output.shape[1])

    def run(x: Array) -> Array:
        x = padded(operator, x if filters == channels else np.repeat(x, filters // channels, axis=3), zero, found.dtype)
        rows, columns = spans(operator, x)
        wide = usual if columns == output.shape[1] else np.tile(weights, columns)
        wide = wide.reshape(*weights.shape[:2], columns, filters)
        summed = np.zeros((len(x), rows, columns, filters), found.dtype)
        product = np.empty_like(summed)
        for place, tap in taps(operator, x):
            np.multiply(tap, wide[place], out=product)
            summed += product
        return finish(summed)

    return run

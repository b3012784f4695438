"""The integer of the real number 0 around height and width: `numbers['pads']` top, left, bottom, right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.runtime.kernels import same_grid
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue, Rounding


def prepare(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Nothing to work out."""
    del rounding
    same_grid(inputs, output, operator.kind)
    return operator


def run(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, arrays: Sequence[Array]
) -> Array:
    """(n, h, w, c) -> (n, top + h + bottom, left + w + right, c)."""
    del inputs
    top, left, bottom, right = operator.numbers["pads"]
    around = ((0, 0), (top, bottom), (left, right), (0, 0))
    return np.pad(arrays[0], around, constant_values=output.zero)

"""Values one after the other along `numbers['axis']`, without the batch axis; all have one scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.core.kernels import Function, on_one_grid
from edgewright.schema.integer import IntegerOperator, IntegerValue

prepare = on_one_grid


def build(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """Several of (n, *shape) -> (n, *shape)."""
    del inputs, output
    axis = operator.numbers["axis"][0] + 1
    return lambda *arrays: np.concatenate(arrays, axis=axis)

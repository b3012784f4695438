"""Axes in another order, the same bytes: `numbers['order']`, without the batch axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue


def run(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, arrays: Sequence[Array]
) -> Array:
    """(n, *shape) -> (n, *shape in the other order)."""
    del inputs, output
    return np.asarray(arrays[0].transpose(0, *(axis + 1 for axis in operator.numbers["order"])))

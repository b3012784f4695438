"""Axes in another order, the same bytes: `numbers['order']`, without the batch axis."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.core.kernels import Function
from edgewright.schema.integer import IntegerOperator, IntegerValue


def build(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, *shape) -> (n, *shape in the other order)."""
    del inputs, output
    axes = (0, *(axis + 1 for axis in operator.numbers["order"]))
    return lambda x: x.transpose(axes)

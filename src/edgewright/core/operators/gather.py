"""Choosing values by computed places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.core.operators import Function, operator
from edgewright.core.operators._attributes import integer
from edgewright.schema.graph import Array, Node


@operator("GatherElements")
def gather_elements(node: Node, constants: Sequence[Array | None]) -> Function:
    """One value along the axis for each entry of the indices, all other axes in step; negative ones from the end."""
    axis = integer(node, "axis", 0)

    def run(x: Array, indices: Array) -> Array:
        return np.asarray(np.take_along_axis(x, indices, axis))

    return run

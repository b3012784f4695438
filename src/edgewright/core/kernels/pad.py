"""The integer of the real number 0 around height and width: `numbers['pads']` top, left, bottom, right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.core.kernels import Function, Site, on_one_grid
from edgewright.core.kernels._windows import padded
from edgewright.core.operators import where
from edgewright.schema.errors import InputError
from edgewright.schema.integer import IntegerOperator, IntegerValue

ONNX = ("Pad",)


def read(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Pad with zeros after the channels of one or two axes.

    Raises:
        InputError: for another mode, computed widths, or padding of the batch or the channels.
    """
    widths, mode = site.constants.get(1), site.node.attributes.get("mode", "constant")
    rank = len(site.graph_shape) + 1
    if mode != "constant" or widths is None or widths.size != 2 * rank or np.any(site.constants.get(2, 0)):
        raise InputError("padding with a constant number of zeros", f"mode {mode}", where(site.node))
    before, after = (tuple(int(n) for n in half) for half in widths.reshape(2, -1))
    if any((*before[:2], *after[:2])) or min((*before, *after)) < 0:
        raise InputError("padding of height and width", str(widths.ravel().tolist()), where(site.node))
    pads = (*((0,) * (4 - rank)), *before[2:], *((0,) * (4 - rank)), *after[2:])
    height, width, channels = site.source.shape
    numbers = {"pads": pads}
    shape = (height + pads[0] + pads[2], width + pads[1] + pads[3], channels)
    return IntegerOperator(kind="pad", inputs=(), output=-1, numbers=numbers), shape


prepare = on_one_grid


def build(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, h, w, c) -> (n, top + h + bottom, left + w + right, c)."""
    del inputs
    return lambda x: padded(operator, x, output.zero)

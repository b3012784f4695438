"""Ranges of activations, watched on training samples, and the integers that cover them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewright.core.executor import compile_graph
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph

Method = Literal["minmax", "percentile"]
Range = tuple[float, float]
# Samples that run through the graph at a time: a window's activations are hundreds of kilobytes.
_PIECE = 512


@dataclass(frozen=True)
class Grid:
    """real = scale * (integer - zero), integers from -128 to 127."""

    scale: np.float32
    zero: int


SIGMOID = Grid(np.float32(1.0 / 256.0), -128)


def grid(low: float, high: float) -> Grid:
    """The grid that covers a range and holds zero exactly, as padding and ReLU need it.

    The rule is that of Jacob et al., Quantization and Training of Neural Networks, CVPR 2018, for signed bytes.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = np.float32((high - low) / 255.0)
    if not scale > np.finfo(np.float32).tiny:
        return Grid(np.float32(1.0), -128 if low == 0.0 else 127)
    return Grid(scale, int(np.clip(np.rint(-128.0 - low / float(scale)), -128, 127)))


def watch(
    graph: Graph, names: tuple[str, ...], calibration: NDArray[Any], method: Method, percentile: float
) -> dict[str, tuple[float, float]]:
    """Lowest and highest value of each named value over the samples.

    Args:
        graph: the float graph.
        names: of values.
        calibration: samples as they arrive at the graph's input.
        method: 'minmax' takes all values, 'percentile' leaves the rarest out.
        percentile: share of the values kept inside, in per cent; what is left out is shared by both ends.

    Raises:
        InputError: without samples, or when a value is not a number.
    """
    if not len(calibration):
        raise InputError("training samples to find ranges on", "none", "int8 calibration")
    run = compile_graph(graph, names)
    pieces = [
        run(np.ascontiguousarray(calibration[i : i + _PIECE], np.float32)) for i in range(0, len(calibration), _PIECE)
    ]
    found: dict[str, tuple[float, float]] = {}
    outside = (100.0 - percentile) / 200.0
    for name in names:
        if method == "minmax":
            low = min(float(piece[name].min()) for piece in pieces)
            high = max(float(piece[name].max()) for piece in pieces)
        else:
            values = np.concatenate([np.ravel(piece[name]) for piece in pieces])
            low, high = (float(v) for v in np.quantile(values, [outside, 1.0 - outside]))
        if not np.isfinite([low, high]).all():
            raise InputError("finite activations", f"{low} to {high}", f"int8 calibration of value {name}")
        found[name] = (low, high)
    return found

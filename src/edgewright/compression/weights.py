"""Weights as symmetric signed bytes, and biases as 32-bit integers on the accumulator's grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewright.core.executor import compile_graph
from edgewright.core.parts import parts
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph

Method = Literal["minmax", "percentile"]
Range = tuple[float, float]
# Samples that run through the graph at a time, at most: a window's activations are hundreds of kilobytes.
_PIECE = 512


@dataclass(frozen=True)
class Grid:
    """real = scale * (integer - zero), integers from -128 to 127."""

    scale: np.float32
    zero: int


SIGMOID = Grid(np.float32(1.0 / 256.0), -128)


def grid(low: float, high: float) -> Grid:
    """Return the grid that covers a range and holds zero exactly, as padding and ReLU need it.

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
    kept: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
    for part in parts(calibration.shape, _PIECE):
        for name, values in run(np.ascontiguousarray(calibration[part], np.float32)).items():
            kept[name].append(np.array([values.min(), values.max()]) if method == "minmax" else np.ravel(values))
    found: dict[str, tuple[float, float]] = {}
    outside = (100.0 - percentile) / 200.0
    for name in names:
        values = np.concatenate(kept.pop(name))
        edges = (values.min(), values.max()) if method == "minmax" else np.quantile(values, [outside, 1.0 - outside])
        low, high = (float(v) for v in edges)
        if not np.isfinite([low, high]).all():
            raise InputError("finite activations", f"{low} to {high}", f"int8 calibration of value {name}")
        found[name] = (low, high)
    return found


PerChannel = Literal["auto", "always", "never"]
Floats = NDArray[np.float32]
# A bias beyond this on the accumulator's grid leaves the sum of products no room in 32 bits.
BIAS_LIMIT = 2.0**30
# Bytes a channel that scales of its own cost where they cost most: a .tflite holds for the weights and for the bias a
# float32 scale and an int64 zero point; ONNX needs 9 of them.
SCALE_BYTES = 24
# 'auto' wants at least half the rounding error, a quarter of its power: normal weights of a wide layer would give .7
# bits to every channel, and 10 MB of them would stay above a quarter of their float32 bytes for it.
WORTH = 4.0
# Mean error power of a channel, relative to its weights, beyond which bytes are no argument: 4 bits are left of 8.
POOR = 2e-3
LEVELS = 127  # the largest signed byte that is used, so that weights are symmetric


@dataclass(frozen=True)
class IntegerWeights:
    """Weights and bias of one operator.

    Attributes:
        weights: int8, same shape as the float weights, from -127 to 127.
        scale: float32, a scalar, or one for each output channel.
        bias: int32 with scale `input scale * scale`; None where there is no bias.
        bias_scale: float32, shaped as `scale`.
    """

    weights: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.int32] | None
    bias_scale: NDArray[np.float32]

    @property
    def per_channel(self) -> bool:
        """Whether each output channel has its own scale."""
        return self.scale.ndim > 0


def to_integers(
    weights: Floats,
    bias: Floats | None,
    axis: int,
    input_scale: np.float32,
    per_channel: PerChannel,
    *,
    apart: bool = False,
    levels: int = LEVELS,
) -> IntegerWeights:
    """Round the weights of one operator.

    Args:
        weights: of any shape.
        bias: one value an output channel, or None.
        axis: of the output channels.
        input_scale: of the activations the weights meet.
        per_channel: 'auto' decides by the error of the weights.
        apart: whether each output channel stays a channel by itself (depthwise convolution), so that a small one
            is as important as a large one.
        levels: the largest integer: 127 for 8 bits, 7 for 4.
    """
    rows = np.moveaxis(np.asarray(weights, np.float32), axis, 0).reshape(weights.shape[axis], -1)
    largest = np.abs(rows).max(axis=1)
    one = _floored(largest.max(), bias, input_scale, levels)
    many = _floored(largest, bias, input_scale, levels)
    if per_channel == "always" or (per_channel == "auto" and pays(rows, one, many, apart, levels)):
        scale = many
    else:
        scale = np.asarray(one.max(), np.float32)
    shape = [1] * weights.ndim
    shape[axis] = -1
    spread = scale.reshape(shape) if scale.ndim else scale
    bias_scale = np.asarray(np.float32(input_scale) * scale, np.float32)
    integers = np.clip(np.rint(weights / spread), -levels, levels).astype(np.int8)
    rounded: NDArray[np.int32] | None = None
    if bias is not None:
        rounded = np.clip(np.rint(bias.astype(np.float64) / bias_scale), -BIAS_LIMIT, BIAS_LIMIT).astype(np.int32)
    return IntegerWeights(integers, scale, rounded, bias_scale)


def _floored(largest: Any, bias: Floats | None, input_scale: np.float32, levels: int) -> Floats:  # noqa: ANN401
    """Scales for the largest weights, raised where the bias would leave 32 bits (a dead channel with a live bias)."""
    floor: Any = float(np.finfo(np.float32).tiny)
    if bias is not None:
        floor = np.maximum(floor, np.abs(bias.astype(np.float64)) / (float(input_scale) * BIAS_LIMIT))
    # A product of two scales must not vanish in float32 either.
    floor = np.maximum(floor, 1e-30 / float(input_scale))
    return np.asarray(np.maximum(np.asarray(largest, np.float64) / levels, floor), np.float32)


def pays(rows: Floats, one: Floats, many: Floats, apart: bool, levels: int = LEVELS) -> bool:
    """Return whether a scale a channel is worth its bytes.

    It must halve the rounding error, and save more bits in every weight than it costs or rescue channels that would
    lose most of theirs. Channels that stay apart are too short for that sum: their error is compared relative to each
    channel's own weights.

    Args:
        rows: weights of shape (channels, weights a channel).
        one: scales of shape () or (channels,) of which the largest serves all.
        many: a scale for each channel.
        apart: see `to_integers`.
        levels: see `to_integers`.
    """
    signal = np.square(rows).sum(axis=1)
    alive = signal > 0
    if not alive.any():
        return False

    def error(scale: Any) -> tuple[float, float]:  # noqa: ANN401 - an array that broadcasts over the rows
        rounded = np.clip(np.rint(rows / scale), -levels, levels) * scale
        power = np.square(rows - rounded).sum(axis=1)[alive]
        return float(power.sum()), float((power / signal[alive]).mean())

    (coarse, poor), (fine, relative) = error(one.max()), error(many[:, None])
    if apart:
        return poor > WORTH * relative
    if coarse <= WORTH * fine:
        return False
    bits = 0.5 * math.log2(coarse / fine) if fine else math.inf
    return poor > POOR or bits * rows.size / 8 > SCALE_BYTES * len(rows)

"""Weights as symmetric signed bytes, and biases as 32-bit integers on the grid of the accumulator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewright.core.input.windows import parts
from edgewright.core.prediction.executor import compile_graph
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph

Method = Literal["minmax", "percentile"]
Range = tuple[float, float]
# Maximum number of samples in a batch: the activations of a window take hundreds of kilobytes.
_PIECE = 512


@dataclass(frozen=True)
class Grid:
    """real = scale * (integer - zero), integers from -128 to 127."""

    scale: np.float32
    zero: int


SIGMOID = Grid(np.float32(1.0 / 256.0), -128)


def grid(low: float, high: float) -> Grid:
    """Return the grid that covers a range and contains zero exactly, which padding and ReLU need.

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
    """Return the lowest and highest number of each named value over the samples.

    Args:
        graph: float graph.
        names: names of the values.
        calibration: samples in the form of the graph's input.
        method: 'minmax' covers all numbers, 'percentile' omits the most extreme ones.
        percentile: share of the numbers inside the range, in per cent; both ends lose the same number.

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
    ranges: dict[str, tuple[float, float]] = {}
    outside = (100.0 - percentile) / 200.0
    for name in names:
        values = np.concatenate(kept.pop(name))
        edges = (values.min(), values.max()) if method == "minmax" else np.quantile(values, [outside, 1.0 - outside])
        low, high = (float(v) for v in edges)
        if not np.isfinite([low, high]).all():
            raise InputError("finite activations", f"{low} to {high}", f"int8 calibration of value {name}")
        ranges[name] = (low, high)
    return ranges


PerChannel = Literal["auto", "always", "never"]
Floats = NDArray[np.float32]
# Largest bias on the grid of the accumulator: a larger one could overflow the 32-bit sum of products.
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
        bias: int32 with scale `input scale * scale`; None if there is no bias.
        bias_scale: float32, with the shape of `scale`.
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
    depthwise: bool = False,
    levels: int = LEVELS,
) -> IntegerWeights:
    """Round the weights of one operator.

    Args:
        weights: weights of any shape.
        bias: one value for each output channel, or None.
        axis: axis of the output channels.
        input_scale: scale of the activations that are multiplied by the weights.
        per_channel: 'always', 'never', or 'auto' to decide by the error of the weights.
        depthwise: whether each output channel stays a channel by itself (depthwise convolution), so that a small one
            is as important as a large one.
        levels: the largest integer: 127 for 8 bits, 7 for 4.
    """
    rows = np.moveaxis(np.asarray(weights, np.float32), axis, 0).reshape(weights.shape[axis], -1)
    largest = np.abs(rows).max(axis=1)
    single = _floored(largest.max(), bias, input_scale, levels)
    many = _floored(largest, bias, input_scale, levels)
    if per_channel == "always" or (per_channel == "auto" and pays(rows, single, many, depthwise, levels)):
        scale = many
    else:
        scale = np.asarray(single.max(), np.float32)
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
    """Return scales for the largest weights, raised if the bias would overflow 32 bits (tiny weights, a large bias)."""
    floor: Any = float(np.finfo(np.float32).tiny)
    if bias is not None:
        floor = np.maximum(floor, np.abs(bias.astype(np.float64)) / (float(input_scale) * BIAS_LIMIT))
    # A product of two scales must not vanish in float32 either.
    floor = np.maximum(floor, 1e-30 / float(input_scale))
    return np.asarray(np.maximum(np.asarray(largest, np.float64) / levels, floor), np.float32)


def pays(rows: Floats, whole: Floats, many: Floats, depthwise: bool, levels: int = LEVELS) -> bool:
    """Return whether a scale for each channel is worth its bytes.

    It must halve the rounding error, and save more bits in every weight than it costs or rescue channels that would
    lose most of theirs. Channels that stay apart are too short for that sum: their error is compared relative to each
    channel's own weights.

    Args:
        rows: weights of shape (channels, weights a channel).
        whole: scales of shape () or (channels,); their largest is the common scale.
        many: a scale for each channel.
        depthwise: see `to_integers`.
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

    (coarse, poor), (fine, relative) = error(whole.max()), error(many[:, None])
    if depthwise:
        return poor > WORTH * relative
    if coarse <= WORTH * fine:
        return False
    bits = 0.5 * math.log2(coarse / fine) if fine else math.inf
    return poor > POOR or bits * rows.size / 8 > SCALE_BYTES * len(rows)

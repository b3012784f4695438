"""Weights as symmetric signed bytes, and biases as 32-bit integers on the accumulator's grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

PerChannel = Literal["auto", "always", "never"]
Floats = NDArray[np.float32]
# A bias beyond this on the accumulator's grid leaves the sum of products no room in 32 bits.
BIAS_LIMIT = 2.0**30
# Bytes a channel that scales of its own cost: one for the weights and one for the bias, float32.
SCALE_BYTES = 8
# For channels that stay apart 'auto' wants half the rounding error, a quarter of its power.
APART_WORTH = 4.0


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
) -> IntegerWeights:
    """Rounds the weights of one operator.

    Args:
        weights: of any shape.
        bias: one value an output channel, or None.
        axis: of the output channels.
        input_scale: of the activations the weights meet.
        per_channel: 'auto' decides by the error of the weights.
        apart: whether each output channel stays a channel by itself (depthwise convolution), so that a small one
            is as important as a large one.
    """
    rows = np.moveaxis(np.asarray(weights, np.float32), axis, 0).reshape(weights.shape[axis], -1)
    largest = np.abs(rows).max(axis=1)
    one, many = _floored(largest.max(), bias, input_scale), _floored(largest, bias, input_scale)
    if per_channel == "always" or (per_channel == "auto" and pays(rows, one, many, apart)):
        scale = many
    else:
        scale = np.asarray(one.max(), np.float32)
    shape = [1] * weights.ndim
    shape[axis] = -1
    spread = scale.reshape(shape) if scale.ndim else scale
    bias_scale = np.asarray(np.float32(input_scale) * scale, np.float32)
    integers = np.clip(np.rint(weights / spread), -127, 127).astype(np.int8)
    rounded: NDArray[np.int32] | None = None
    if bias is not None:
        rounded = np.clip(np.rint(bias.astype(np.float64) / bias_scale), -BIAS_LIMIT, BIAS_LIMIT).astype(np.int32)
    return IntegerWeights(integers, scale, rounded, bias_scale)


def _floored(largest: Any, bias: Floats | None, input_scale: np.float32) -> Floats:  # noqa: ANN401 - scalar or array
    """Scales for the largest weights, raised where the bias would leave 32 bits (a dead channel with a live bias)."""
    floor: Any = float(np.finfo(np.float32).tiny)
    if bias is not None:
        floor = np.maximum(floor, np.abs(bias.astype(np.float64)) / (float(input_scale) * BIAS_LIMIT))
    # A product of two scales must not vanish in float32 either.
    floor = np.maximum(floor, 1e-30 / float(input_scale))
    return np.asarray(np.maximum(np.asarray(largest, np.float64) / 127.0, floor), np.float32)


def pays(rows: Floats, one: Floats, many: Floats, apart: bool) -> bool:
    """Whether a scale a channel is worth its bytes.

    Halving the rounding error is worth what one more bit in every weight would cost. Channels that stay apart are too
    short for that sum: theirs is compared relative to each channel's own weights.

    Args:
        rows: weights of shape (channels, weights a channel).
        one: scales of shape () or (channels,) of which the largest serves all.
        many: a scale for each channel.
        apart: as of `to_integers`.
    """
    signal = np.square(rows).sum(axis=1)
    alive = signal > 0
    if not alive.any():
        return False

    def error(scale: Any) -> float:  # noqa: ANN401 - an array that broadcasts over the rows
        rounded = np.clip(np.rint(rows / scale), -127, 127) * scale
        power = np.square(rows - rounded).sum(axis=1)[alive]
        return float((power / signal[alive]).mean() if apart else power.sum())

    coarse, fine = error(one.max()), error(many[:, None])
    if apart:
        return coarse > APART_WORTH * fine
    if fine == 0.0 or coarse <= fine:
        return coarse > fine
    bits = 0.5 * math.log2(coarse / fine)
    return bits * rows.size / 8 > SCALE_BYTES * len(rows)

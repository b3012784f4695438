"""A small upscaler: the best linear interpolation, and convolutions that tell what it misses.

Both give `factor` numbers for each sample, or `factor` x `factor` for each pixel, which are then put side by side (W.
Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural
network", CVPR 2016). No layer adds zeros: an answer depends on samples alone, and pieces of a long signal or a large
picture give what the whole gives. The network sees one channel at a time, each of a signal or the luminance of a
picture, or all channels of a signal at once, less their means over some samples around: neither level nor mounting
matter to it.

A signal is handled as a picture of one colour whose rows are its channels, with kernels of one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from edgewright.graph.builder import Builder
from edgewright.graph.layer import Parameters
from edgewright.models.layer_stack import Grid, LayerStack
from edgewright.schema.data import Floats
from edgewright.schema.graph import Graph

Count = Annotated[int, msgspec.Meta(ge=1, le=256)]
Odd = Literal[1, 3, 5, 7, 9, 11, 13, 15]
# Deviations beyond which what the network sees is cut off.
REACH = 8.0
# Red, green and blue in the luminance (ITU-R BT.601).
LUMINANCE = (0.299, 0.587, 0.114)
_FIRST = 0.1


class UpscalerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sizes of an upscaler.

    Attributes:
        filters: channels inside.
        blocks: layers between the first and the last.
        first: samples, or rows and columns of pixels, that the first layer covers, and the mean around each.
        kernel: the same for the others.
        taps: the same for the linear interpolation.
        window: samples, or rows and columns, of which a call gives more.
    """

    filters: Count
    blocks: Annotated[int, msgspec.Meta(ge=0, le=10)] = 1
    first: Odd
    kernel: Odd
    taps: Odd
    window: Annotated[int, msgspec.Meta(ge=1, le=4096)]

    @property
    def margin(self) -> int:
        """Samples or pixels beyond each end of a window that the layers cover."""
        return (self.first - 1) // 2 + (self.blocks + 1) * ((self.kernel - 1) // 2)

    @property
    def halo(self) -> int:
        """Samples or pixels beyond each end of a window that its answer depends on."""
        return max(self.margin + (self.first - 1) // 2, (self.taps - 1) // 2)


SIGNAL = UpscalerConfig(filters=24, first=9, kernel=5, taps=13, window=64)
PICTURE = UpscalerConfig(filters=16, first=5, kernel=3, taps=5, window=24)
Factors = tuple[int, int]
"""Rows and columns that come out for each: (1, factor) for signals, (factor, factor) for pictures."""


def around(config: UpscalerConfig, factors: Factors, channels: int, margin: int = 0) -> tuple[int, int]:
    """Return rows and columns of a window with a margin; those of a signal are channels and samples."""
    side = config.window + 2 * margin
    return (channels if factors[0] == 1 else side), side


class Upscaling(LayerStack):
    """The layers of an upscaler, over planes: (batch, 1, *window and margin) -> (batch, factors, *window).

    Args:
        config: sizes.
        factors: of rows and columns.
        grids: see `LayerStack`.
        channels: of a signal that the network sees at once.
    """

    def __init__(
        self, config: UpscalerConfig, factors: Factors, grids: tuple[Grid, ...] = (), channels: int = 1
    ) -> None:
        self.config, self.factors, self.channels, signal = config, factors, channels, factors[0] == 1
        kind: dict[str, Any] = {"kind": "conv1d"} if signal else {"kind": "conv2d", "normalise": False}
        layers = [(config.filters, config.first, "relu"), *[(config.filters, config.kernel, "relu")] * config.blocks,
                  (factors[0] * factors[1] * channels, config.kernel, "linear")]  # fmt: skip
        tables = [{**kind, "filters": filters, "kernel": kernel, "padding": "valid", "activation": activation}
                  for filters, kernel, activation in layers]  # fmt: skip
        super().__init__(tables, (config, factors, channels), grids)
        side = config.window + 2 * config.margin
        self.shape = (channels, side) if signal else (1, side, side)

    def initialise(self, rng: np.random.Generator) -> list[Parameters]:
        """Return parameters of every layer; what is told at first is little."""
        parameters = self.started(self.shape, rng)
        parameters[-1]["weights"] *= np.float32(_FIRST)
        return parameters

    def macs(self) -> float:
        """Multiply-accumulates for a sample of a channel or a pixel that comes in."""
        return self.work(self.shape) / float(self.channels * self.config.window ** (len(self.shape) - 1))


def side_by_side(values: Floats, factors: Factors) -> Floats:
    """(n, factors, rows, columns) -> (n, rows, columns), the numbers of a place beside each other."""
    n, _, rows, columns = values.shape
    parts = values.reshape(n, *factors, rows, columns).transpose(0, 3, 1, 4, 2)
    return np.ascontiguousarray(parts.reshape(n, factors[0] * rows, factors[1] * columns))


def by_part(values: Floats, factors: Factors) -> Floats:
    """Return what `side_by_side` puts together."""
    n, rows, columns = len(values), values.shape[1] // factors[0], values.shape[2] // factors[1]
    parts = values.reshape(n, rows, factors[0], columns, factors[1]).transpose(0, 2, 4, 1, 3)
    return np.ascontiguousarray(parts.reshape(n, factors[0] * factors[1], rows, columns))


def shown(values: Floats) -> Floats:
    """Return the planes that the network sees of (channels, ...): the luminance of a picture, or every channel."""
    if values.ndim == 3 and len(values) == 3:
        return np.asarray(np.tensordot(np.asarray(LUMINANCE, np.float32), values, 1)[None], np.float32)
    return values if values.ndim == 3 else values[:, None]


def detail_weights(config: UpscalerConfig, factors: Factors) -> Floats:
    """Return the kernel that takes the mean around a sample or pixel off it, shape (rows, columns)."""
    shape = (1 if factors[0] == 1 else config.first, config.first)
    weights = np.full(shape, -1.0 / (shape[0] * shape[1]), np.float32)
    weights[shape[0] // 2, shape[1] // 2] += 1.0
    return weights


@dataclass(frozen=True)
class Learnt:
    """What training gives.

    Attributes:
        parameters: of the layers of `Upscaling`.
        taps: of the linear interpolation, shape (factors, rows, columns).
        deviation: of the details of each plane that the network sees.
        missed: deviation of what the interpolation misses of each plane.
    """

    parameters: Sequence[Parameters]
    taps: Floats
    deviation: Floats
    missed: Floats


def graph_of(config: UpscalerConfig, factors: Factors, learnt: Learnt, channels: int, name: str) -> Graph:
    """Return the graph: (channels, *window and halo) in, (channels, *factors times window) out.

    Args:
        config: sizes.
        factors: of rows and columns.
        learnt: what the network and the interpolation have learnt; the weights say how many channels the network sees.
        channels: of the signal or picture.
        name: name of the graph.
    """
    signal, halo, each = factors[0] == 1, config.halo, factors[0] * factors[1]
    side, inside = config.window + 2 * halo, around(config, factors, channels)
    builder = Builder(name, (channels, side) if signal else (channels, side, side))
    colours = 1 if signal else channels
    together = signal and learnt.parameters[0]["weights"].shape[1] > 1
    given = builder.op("Reshape", builder.input, builder.integers(0, 1, channels, side)) if signal else builder.input

    def middle(value: str, margin: int) -> str:
        """Return what lies within a margin of the window."""
        if margin == halo:
            return value
        axes, cut = ((3,) if signal else (2, 3)), halo - margin
        starts, ends = (cut,) * len(axes), (side - cut,) * len(axes)
        return builder.op("Slice", value, *(builder.integers(*part) for part in (starts, ends, axes)))

    def by_plane(values: Floats) -> str:
        return builder.constant(np.asarray(values, np.float32).reshape(-1, 1))

    value = given
    if colours == 3:
        value = builder.op("Conv", value, builder.constant(np.asarray(LUMINANCE, np.float32).reshape(1, 3, 1, 1)))
    details = detail_weights(config, factors)[None, None]
    value = builder.op("Conv", middle(value, config.margin + (config.first - 1) // 2), builder.constant(details),
                       kernel_shape=details.shape[2:])  # fmt: skip
    value = builder.op("Mul", value, by_plane(1.0 / np.asarray(learnt.deviation, np.float32)))
    value = builder.op("Clip", value, builder.number(-REACH), builder.number(REACH))
    if together:
        value = builder.op("Reshape", value, builder.integers(0, channels, 1, config.window + 2 * config.margin))
    builder.stage("scaled", value)
    builder.boundary(value)
    for index, own in enumerate(learnt.parameters):
        weights = own["weights"][:, :, None] if signal else own["weights"]
        value = builder.op("Conv", value, builder.constant(weights), builder.constant(own["bias"]),
                           kernel_shape=weights.shape[2:])  # fmt: skip
        value = builder.op("Relu", value) if index + 1 < len(learnt.parameters) else value
    scales = by_plane(learnt.missed)
    if together:
        scales = builder.constant(np.tile(np.asarray(learnt.missed, np.float32), each).reshape(-1, 1, 1))
    missed = builder.op("Mul", value, scales)
    builder.stage("missed", missed)
    missed = builder.op("Reshape", missed, builder.integers(0, 1, each, *inside))
    taps = np.tile(learnt.taps[:, None], (colours, 1, 1, 1))
    linear = builder.op("Conv", middle(given, (config.taps - 1) // 2), builder.constant(taps), group=colours,
                        kernel_shape=taps.shape[2:])  # fmt: skip
    linear = builder.op("Reshape", linear, builder.integers(0, colours, each, *inside))
    value = builder.op("Add", linear, missed)
    value = builder.op("Reshape", value, builder.integers(0, colours, *factors, *inside))
    value = builder.op("Transpose", value, perm=(0, 1, 4, 2, 5, 3))
    shape = (channels, *((factors[1] * inside[1],) if signal else (factors[0] * inside[0], factors[1] * inside[1])))
    value = builder.op("Reshape", value, builder.integers(0, *shape))
    return builder.finish({"prediction": (value, "float32", shape)})

"""A small denoiser: causal convolutions over frames of a signal that tell its noise, which is then taken off.

The first layer takes `hop` new samples a frame and what its kernel still covers of those before. Depthwise-separable
layers of growing dilation follow, each of which adds to what it got (A. van den Oord et al., "WaveNet", 2016; Y. Luo
and N. Mesgarani, "Conv-TasNet", 2019, without its normalisation and masks, which integers do not hold well). The last
gives the noise of a whole frame. Nothing depends on a later sample, so that it runs frame by frame with what each layer
has to remember. What is given is the noise and not the signal: where there is little, the rounding of bytes is little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import LayerSettingsError
from edgewright.core.records.data import Floats
from edgewright.core.records.network import Graph
from edgewright.graph.builder import Builder
from edgewright.graph.stage import Parameters, Shape
from edgewright.models.architecture import Grid, LayerStack

Count = Annotated[int, msgspec.Meta(ge=1, le=512)]
# Deviations from the mean beyond which a sample is cut off before the network; what is passed on is not.
REACH = 8.0
_ADDED, _FIRST_NOISE = 0.3, 0.1


class DenoiserConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sizes of a denoiser.

    Attributes:
        hop: samples of a frame, which come and leave together.
        delay: frames that it waits for what follows before it answers.
        filters: channels inside.
        blocks: depthwise-separable layers; the dilation of each is twice that of the one before.
        kernel: frames that each of them covers.
        first: samples that the first layer covers, at least `hop`.
    """

    hop: Count = 8
    delay: Annotated[int, msgspec.Meta(ge=0, le=64)] = 4
    filters: Count = 32
    blocks: Annotated[int, msgspec.Meta(ge=1, le=10)] = 5
    kernel: Annotated[int, msgspec.Meta(ge=2, le=16)] = 3
    first: Count = 64

    @property
    def reach(self) -> int:
        """Samples that an answer depends on."""
        frames = (self.kernel - 1) * ((1 << self.blocks) - 1)
        return self.first + frames * self.hop


class Denoising(LayerStack):
    """The layers of a denoiser: (batch, channels, samples) -> the noise in frames, (batch, hop * channels, frames).

    Args:
        config: sizes.
        channels: of the signal.
        outputs: numbers that the last layer gives for a frame; those of its noise when 0.
        grids: see `LayerStack`.

    Raises:
        InputError: a first layer that covers less than a frame.
    """

    def __init__(self, config: DenoiserConfig, channels: int, outputs: int = 0, grids: tuple[Grid, ...] = ()) -> None:
        if config.first < config.hop:
            raise LayerSettingsError(
                f"a first layer of at least {config.hop} samples", str(config.first), "--set first"
            )
        self.config, self.channels, self.outputs = config, channels, outputs or config.hop * channels
        tables: list[dict[str, Any]] = [
            {"kind": "conv1d", "filters": config.filters, "kernel": config.first, "stride": config.hop,
             "activation": "linear"},
            *({"kind": "depthwise_separable", "filters": config.filters, "kernel": config.kernel,
               "dilation": 2**number, "activation": "linear"} for number in range(config.blocks)),
            {"kind": "conv1d", "filters": self.outputs, "kernel": 1, "activation": "linear"},
        ]  # fmt: skip
        super().__init__([{**table, "padding": "causal"} for table in tables], (config, channels, outputs), grids)

    def shapes(self, shape: Shape) -> list[Shape]:
        """Return what arrives at each layer, and after them what leaves the last.

        Raises:
            InputError: a window that is no whole number of frames.
        """
        if shape[1] < self.config.hop or shape[1] % self.config.hop:
            raise LayerSettingsError(
                f"a window of whole frames of {self.config.hop} samples", str(shape[1]), "the denoiser"
            )
        return super().shapes(shape)

    def initialise(self, rng: np.random.Generator) -> list[Parameters]:
        """Return parameters of every layer; what a layer adds, and the noise at the end, begin small."""
        parameters = self.started((self.channels, self.config.hop), rng)
        for own in parameters[1:-1]:
            own["pointwise"] *= np.float32(_ADDED)
        parameters[-1]["weights"] *= np.float32(_FIRST_NOISE)
        return parameters

    def adds(self, index: int) -> bool:
        """Return whether it is one of the layers inside."""
        return 0 < index < len(self.parts) - 1

    def macs(self) -> int:
        """Multiply-accumulates of a frame."""
        return self.work((self.channels, self.config.hop))


def framed(signal: Floats, hop: int) -> Floats:
    """(n, channels, samples) -> (n, hop * channels, frames), as the last layer gives them."""
    n, channels, samples = signal.shape
    frames = signal.reshape(n, channels, samples // hop, hop).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(frames.reshape(n, hop * channels, samples // hop))


def delayed(signal: Floats, samples: int) -> Floats:
    """Return a signal so many samples later, zeros before it; over the last axis."""
    if not samples:
        return signal
    before = np.zeros((*signal.shape[:-1], samples), signal.dtype)
    return np.concatenate([before, signal[..., : signal.shape[-1] - samples]], axis=-1)


def denoiser_graph(
    config: DenoiserConfig, parameters: Sequence[Parameters], mean: NDArray[Any], deviation: NDArray[Any], samples: int,
    name: str,
) -> Graph:  # fmt: skip
    """Return the window form: (channels, samples) in, the same with less noise out, `delay` frames later.

    Args:
        config: sizes.
        parameters: of the layers of `Denoising`.
        mean: of the channels, shape (channels,).
        deviation: of the channels, shape (channels,).
        samples: of the window.
        name: name of the graph.

    Raises:
        InputError: as `Denoising`.
    """
    channels = len(mean)
    builder = Builder(name, (channels, samples))
    centre, unit = (np.asarray(part, np.float32)[:, None] for part in (mean, deviation))
    centred = builder.op("Sub", builder.input, builder.constant(centre))
    value = builder.op("Mul", centred, builder.constant(np.float32(1.0) / unit))
    value = builder.op("Clip", value, builder.number(-REACH), builder.number(REACH))
    builder.stage("scaled", value)
    builder.boundary(value)
    value = Denoising(config, channels).to_graph(parameters, builder, value, (channels, samples))
    # (hop * channels, frames) -> (channels, samples)
    value = builder.op("Transpose", value, perm=(0, 2, 1))
    value = builder.op("Reshape", value, builder.integers(0, samples, channels))
    value = builder.op("Transpose", value, perm=(0, 2, 1))
    noise = builder.op("Mul", value, builder.constant(unit))
    builder.stage("noise", noise)
    given, late = builder.input, config.delay * config.hop
    if late:
        given = builder.op("Pad", given, builder.integers(0, 0, late, 0, 0, 0), builder.number(0.0), mode="constant")
        given = builder.op("Slice", given, builder.integers(0), builder.integers(samples), builder.integers(2))
    clean = builder.op("Sub", given, noise)
    return builder.finish({"prediction": (clean, "float32", (channels, samples))})


UpscalerCount = Annotated[int, msgspec.Meta(ge=1, le=256)]
Odd = Literal[1, 3, 5, 7, 9, 11, 13, 15]
# Deviations beyond which what the network sees is cut off.
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

    filters: UpscalerCount
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


def upscaler_graph(config: UpscalerConfig, factors: Factors, learnt: Learnt, channels: int, name: str) -> Graph:
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

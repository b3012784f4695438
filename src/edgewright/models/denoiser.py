"""A small denoiser: causal convolutions over frames of a signal that tell its noise, which is then taken off.

The first layer takes `hop` new samples a frame and what its kernel still covers of those before. Depthwise-separable
layers of growing dilation follow, each of which adds to what it got (A. van den Oord et al., "WaveNet", 2016; Y. Luo
and N. Mesgarani, "Conv-TasNet", 2019, without its normalisation and masks, which integers do not hold well). The last
gives the noise of a whole frame. Nothing depends on a later sample, so that it runs frame by frame with what each layer
has to remember. What is given is the noise and not the signal: where there is little, the rounding of bytes is little.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.graph.builder import Builder
from edgewright.graph.layer import Parameters, Shape
from edgewright.models.layer_stack import Grid, LayerStack
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph

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
            raise InputError(f"a first layer of at least {config.hop} samples", str(config.first), "--set first")
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
            raise InputError(f"a window of whole frames of {self.config.hop} samples", str(shape[1]), "the denoiser")
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


def graph_of(
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

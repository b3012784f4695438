"""The phone network: causal convolutions over log-mel frames that give a number for every phone, every 20 ms.

Its body is that of a denoiser, so that it runs step by step in the same integers, here and in C. An answer belongs to
the sound of `delay` steps before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewright.graph.builder import Builder
from edgewright.graph.layer import Parameters
from edgewright.language.pronunciation.phones import OUTPUTS
from edgewright.language.pronunciation.sound import FRAMES, MELS, REACH
from edgewright.models.denoiser import DenoiserConfig, Denoising, RoundedDenoising
from edgewright.schema.data import Floats
from edgewright.schema.graph import Graph

SIZES = DenoiserConfig(hop=FRAMES, delay=4, filters=92, blocks=5, kernel=3, first=2 * FRAMES)


class PhoneNetwork(Denoising):
    """(batch, bands, frames) -> (batch, phones, 1, steps), as the loss of a map takes it."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__(config, MELS, OUTPUTS)

    def __call__(self, parameters: list[Parameters], x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
        """Compute logits."""
        return super().__call__(parameters, x)[:, :, None]


class RoundedPhoneNetwork(RoundedDenoising):
    """The same with the roundings of int8."""

    def __init__(self, config: DenoiserConfig, grids: tuple[tuple[float, int], ...]) -> None:
        super().__init__(config, MELS, grids, OUTPUTS)

    def __call__(self, parameters: list[Parameters], x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
        """Compute logits."""
        return super().__call__(parameters, x)[:, :, None]


def graph_of(
    config: DenoiserConfig, parameters: Sequence[Parameters], mean: Floats, deviation: Floats, frames: int, name: str
) -> Graph:
    """Return the window form: log-mel frames (bands, frames) in, logits (phones, steps) out.

    Args:
        config: sizes.
        parameters: of the layers.
        mean: of the bands, shape (bands,).
        deviation: of the bands, shape (bands,).
        frames: of the window.
        name: of the graph.
    """
    builder = Builder(name, (MELS, frames))
    centred = builder.op("Sub", builder.input, builder.constant(mean[:, None]))
    value = builder.op("Mul", centred, builder.constant(np.float32(1.0) / deviation[:, None]))
    value = builder.op("Clip", value, builder.number(-REACH), builder.number(REACH))
    builder.stage("scaled", value)
    builder.boundary(value)
    value = PhoneNetwork(config).to_graph(parameters, builder, value, frames)
    return builder.finish({"prediction": (value, "float32", (OUTPUTS, frames // config.hop))})

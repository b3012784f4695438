"""Tiny upscalers with random weights, for tests of upscaling."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewright.compression.int8 import quantise
from edgewright.core.integer.network import marked
from edgewright.graph import restoration_records as restoration
from edgewright.graph.onnx_writer import to_onnx
from edgewright.graph.restoration import UpscalerFile, with_test
from edgewright.graph.restoration_records import RESTORER_VERSION, UpscalerSpec
from edgewright.models.restoration import Learnt, UpscalerConfig, Upscaling, upscaler_graph

SIZES: dict[str, Any] = {"filters": 4, "blocks": 1, "first": 3, "kernel": 3, "taps": 5, "window": 8}


def random_upscaler(
    channels: int = 3,
    *,
    picture: bool = False,
    factor: int = 2,
    seed: int = 0,
    gain: float = 0.1,
    together: bool = False,
) -> UpscalerFile:
    """Return an upscaler whose weights are drawn, those of its interpolation with the deviation `gain`."""
    config, rng = UpscalerConfig(**SIZES), np.random.default_rng(seed)
    factors = (factor, factor) if picture else (1, factor)
    layers = Upscaling(config, factors, channels=channels if together else 1)
    planes, rows = (1, config.taps) if picture else (channels, 1)
    taps = rng.normal(0, gain, (factors[0] * factors[1], rows, config.taps)).astype(np.float32)
    scales = np.linspace([0.5, 0.3], [1.5, 0.6], planes, dtype=np.float32).T
    learnt = Learnt(layers.initialise(rng), taps, *scales)
    graph = upscaler_graph(config, factors, learnt, channels, "tiny")
    x = rng.standard_normal((32, *graph.inputs[0].shape)).astype(np.float32)
    spec = UpscalerSpec(
        version=RESTORER_VERSION, name="tiny", rate=0.0 if picture else 50.0,
        columns=tuple(f"c{i}" for i in range(channels)), factor=factor,  # type: ignore[arg-type]  # 2 or 4
        halo=config.halo, window=config.window, rounding="litert", parameters=1, macs=1.0,
        learnt=restoration.Learnt(
            origin="", held_by="recording", trained=(), validated=(), held_out=(), rows=0, epochs=1, loss=0.0,
            validation_loss=0.0, seed=seed,
        ),
    )  # fmt: skip
    return with_test(UpscalerFile, spec, to_onnx(graph), to_onnx(marked(quantise(graph, x), "litert")), x[:1])

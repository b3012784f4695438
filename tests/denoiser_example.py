"""A tiny denoiser with random weights, and clean signals of several people, for tests of denoising."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewright.compression.int8 import quantise
from edgewright.core.input.riff import wav_bytes
from edgewright.core.integer.network import marked
from edgewright.core.records.data import Floats
from edgewright.graph.onnx_writer import to_onnx
from edgewright.graph.restoration import DenoiserFile, with_test
from edgewright.graph.restoration_records import RESTORER_VERSION, DenoiserSpec, LearntFrom, NoiseRange
from edgewright.models.restoration import REACH, DenoiserConfig, Denoising, denoiser_graph

RATE = 4000
SIZES = {"hop": 4, "delay": 2, "filters": 6, "blocks": 2, "kernel": 3, "first": 10}


def random_denoiser(channels: int = 1, seed: int = 0, **sizes: int) -> DenoiserFile:
    """Return a denoiser whose weights are drawn, with windows of 96 samples or a few frames more."""
    config = DenoiserConfig(**{**SIZES, **sizes})
    rng = np.random.default_rng(seed)
    parameters = Denoising(config, channels).initialise(rng)
    for own in parameters:
        own["bias"] += rng.normal(0, 0.2, own["bias"].shape).astype(np.float32)
    parameters[-1]["weights"] *= np.float32(5.0)
    mean, deviation = np.linspace(-0.2, 0.3, channels), np.linspace(0.5, 1.5, channels)
    samples = -(-96 // config.hop) * config.hop
    graph = denoiser_graph(config, parameters, mean, deviation, samples, "tiny")
    x = rng.standard_normal((32, channels, samples)).astype(np.float32)
    spec = DenoiserSpec(
        version=RESTORER_VERSION, name="tiny", rate=float(RATE), columns=tuple(f"c{i}" for i in range(channels)),
        hop=config.hop, delay=config.hop * config.delay, reach=config.reach, window=samples,
        mean=tuple(float(np.float32(v)) for v in mean), deviation=tuple(float(np.float32(v)) for v in deviation),
        limit=REACH, rounding="litert", parameters=1, macs=1.0,
        learnt=LearntFrom(
            origin="", held_by="recording", trained=(), validated=(), held_out=(), rows=0,
            noise=NoiseRange(kinds=("white",), snr_low=0.0, snr_high=10.0), epochs=1, loss=0.0, validation_loss=0.0,
            seed=seed,
        ),
    )  # fmt: skip
    return with_test(DenoiserFile, spec, to_onnx(graph), to_onnx(marked(quantise(graph, x), "litert")), x[0].T.copy())


def voices(folder: Path, people: int = 6, seconds: float = 0.5) -> Path:
    """WAV files of people who hum tones of their own that come and go."""
    rng = np.random.default_rng(3)
    time = np.arange(round(RATE * seconds)) / RATE
    folder.mkdir()
    for person in range(people):
        tones: Floats = sum(np.sin(2 * np.pi * f * time + rng.uniform(0, 6)) for f in rng.uniform(100, 900, 3)).astype(
            np.float32
        )
        loud = 0.1 * (0.2 + np.sin(np.pi * 3 * time) ** 2)
        (folder / f"person{person}.wav").write_bytes(wav_bytes((tones * loud)[:, None].astype(np.float32), RATE))
    return folder

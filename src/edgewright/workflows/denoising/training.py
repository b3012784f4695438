"""Training a denoiser on pairs of clean and noisy signals: JAX here, int8 for the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgewright.compression.int8 import quantise, ranges_and_grids
from edgewright.core.integer.reader import marked
from edgewright.graph.denoising import DenoiserFile, with_test
from edgewright.graph.onnx_writer import to_onnx
from edgewright.models.denoiser import REACH, DenoiserConfig, Denoising, delayed, framed, graph_of
from edgewright.schema.data import DataSet, Floats
from edgewright.schema.denoise import DENOISER_VERSION, DenoiserSpec, LearntFrom, NoiseRange
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph
from edgewright.schema.trace import EpochRecord
from edgewright.training.loop import Result, Sampled, Settings, train
from edgewright.training.rows import ArrayRows
from edgewright.workflows.denoising.data import (
    Clean,
    NoiseSource,
    Sides,
    clean_recordings,
    noise_sources,
    sides_of,
    windows,
)

_BATCH, _RATE, _LOSS = 8, 6e-3, "signal_to_distortion"
# Windows are at least so many frames, and a few times what an answer depends on.
_FRAMES, _REACHES = 128, 4
_VALIDATION, _CALIBRATION = 0.15, 512
# Change of level in training, in decibels: people and sensors are not equally loud.
_GAIN = (-8.0, 4.0)
# Rows of the test that a file carries.
_TEST_FRAMES = 64
# Of the second training, in which values are rounded as int8 will have them.
_ADAPT_RATE, _ADAPT_SHARE = 1.5e-3, 5
OnEpoch = Callable[[EpochRecord], bool | None]


@dataclass(frozen=True)
class DenoiserRequest:
    """What is asked of a training.

    Attributes:
        noise: kinds, WAV files or folders of them.
        snr: lowest and highest ratio of signal to noise in decibels.
        config: sizes of the network.
        windows: of the training, drawn once.
        epochs: passes over them.
        hold_out: names of groups or recordings; drawn where it is empty.
        seed: of all that is drawn.
        name: name of the denoiser.
    """

    noise: tuple[str, ...]
    snr: tuple[float, float] = (0.0, 20.0)
    config: DenoiserConfig = field(default_factory=DenoiserConfig)
    windows: int = 4000
    epochs: int = 20
    hold_out: tuple[str, ...] = ()
    seed: int = 0
    name: str = "denoiser"


@dataclass(frozen=True)
class Trained:
    """What came of it: the file, who stands on which side, the record of the epochs, and what there is to say."""

    file: DenoiserFile
    sides: Sides
    result: Result
    notes: tuple[str, ...]


def train_denoiser(data: DataSet, request: DenoiserRequest, on_epoch: OnEpoch | None = None) -> Trained:
    """Train a denoiser, makes it int8, and leaves groups or recordings out for `score_denoiser`.

    Args:
        data: clean signals with a rate.
        request: noise and sizes.
        on_epoch: told of every epoch; training ends when it answers True.

    Raises:
        InputError: signals or noise as `denoise_data` refuses them, signals shorter than what an answer depends on,
            or a range of ratios that is none.
    """
    low, high = request.snr
    if not -40.0 <= low <= high <= 100.0:
        raise InputError("a range LOW:HIGH of decibels within -40 and 100", f"{low:g}:{high:g}", "--snr")
    recordings, held_by, notes = clean_recordings(data)
    rate, config = float(data.rate or 0.0), request.config
    longest = max(clean.values.shape[1] for clean in recordings)
    if longest < config.reach:
        raise InputError(f"a clean signal of at least {config.reach:,} samples", f"{longest:,}", data.name,
                         f"An answer depends on {config.reach:,}: use fewer blocks or a shorter hop")  # fmt: skip
    short = sum(clean.values.shape[1] < config.reach for clean in recordings)
    if short:
        notes.append(f"{short} recordings are shorter than the {config.reach:,} samples that an answer depends on")
    sides = sides_of(recordings, held_by, request.hold_out, request.seed)
    sources = noise_sources(request.noise, rate, config.reach)
    samples = max(_FRAMES * config.hop, -(-_REACHES * config.reach // config.hop) * config.hop)
    mean, deviation = _scales(sides)
    pairs = _Pairs(config, sources, rate, samples, request.snr, mean, deviation)
    trained = pairs.sampled(sides.train, request.windows, np.random.default_rng([request.seed, 2]))
    watched = pairs.sampled(sides.validation, max(8, round(_VALIDATION * request.windows)),
                            np.random.default_rng([request.seed, 3]))  # fmt: skip
    layers = Denoising(config, len(mean))
    start = layers.initialise(np.random.default_rng([request.seed, 4]))
    settings = Settings(loss=_LOSS, epochs=request.epochs, batch=min(_BATCH, request.windows), learning_rate=_RATE,
                        schedule="one_cycle", seed=request.seed)  # fmt: skip
    result = train(layers, start, trained, settings, validation=watched, on_epoch=on_epoch)
    raw = pairs.raw(trained)
    ranges, adapted = _adapt(pairs, request, result, raw, trained, watched)
    file = _file(pairs, data, request, sides, (result, adapted), ranges, raw)
    return Trained(file, sides, result, tuple(notes))


def _adapt(
    pairs: _Pairs, request: DenoiserRequest, result: Result, raw: Floats, trained: Sampled, watched: Sampled
) -> tuple[dict[str, tuple[float, float]], Result]:
    """Return ranges of all values, found once, and a shorter training in which they and the weights are rounded."""
    ranges, grids = ranges_and_grids(pairs.graph(result, request.name), raw)
    settings = Settings(
        loss=_LOSS, epochs=max(2, request.epochs // _ADAPT_SHARE), batch=min(_BATCH, request.windows),
        learning_rate=_ADAPT_RATE, schedule="one_cycle", seed=request.seed,
    )  # fmt: skip
    layers = Denoising(pairs.config, len(pairs.mean), grids=grids)
    return ranges, train(layers, result.parameters, trained, settings, validation=watched)


def _scales(sides: Sides) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean of each channel, and its deviation within recordings, over what trains."""
    lengths = np.array([clean.values.shape[1] for clean in sides.train], np.float64)
    means = np.array([clean.values.mean(axis=1, dtype=np.float64) for clean in sides.train])
    powers = np.array([clean.values.var(axis=1, dtype=np.float64) for clean in sides.train])
    share = (lengths / lengths.sum())[:, None]
    deviation = np.sqrt((powers * share).sum(axis=0))
    # A channel that never changes still needs a unit.
    return (means * share).sum(axis=0), np.where(deviation > 0, deviation, 1.0)


@dataclass(frozen=True)
class _Pairs:
    """How pairs of one training are drawn."""

    config: DenoiserConfig
    sources: tuple[NoiseSource, ...]
    rate: float
    samples: int
    snr: tuple[float, float]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    def graph(self, result: Result, name: str) -> Graph:
        """Return the float window form of what was trained."""
        return graph_of(self.config, result.parameters, self.mean, self.deviation, self.samples, name)

    def raw(self, trained: Sampled) -> Floats:
        """Return some training windows as they arrive at the graph, to find ranges on."""
        few = np.arange(min(len(trained.rows), _CALIBRATION), dtype=np.int64)
        return np.asarray(trained.rows.take(few) * self.deviation[:, None] + self.mean[:, None], np.float32)

    def sampled(self, side: tuple[Clean, ...], count: int, rng: np.random.Generator) -> Sampled:
        """Noisy windows in deviations, and the noise of each in frames, late by the delay."""
        clean, noise = windows(side, self.sources, rate=self.rate, samples=self.samples, count=count, snr=self.snr,
                               mean=self.mean, gain=_GAIN, rng=rng)  # fmt: skip
        unit, late = self.deviation[:, None], self.config.delay * self.config.hop
        target = framed(delayed(np.asarray(noise / unit, np.float32), late), self.config.hop)
        noisy = np.clip((clean + noise) / unit, -REACH, REACH)
        return Sampled(ArrayRows(noisy), target, np.ones(count, np.float32))


def _file(
    pairs: _Pairs, data: DataSet, request: DenoiserRequest, sides: Sides, results: tuple[Result, Result],
    ranges: dict[str, tuple[float, float]], raw: Floats,
) -> DenoiserFile:  # fmt: skip
    """Return the float graph, its int8 form, and both in one file."""
    config, mean, deviation = request.config, pairs.mean, pairs.deviation
    first, result = results
    graph = pairs.graph(result, request.name)
    integers = quantise(graph, raw, known=ranges, per_channel="always")
    kept = result.history[result.best_epoch - 1]
    spec = DenoiserSpec(
        version=DENOISER_VERSION, name=request.name, rate=float(data.rate or 0.0),
        columns=tuple(column.name for column in data.columns), hop=config.hop, delay=config.delay * config.hop,
        reach=config.reach, window=pairs.samples, mean=tuple(_single(mean)), deviation=tuple(_single(deviation)),
        limit=REACH, rounding="litert",
        parameters=sum(int(np.size(part)) for own in result.parameters for part in own.values()),
        macs=Denoising(config, len(mean)).macs() / config.hop,
        learnt=LearntFrom(
            origin=data.origin or data.name, held_by=sides.held_by, trained=Sides.units(sides.train),
            validated=Sides.units(sides.validation), held_out=Sides.units(sides.held_out),
            rows=sum(clean.values.shape[1] for clean in sides.train),
            noise=NoiseRange(kinds=tuple(source.name for source in pairs.sources), snr_low=request.snr[0],
                             snr_high=request.snr[1]),
            epochs=len(first.history) + len(result.history), loss=kept.loss,
            validation_loss=kept.loss if kept.validation_loss is None else kept.validation_loss, seed=request.seed,
        ),
    )  # fmt: skip
    test = np.ascontiguousarray(raw[0].T[: _TEST_FRAMES * config.hop])
    return with_test(spec, to_onnx(graph), to_onnx(marked(integers, "litert")), test)


def _single(values: NDArray[np.float64]) -> list[float]:
    """Return numbers that float32 holds, as JSON keeps them."""
    return [float(np.float32(value)) for value in values]

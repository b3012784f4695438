"""Training of a denoiser on pairs of clean and noisy signals: JAX here, int8 for the device."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import RestorationError, UnknownNameError
from edgewright.core.records.data import DataSet, Floats
from edgewright.data.noises import Noise, draw_noise, noise_kind, pieces, read_noise, scaled
from edgewright.graph.restoration import DenoiserFile, with_test
from edgewright.graph.restoration_records import RESTORER_VERSION, DenoiserSpec, LearntFrom, NoiseRange
from edgewright.models.restoration import REACH, DenoiserConfig, Denoising, delayed, denoiser_graph, framed
from edgewright.training.loop import Sampled
from edgewright.training.rows import ArrayRows
from edgewright.workflows.restoration.training import (
    Clean,
    OnEpoch,
    Request,
    Trained,
    adapt,
    clean_recordings,
    count_parameters,
    fit,
    learnt_fields,
    sides_of,
)

# Share of recorded noise, at its end, that is never trained on.
_NOISE_HELD = 0.3
# Windows cut from one mixture.
_MAX_CUTS = 6
_BATCH, _RATE, _ADAPT_RATE, _LOSS = 8, 6e-3, 1.5e-3, "signal_to_distortion"
# A window is at least this many frames, and this many times the reach of the network.
_FRAMES, _REACHES = 128, 4
_VALIDATION, _CALIBRATION = 0.15, 512
# Change of level in training, in decibels: people and sensors are not equally loud.
_GAIN = (-8.0, 4.0)
# Frames of the self-test of a file.
_TEST_FRAMES = 64


@dataclass(frozen=True, kw_only=True)
class DenoiserRequest(Request):
    """Settings of a training.

    Attributes:
        noise: kinds, WAV files or folders of them.
        snr: lowest and highest ratio of signal to noise in decibels.
        config: sizes of the network.
    """

    noise: tuple[str, ...]
    snr: tuple[float, float] = (0.0, 20.0)
    config: DenoiserConfig = field(default_factory=DenoiserConfig)
    windows: int = 4000


@dataclass(frozen=True)
class NoiseSource:
    """A kind of noise, or recorded noise with parts for training and held-out parts."""

    name: str
    train: tuple[Noise, ...] = ()
    held_out: tuple[Noise, ...] = ()

    def draw(self, shape: tuple[int, ...], rate: float, rng: np.random.Generator, *, held_out: bool) -> Noise:
        """Return noise of shape (channels, samples), of any power."""
        recorded = self.held_out if held_out else self.train
        if not recorded:
            return draw_noise(self.name, shape, rate, rng)
        chosen = recorded[int(rng.integers(len(recorded)))]
        # Noise that is shorter than the signal is repeated.
        return pieces(np.tile(chosen, -(-shape[-1] // len(chosen)) + 1), shape, rng)


def noise_sources(lines: tuple[str, ...], rate: float, minimum: int) -> tuple[NoiseSource, ...]:
    """Return noise by kinds, WAV files or folders of them.

    A part of recorded noise is held out: whole files if there are two or more, else the end of the file.

    Args:
        lines: kinds, and paths.
        rate: samples a second.
        minimum: samples that a file must have.

    Raises:
        UnknownNameError: neither a kind nor a path.
        InputError: no noise asked for, or files as `data.noises.read_noise` refuses them.
    """
    sources: list[NoiseSource] = []
    for name in lines:
        path = Path(name)
        if name in noise_kind.known or not path.exists():
            if name not in noise_kind.known:
                raise UnknownNameError("kind of noise", name, noise_kind.known)
            sources.append(NoiseSource(name))
            continue
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() == ".wav") if path.is_dir() else [path]
        if not files:
            raise RestorationError("WAV files of noise", "none", name)
        sounds = [read_noise(str(file), rate, minimum) for file in files]
        if len(sounds) == 1:
            cut = round(len(sounds[0]) * (1 - _NOISE_HELD))
            sounds = [sounds[0][:cut], sounds[0][cut:]]
        whole = max(1, round(len(sounds) * (1 - _NOISE_HELD)))
        whole = min(whole, len(sounds) - 1)
        sources.append(NoiseSource(path.stem or name, tuple(sounds[:whole]), tuple(sounds[whole:])))
    if not sources:
        raise RestorationError(
            "noise", "none", "--noise", f"Known: {', '.join(sorted(noise_kind.known))}, or WAV files"
        )
    return tuple(sources)


def noisy(clean: Floats, noise: Noise, snr: float) -> Floats:
    """Scale noise to add to (channels, samples), each channel at this ratio over the whole recording."""
    return np.asarray(scaled(noise, clean, snr), np.float32)


def windows(
    side: tuple[Clean, ...], sources: tuple[NoiseSource, ...], *, rate: float, samples: int, count: int,
    snr: tuple[float, float], mean: NDArray[np.float64], gain: tuple[float, float], rng: np.random.Generator,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return clean windows less the mean, and the noise of each: (count, channels, samples) twice.

    Noise is drawn for a whole recording and scaled to its power, so that pauses are as noisy as speech; then windows
    are cut at random. A recording that is shorter than a window is followed by silence.

    Args:
        side: recordings.
        sources: of noise.
        rate: samples a second.
        samples: of a window.
        count: windows.
        snr: lowest and highest ratio in decibels.
        mean: of the channels.
        gain: lowest and highest change of level in decibels, of signal and noise together.
        rng: random generator.
    """
    x: list[Floats] = []
    y: list[Floats] = []
    lengths = np.array([clean.values.shape[1] for clean in side], np.float64)
    while len(x) < count:
        clean = side[int(rng.choice(len(side), p=lengths / lengths.sum()))].values
        clean = np.asarray(clean - mean[:, None], np.float32)
        source = sources[int(rng.integers(len(sources)))]
        noise = source.draw(clean.shape, rate, rng, held_out=False)
        added = noisy(clean, noise, float(rng.uniform(*snr)))
        level = np.float32(10.0 ** (rng.uniform(*gain) / 20.0))
        short = samples - clean.shape[1]
        if short > 0:
            clean, added = (np.pad(part, ((0, 0), (0, short))) for part in (clean, added))
        maximum = max(1, min(count - len(x), clean.shape[1] // samples, _MAX_CUTS))
        for begin in rng.integers(0, clean.shape[1] - samples + 1, maximum).tolist():
            x.append(clean[:, begin : begin + samples] * level)
            y.append(added[:, begin : begin + samples] * level)
    return np.stack(x), np.stack(y)


def train_denoiser(data: DataSet, request: DenoiserRequest, on_epoch: OnEpoch | None = None) -> Trained[DenoiserFile]:
    """Train a denoiser, make it int8, and hold groups or recordings out for `score_denoiser`.

    Args:
        data: clean signals with a rate.
        request: noise and sizes.
        on_epoch: called after every epoch; training ends when it returns True.

    Raises:
        InputError: signals or noise as `clean_recordings` and `noise_sources` refuse them, signals shorter than the
            reach of the network, or a range of ratios that is none.
    """
    low, high = request.snr
    if not -40.0 <= low <= high <= 100.0:
        raise RestorationError("a range LOW:HIGH of decibels within -40 and 100", f"{low:g}:{high:g}", "--snr")
    recordings, held_by, notes = clean_recordings(data)
    rate, config = float(data.rate or 0.0), request.config
    longest = max(clean.values.shape[1] for clean in recordings)
    if longest < config.reach:
        raise RestorationError(f"a clean signal of at least {config.reach:,} samples", f"{longest:,}", data.name,
                         f"An answer depends on {config.reach:,}: use fewer blocks or a shorter hop")  # fmt: skip
    if short := sum(clean.values.shape[1] < config.reach for clean in recordings):
        notes.append(f"{short} recordings are shorter than the {config.reach:,} samples that an answer depends on")
    sides = sides_of(recordings, held_by, request)
    sources = noise_sources(request.noise, rate, config.reach)
    samples = max(_FRAMES * config.hop, -(-_REACHES * config.reach // config.hop) * config.hop)
    mean, deviation = _scales(sides.train)
    unit, late = deviation[:, None], config.delay * config.hop

    def sampled(side: tuple[Clean, ...], count: int, seed: int) -> Sampled:
        """Return noisy windows in deviations, and the noise of each in frames, late by the delay."""
        clean, noise = windows(
            side, sources, rate=rate, samples=samples, count=count, snr=request.snr, mean=mean, gain=_GAIN,
            rng=np.random.default_rng([request.seed, seed]),
        )  # fmt: skip
        target = framed(delayed(np.asarray(noise / unit, np.float32), late), config.hop)
        return Sampled(ArrayRows(np.clip((clean + noise) / unit, -REACH, REACH)), target, np.ones(count, np.float32))

    pairs = (
        sampled(sides.train, request.windows, 2),
        sampled(sides.validation, max(8, round(_VALIDATION * request.windows)), 3),
    )
    layers = Denoising(config, len(mean))
    start = layers.initialise(np.random.default_rng([request.seed, 4]))
    result = fit(layers, start, pairs, request, _LOSS, _BATCH, _RATE, on_epoch)
    few = np.arange(min(len(pairs[0].rows), _CALIBRATION), dtype=np.int64)
    raw = np.asarray(pairs[0].rows.take(few) * unit + mean[:, None], np.float32)
    adapted, whole, small = adapt(
        result, lambda fitted: denoiser_graph(config, fitted.parameters, mean, deviation, samples, request.name),
        lambda grids: Denoising(config, len(mean), grids=grids), raw, pairs, request, _LOSS, _BATCH, _ADAPT_RATE,
    )  # fmt: skip
    noise = NoiseRange(kinds=tuple(source.name for source in sources), snr_low=low, snr_high=high)
    spec = DenoiserSpec(
        version=RESTORER_VERSION, name=request.name, rate=rate, columns=tuple(column.name for column in data.columns),
        hop=config.hop, delay=late, reach=config.reach, window=samples, mean=_single(mean),
        deviation=_single(deviation), limit=REACH, rounding="litert", parameters=count_parameters(adapted),
        macs=layers.macs() / config.hop,
        learnt=LearntFrom(noise=noise, **learnt_fields(data, sides, request, result, adapted)),
    )  # fmt: skip
    test = np.ascontiguousarray(raw[0].T[: _TEST_FRAMES * config.hop])
    return Trained(with_test(DenoiserFile, spec, whole, small, test), result, tuple(notes))


def _scales(train: tuple[Clean, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean of each channel, and its deviation within recordings, over the training side."""
    lengths = np.array([clean.values.shape[1] for clean in train], np.float64)
    means = np.array([clean.values.mean(axis=1, dtype=np.float64) for clean in train])
    powers = np.array([clean.values.var(axis=1, dtype=np.float64) for clean in train])
    share = (lengths / lengths.sum())[:, None]
    deviation = np.sqrt((powers * share).sum(axis=0))
    # A channel that never changes still needs a unit.
    return (means * share).sum(axis=0), np.where(deviation > 0, deviation, 1.0)


def _single(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Return numbers that float32 holds, as JSON keeps them."""
    return tuple(float(np.float32(value)) for value in values)

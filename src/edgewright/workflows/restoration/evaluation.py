"""Denoisers and upscalers on held-out signals or pictures, next to filters and interpolation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.signal import istft, savgol_filter, stft

from edgewright.core.errors import RateDiffersError, RestorationError
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.data import DataSet, Floats
from edgewright.core.records.trace import Interval
from edgewright.data.noises import noise_kind
from edgewright.graph.restoration import DenoiserFile, UpscalerFile
from edgewright.graph.restoration_records import (
    DenoiseRow,
    DenoiserSpec,
    DenoiseScore,
    UpscaleRow,
    UpscalerSpec,
    UpscaleScore,
)
from edgewright.models.restoration import Factors, shown
from edgewright.training.metrics import interval_of
from edgewright.workflows.restoration.denoiser import noise_sources, noisy
from edgewright.workflows.restoration.training import Clean, clean_recordings
from edgewright.workflows.restoration.upscaler import BASELINES, PEAK, lowered, originals

# Segments: 30 ms of sound, half a second of slower signals; clamped as usual (P. Loizou, "Speech Enhancement", 2013).
_SOUND, _SEGMENT, _SLOW_SEGMENT = 1000.0, 0.03, 0.5
_LOW, _HIGH = -10.0, 35.0
_TINY = 1e-12
Baseline = Callable[[Floats, float, float], Floats]
# Samples a second from which a signal is sound, with frames of a fixed length in time.
_SPEECH_RATE, _SPEECH_FRAME = 4000.0, 0.032
_FLOOR = 0.1


def snr(clean: Floats, given: Floats) -> float:
    """Power of the clean signal over that of what is left of the noise."""
    signal = _centred(clean)
    return _ratio(float((signal**2).sum()), float(((given - clean).astype(np.float64) ** 2).sum()))


def si_sdr(clean: Floats, given: Floats) -> float:
    """Scale-invariant signal-to-distortion ratio (J. Le Roux et al., "SDR - half-baked or well done?", 2019)."""
    signal, answer = _centred(clean).ravel(), _centred(given).ravel()
    target = signal * (float(answer @ signal) / max(float(signal @ signal), _TINY))
    return _ratio(float((target**2).sum()), float(((answer - target) ** 2).sum()))


def segmental_snr(clean: Floats, given: Floats, rate: float) -> float:
    """Return mean of the ratios of short segments, each held within -10 and 35 dB."""
    length = max(8, round(rate * (_SEGMENT if rate >= _SOUND else _SLOW_SEGMENT)))
    whole = clean.shape[1] // length * length
    if not whole:
        return float(np.clip(snr(clean, given), _LOW, _HIGH))
    signal = _centred(clean)[:, :whole].reshape(len(clean), -1, length)
    error = (given - clean).astype(np.float64)[:, :whole].reshape(len(clean), -1, length)
    ratios = 10.0 * np.log10(((signal**2).sum((0, 2)) + _TINY) / ((error**2).sum((0, 2)) + _TINY))
    return float(np.clip(ratios, _LOW, _HIGH).mean())


def _centred(signal: Floats) -> NDArray[np.float64]:
    wide = signal.astype(np.float64)
    return np.asarray(wide - wide.mean(axis=1, keepdims=True))


def _ratio(signal: float, error: float) -> float:
    return float(10.0 * np.log10((signal + _TINY) / (error + _TINY)))


INT8, FLOAT, ALL = "int8", "float", "all"
Method = Callable[[Floats], Floats]


def score_denoiser(
    denoiser: DenoiserFile, data: DataSet, *, noise: tuple[str, ...] = (), snr_range: tuple[float, float] | None = None,
    seed: int = 0,
) -> DenoiseScore:  # fmt: skip
    """Measure a denoiser and the baselines on groups or recordings that took no part in its training.

    Settings of the baselines are those that are best on the validation recordings. Noise is drawn again; of recorded
    noise the part that never trained is used.

    Args:
        denoiser: the denoiser.
        data: clean signals.
        noise: as of the training, and that of the training when empty.
        snr_range: lowest and highest ratio; that of the training when None.
        seed: seed of the noise.

    Raises:
        InputError: another rate or other channels, people named otherwise than in the training, nothing that is held
            out, or recorded noise of the training that is not named again.
    """
    spec = denoiser.spec
    check_denoiser_fits(spec, data)
    recordings, held_by, _ = clean_recordings(data)
    if held_by != spec.learnt.held_by:
        who = {"group": "the person or machine of each recording", "recording": "recordings without names of people"}
        raise RestorationError(
            f"{who[spec.learnt.held_by]}, as in the training", who[held_by], data.name,
            "Use the same names (--pattern, --group); otherwise the test could include training people",
        )  # fmt: skip
    held_out = _held_out(spec, recordings, data)
    low, high = span = snr_range or (spec.learnt.noise.snr_low, spec.learnt.noise.snr_high)
    recorded = [name for name in spec.learnt.noise.kinds if name not in noise_kind.known]
    if recorded and not noise:
        raise RestorationError(
            f"--noise with the recorded noise {', '.join(recorded)} of the training", "none", "--noise",
            "The denoiser stores only its name: pass it again, with any other noise",
        )  # fmt: skip
    sources = noise_sources(noise or spec.learnt.noise.kinds, spec.rate, spec.reach)
    running, rng = denoiser.start(), np.random.default_rng([seed, 8])
    methods: dict[str, Method] = {INT8: lambda x: running.whole(x.T).T, FLOAT: float_form(denoiser)}
    validation = [clean for clean in recordings if clean.unit in spec.learnt.validated] or held_out[:1]
    mixtures = []
    for clean in validation:
        for source in sources:
            sound = source.draw(clean.values.shape, spec.rate, rng, held_out=False)
            mixtures.append((clean.values, clean.values + noisy(clean.values, sound, float(rng.uniform(*span)))))
    for name, (function, settings) in FILTERS.items():
        means = {
            setting: float(np.mean([snr(x, function(y, spec.rate, setting)) for x, y in mixtures]))
            for setting in (settings if len(settings) > 1 else ())
        }
        best = max(means, key=lambda setting: means[setting]) if means else settings[0]
        methods[name] = lambda x, function=function, best=best: function(x, spec.rate, best)  # type: ignore[misc]
    rng, pairs = np.random.default_rng([seed, 7]), []
    for clean in held_out:
        for source in sources:
            sound = source.draw(clean.values.shape, spec.rate, rng, held_out=True)
            x, y = clean.values, clean.values + noisy(clean.values, sound, float(rng.uniform(*span)))
            before = _figures(x, y, spec.rate)
            gains = {name: _figures(x, method(y), spec.rate) - before for name, method in methods.items()}
            pairs.append((clean.unit, source.name, gains))
    rows: list[DenoiseRow] = []
    for which in (ALL, *(source.name for source in sources)):
        chosen = [(unit, gains) for unit, name, gains in pairs if which in (ALL, name)]
        units = np.array([unit for unit, _ in chosen])
        ours = np.stack([gains[INT8] for _, gains in chosen])
        for name in methods:
            gained = np.stack([gains[name] for _, gains in chosen])
            three = [_mean(units, gained[:, k], "pair") for k in range(3)]
            over = None if name == INT8 else _mean(units, ours[:, 0] - gained[:, 0], "pair")
            rows.append(DenoiseRow(method=name, noise=which, pairs=len(chosen), snr=three[0], si_sdr=three[1],
                                   segmental=three[2], over=over))  # fmt: skip
    return DenoiseScore(
        name=spec.name, recordings=len(held_out), groups=len({clean.unit for clean in held_out}),
        snr_low=low, snr_high=high, rows=tuple(rows), loses=tuple(_loses(rows)), wins=tuple(_wins(rows)),
    )  # fmt: skip


def _held_out(spec: DenoiserSpec | UpscalerSpec, items: Sequence[Clean], data: DataSet) -> list[Clean]:
    """Return the recordings or pictures that neither trained nor validated."""
    known = {*spec.learnt.trained, *spec.learnt.validated}
    held_out = [item for item in items if item.unit not in known]
    if not held_out:
        raise RestorationError("recordings or pictures that the network was not trained on", "none", data.name,
                         f"Held out were: {', '.join(spec.learnt.held_out[:8])}")  # fmt: skip
    return held_out


def _mean(units: np.ndarray, values: Sequence[float] | NDArray[np.float64], by: str) -> Interval:
    """Return the mean with its interval over whole groups."""
    figures = np.asarray(values, np.float64)
    return interval_of(units, len(figures), lambda rows: float(figures[rows].mean()), by=by)


def _figures(clean: Floats, given: Floats, rate: float) -> NDArray[np.float64]:
    return np.array([snr(clean, given), si_sdr(clean, given), segmental_snr(clean, given, rate)])


def check_denoiser_fits(spec: DenoiserSpec, data: DataSet) -> None:
    """Refuse signals of another rate or number of channels.

    Raises:
        InputError: naming both.
    """
    channels = len(data.columns)
    if data.rate != spec.rate:
        got = "rows without a time" if data.rate is None else f"{data.rate:g}"
        raise RateDiffersError(f"{spec.rate:g} samples a second, as the denoiser was trained", got, data.name,
                         "Resample the signals, or train a denoiser at their rate")  # fmt: skip
    if channels != len(spec.columns):
        raise RestorationError(f"{len(spec.columns)} channels ({', '.join(spec.columns)})", str(channels), data.name)


def float_form(denoiser: DenoiserFile) -> Method:
    """Return the float network over recordings (channels, samples), by windows that overlap by its reach."""
    spec = denoiser.spec
    graph = read_onnx(denoiser.float_model)
    run, name = compile_graph(graph), graph.outputs[0].name
    before = -(-(spec.reach + spec.delay) // spec.hop) * spec.hop
    step = spec.window - before

    def denoise(x: Floats) -> Floats:
        samples = x.shape[1]
        # Where a stream begins the network sees zeros, which are the mean; windows further on see what came before.
        first = run(_cut(x, 0, spec)[None])[name][0]
        parts, at = [first], spec.window
        while at < samples + spec.delay:
            parts.append(run(_cut(x, at - before, spec)[None])[name][0][:, before:])
            at += step
        return np.asarray(np.concatenate(parts, axis=1)[:, spec.delay : spec.delay + samples], np.float32)

    return denoise


def _cut(x: Floats, begin: int, spec: DenoiserSpec) -> Floats:
    """Return a window; zeros follow the end, as in a stream that goes on with nothing."""
    part = x[:, begin : begin + spec.window]
    return np.pad(part, ((0, 0), (0, spec.window - part.shape[1])))


def _loses(rows: Sequence[DenoiseRow]) -> list[str]:
    """Where a baseline is better and the interval says so."""
    return [
        f"{row.noise} noise: {row.method} is {-row.over.value:.1f} dB better "
        f"({-row.over.high:.1f} to {-row.over.low:.1f})"
        for row in rows
        if row.over is not None and row.method in FILTERS and row.over.high < 0
    ]


def _wins(rows: Sequence[DenoiseRow]) -> list[str]:
    """Where it is better than every baseline; the nearest one is named."""
    wins = []
    for noise in dict.fromkeys(row.noise for row in rows):
        against = [row for row in rows if row.noise == noise and row.method in FILTERS and row.over is not None]
        if not all(row.over is not None and row.over.low > 0 for row in against):
            continue
        nearest = min(against, key=lambda row: row.over.value if row.over is not None else 0.0)
        over = nearest.over
        if over is not None:
            wins.append(f"{noise} noise: {over.value:.1f} dB better ({over.low:.1f} to {over.high:.1f}) than "
                        f"{nearest.method}, the best of the baselines")  # fmt: skip
    return wins


def moving_average(noisy: Floats, rate: float, setting: float) -> Floats:
    """Return mean of `setting` samples around each, an odd number; it sees as many later ones as earlier ones."""
    del rate
    width = int(setting)
    around = np.pad(noisy, ((0, 0), (width // 2, width // 2)), mode="edge")
    sums = np.cumsum(np.pad(around.astype(np.float64), ((0, 0), (1, 0))), axis=1)
    return np.asarray((sums[:, width:] - sums[:, :-width]) / width, np.float32)


def savitzky_golay(noisy: Floats, rate: float, setting: float) -> Floats:
    """Cubic fit to `setting` samples around each (Savitzky and Golay, 1964), later ones included."""
    del rate
    return np.asarray(savgol_filter(noisy, int(setting), 3, axis=1), np.float32)


def spectral_wiener(noisy: Floats, rate: float, setting: float) -> Floats:
    """Spectral subtraction as a Wiener gain on short frames.

    The noise of a frequency is `setting` times the tenth percentile of its power over the whole recording, later
    frames included; the ratio of signal to noise is smoothed from frame to frame by the decision-directed rule
    (Y. Ephraim and D. Malah, 1984) with a factor of .98. A gain is at least a tenth.
    """
    samples = noisy.shape[1]
    length = int(2 ** round(np.log2(rate * _SPEECH_FRAME))) if rate >= _SPEECH_RATE else 64
    length = max(8, min(length, samples // 2))
    filtered = np.empty_like(noisy)
    for channel in range(len(noisy)):
        mean = float(noisy[channel].mean())
        _, _, parts = stft(noisy[channel] - mean, rate, nperseg=length, noverlap=length * 3 // 4)
        power = np.abs(parts) ** 2
        level = np.maximum(setting * np.quantile(power, 0.1, axis=1), 1e-20)
        gains, before = np.empty_like(power), np.zeros(len(power))
        for frame in range(power.shape[1]):
            after = power[:, frame] / level
            prior = 0.98 * before + 0.02 * np.maximum(after - 1.0, 0.0)
            gains[:, frame] = np.maximum(prior / (1.0 + prior), _FLOOR)
            before = gains[:, frame] ** 2 * after
        _, clean = istft(parts * gains, rate, nperseg=length, noverlap=length * 3 // 4)
        filtered[channel] = clean[:samples] + mean
    return filtered


FILTERS: dict[str, tuple[Baseline, tuple[float, ...]]] = {
    "identity": (lambda noisy, rate, setting: noisy, (0.0,)),
    "moving average": (moving_average, (3, 5, 9, 15)),
    "Savitzky-Golay": (savitzky_golay, (5, 7, 11, 21)),
    "spectral Wiener": (spectral_wiener, (1.0, 2.0, 4.0, 8.0)),
}
"""Function of (noisy (channels, samples), rate, setting), and the settings that are tried on validation."""


def psnr(original: Floats, given: Floats, factors: Factors) -> float:
    """Return the peak signal-to-noise ratio in decibels.

    Of a picture it is that of the luminance of whole bytes, whose peak is 255; of a signal the mean over its channels,
    whose peak is the span of each.
    """
    if factors[0] > 1:
        error = shown(original).astype(np.float64) - shown(np.clip(np.rint(given), 0, PEAK))
        return float(10.0 * np.log10(PEAK**2 / (np.mean(error**2) + _TINY)))
    # A channel that never changes has no peak.
    moving = np.ptp(original, axis=1) > 0
    error = np.mean((original[moving].astype(np.float64) - given[moving]) ** 2, axis=1)
    peak = np.ptp(original[moving], axis=1).astype(np.float64)
    return float(np.mean(10.0 * np.log10((peak**2 + _TINY) / (error + _TINY * peak**2))))


def score_upscaler(upscaler: UpscalerFile, data: DataSet) -> UpscaleScore:
    """Measure an upscaler and interpolations on everything that took no part in its training.

    Args:
        upscaler: the upscaler.
        data: signals at the higher rate, or pictures.

    Raises:
        InputError: another rate or other channels, or nothing that is held out.
    """
    spec = upscaler.spec
    check_upscaler_fits(spec, data)
    items, _, _, factors = originals(data, spec.factor)
    held_out = _held_out(spec, items, data)
    methods: dict[str, Method] = {
        INT8: upscaler.start().whole, "float": upscaler.start("float").whole,
        **{name: partial(raised, factors=factors) for name, raised in BASELINES.items()},
    }  # fmt: skip
    figures: dict[str, list[float]] = {name: [] for name in methods}
    for item in held_out:
        low = lowered(item.values, factors)
        for name, method in methods.items():
            figures[name].append(psnr(item.values, method(low), factors))
    units = np.array([item.unit for item in held_out])
    rows = [
        UpscaleRow(
            method=name, psnr=_mean(units, figures[name], "recording"),
            over=None if name == INT8 else _mean(units, np.subtract(figures[INT8], figures[name]), "recording"),
        )
        for name in methods
    ]  # fmt: skip
    return UpscaleScore(
        name=spec.name, factor=spec.factor, recordings=len(held_out), groups=len(set(units.tolist())), rows=tuple(rows)
    )


def check_upscaler_fits(spec: UpscalerSpec, data: DataSet) -> None:
    """Refuse signals of another rate or other channels.

    Raises:
        InputError: naming both.
    """
    wanted = spec.rate * spec.factor
    if float(data.rate or 0.0) != wanted:
        names = [f"{rate:g} samples a second" if rate else "pictures" for rate in (wanted, float(data.rate or 0.0))]
        raise RestorationError(f"{names[0]}, as the upscaler was trained", names[1], data.name)
    columns = tuple(column.name for column in data.columns)
    if columns != spec.columns:
        raise RestorationError(f"the channels {', '.join(spec.columns)}", ", ".join(columns), data.name,
                         f"Choose them in this order with --columns {','.join(spec.columns)}")  # fmt: skip

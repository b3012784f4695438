"""A denoiser on recordings that were held out, with noise that never trained, beside classical ways to denoise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.core.executor import compile_graph
from edgewright.core.onnx.reader import read_onnx
from edgewright.data.noise import kinds
from edgewright.graph.denoising import DenoiserFile
from edgewright.schema.data import DataSet, Floats
from edgewright.schema.denoise import DenoiseRow, DenoiserSpec, DenoiseScore
from edgewright.schema.errors import InputError
from edgewright.schema.trace import Interval
from edgewright.training.metrics import interval_of
from edgewright.workflows.denoising.baselines import BASELINES
from edgewright.workflows.denoising.data import Clean, NoiseSource, clean_recordings, noise_sources, noisy

# Segments: 30 ms of sound, half a second of slower signals; clamped as usual (P. Loizou, "Speech Enhancement", 2013).
_SOUND, _SEGMENT, _SLOW_SEGMENT = 1000.0, 0.03, 0.5
_LOW, _HIGH = -10.0, 35.0
_TINY = 1e-12


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


@dataclass(frozen=True)
class _Pair:
    """A held-out recording with one noise, and by method the three improvements in decibels."""

    unit: str
    noise: str
    figures: dict[str, tuple[float, float, float]]


def score_denoiser(
    made: DenoiserFile, data: DataSet, *, noise: tuple[str, ...] = (), snr_range: tuple[float, float] | None = None,
    seed: int = 0, most: int = 0,
) -> DenoiseScore:  # fmt: skip
    """Measure a denoiser and the baselines.

    Groups (or recordings) that trained are left out; those that validated choose the baselines' settings; all others
    are held out. Noise is drawn anew; of recorded noise the part that never trained is taken.

    Args:
        made: the denoiser.
        data: clean signals.
        noise: as of the training; that of the training where it is empty.
        snr_range: lowest and highest ratio; that of the training where it is None.
        seed: of the noise.
        most: recordings that are measured at most, 0 for all.

    Raises:
        InputError: another rate or other channels, people named otherwise than in the training, nothing that is held
            out, or recorded noise of the training that is not named again.
    """
    spec = made.spec
    check_fits(spec, data)
    recordings, held_by, _ = clean_recordings(data)
    if held_by != spec.learnt.held_by:
        who = {"group": "the person or machine of each recording", "recording": "recordings without names of people"}
        raise InputError(
            f"{who[spec.learnt.held_by]}, as in the training", who[held_by], data.name,
            "Use the same names (--pattern, --group); otherwise the test could include training people",
        )  # fmt: skip
    known = {*spec.learnt.trained, *spec.learnt.validated}
    held = tuple(clean for clean in recordings if clean.unit not in known)
    if not held:
        raise InputError("recordings that the denoiser was not trained on", "none", data.name,
                         f"Held out were: {', '.join(spec.learnt.held_out[:8])}")  # fmt: skip
    held = held[:most] if most else held
    low, high = snr_range or (spec.learnt.noise.snr_low, spec.learnt.noise.snr_high)
    recorded = [name for name in spec.learnt.noise.kinds if name not in kinds()]
    if recorded and not noise:
        raise InputError(f"--noise with the recorded noise {', '.join(recorded)} of the training", "none", "--noise",
                         "The denoiser stores only its name: pass it again, with any other noise")  # fmt: skip
    sources = noise_sources(noise or spec.learnt.noise.kinds, spec.rate, spec.reach)
    validation = tuple(clean for clean in recordings if clean.unit in spec.learnt.validated)
    methods = _methods(made, validation or held[:1], sources, (low, high), seed)
    rng = np.random.default_rng([seed, 7])
    pairs = [_pair(clean, source, (low, high), spec.rate, methods, rng) for clean in held for source in sources]
    names = [source.name for source in sources]
    rows = [row for which in (ALL, *names) for row in _rows(pairs, which, tuple(methods))]
    return DenoiseScore(
        name=spec.name, recordings=len(held), groups=len({clean.unit for clean in held}), snr_low=low, snr_high=high,
        rows=tuple(rows), loses=tuple(_loses(rows)), wins=tuple(_wins(rows)),
    )  # fmt: skip


def check_fits(spec: DenoiserSpec, data: DataSet) -> None:
    """Refuse signals of another rate or other channels.

    Raises:
        InputError: naming both.
    """
    channels = len(data.columns)
    if data.rate != spec.rate:
        got = "rows without a time" if data.rate is None else f"{data.rate:g}"
        raise InputError(f"{spec.rate:g} samples a second, as the denoiser was trained", got, data.name,
                         "Resample the signals, or train a denoiser at their rate")  # fmt: skip
    if channels != len(spec.columns):
        raise InputError(f"{len(spec.columns)} channels ({', '.join(spec.columns)})", str(channels), data.name)


def _methods(
    made: DenoiserFile, validation: Sequence[Clean], sources: Sequence[NoiseSource], span: tuple[float, float],
    seed: int,
) -> dict[str, Method]:  # fmt: skip
    """All that is compared, by name; settings of baselines are those that are best on validation recordings."""
    spec, running = made.spec, made.start()
    found: dict[str, Method] = {INT8: lambda x: running.whole(x.T).T, FLOAT: float_form(made)}
    rng = np.random.default_rng([seed, 8])
    tried = []
    for clean in validation:
        for source in sources:
            noise = source.draw(clean.values.shape, spec.rate, rng, held_out=False)
            tried.append((clean.values, clean.values + noisy(clean.values, noise, float(rng.uniform(*span)))))
    for name, (function, settings) in BASELINES.items():
        means = {
            setting: float(np.mean([snr(x, function(y, spec.rate, setting)) for x, y in tried]))
            for setting in (settings if len(settings) > 1 else ())
        }
        best = max(means, key=lambda setting: means[setting]) if means else settings[0]
        found[name] = lambda x, function=function, best=best: function(x, spec.rate, best)  # type: ignore[misc]
    return found


def float_form(made: DenoiserFile) -> Method:
    """Return the float network over recordings (channels, samples), by windows that overlap by its reach."""
    spec = made.spec
    graph = read_onnx(made.float_model)
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


def _pair(
    clean: Clean, source: NoiseSource, span: tuple[float, float], rate: float, methods: dict[str, Method],
    rng: np.random.Generator,
) -> _Pair:  # fmt: skip
    x = clean.values
    y = x + noisy(x, source.draw(x.shape, rate, rng, held_out=True), float(rng.uniform(*span)))
    before = _figures(x, y, rate)
    figures = {}
    for name, method in methods.items():
        after = _figures(x, method(y), rate)
        figures[name] = (after[0] - before[0], after[1] - before[1], after[2] - before[2])
    return _Pair(clean.unit, source.name, figures)


def _figures(clean: Floats, given: Floats, rate: float) -> tuple[float, float, float]:
    return snr(clean, given), si_sdr(clean, given), segmental_snr(clean, given, rate)


def _rows(pairs: Sequence[_Pair], which: str, methods: Sequence[str]) -> list[DenoiseRow]:
    chosen = [pair for pair in pairs if which in (ALL, pair.noise)]
    units = np.array([pair.unit for pair in chosen])

    def interval(values: Sequence[float]) -> Interval:
        figures = np.asarray(values, np.float64)
        statistic = lambda rows: float(figures[rows].mean())  # noqa: E731
        return interval_of(units, len(figures), statistic, by="pair")

    made = []
    for method in methods:
        columns = [[pair.figures[method][k] for pair in chosen] for k in range(3)]
        over = None if method == INT8 else [pair.figures[INT8][0] - pair.figures[method][0] for pair in chosen]
        made.append(DenoiseRow(
            method=method, noise=which, pairs=len(chosen), snr=interval(columns[0]), si_sdr=interval(columns[1]),
            segmental=interval(columns[2]), over=None if over is None else interval(over),
        ))  # fmt: skip
    return made


def _loses(rows: Sequence[DenoiseRow]) -> list[str]:
    """Where a baseline is better and the interval says so."""
    return [
        f"{row.noise} noise: {row.method} is {-row.over.value:.1f} dB better "
        f"({-row.over.high:.1f} to {-row.over.low:.1f})"
        for row in rows
        if row.over is not None and row.method in BASELINES and row.over.high < 0
    ]


def _wins(rows: Sequence[DenoiseRow]) -> list[str]:
    """Where it is better than every baseline; the nearest one is named."""
    made = []
    for noise in dict.fromkeys(row.noise for row in rows):
        against = [row for row in rows if row.noise == noise and row.method in BASELINES and row.over is not None]
        if not all(row.over is not None and row.over.low > 0 for row in against):
            continue
        nearest = min(against, key=lambda row: row.over.value if row.over is not None else 0.0)
        over = nearest.over
        if over is not None:
            made.append(f"{noise} noise: {over.value:.1f} dB better ({over.low:.1f} to {over.high:.1f}) than "
                        f"{nearest.method}, the best of the baselines")  # fmt: skip
    return made

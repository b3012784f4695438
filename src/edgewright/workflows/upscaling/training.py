"""Training an upscaler on signals or pictures and their own reductions: JAX here, int8 for the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from scipy.interpolate import CubicSpline

from edgewright.compression.int8 import quantise, ranges_and_grids
from edgewright.core.integer.reader import marked
from edgewright.graph.onnx_writer import to_onnx
from edgewright.graph.upscaling import UpscalerFile, with_test
from edgewright.models.upscaler import (
    REACH,
    Factors,
    Learnt,
    UpscalerConfig,
    Upscaling,
    by_part,
    detail_weights,
    graph_of,
    shown,
)
from edgewright.schema import denoise
from edgewright.schema.data import DataSet, Floats
from edgewright.schema.denoise import UPSCALER_VERSION, UpscalerSpec
from edgewright.schema.errors import InputError
from edgewright.training.loop import Result, Sampled, Settings, train
from edgewright.training.rows import ArrayRows
from edgewright.workflows.denoising.data import Clean, Sides, clean_recordings, sides_of
from edgewright.workflows.denoising.training import OnEpoch

_BATCH, _RATE, _LOSS = 64, 4e-3, "squared_distance"
_VALIDATION, _CALIBRATION = 0.1, 128
# Windows that the linear interpolation is fitted on, and what keeps it from growing, of the power of its inputs.
_LINEAR, _RIDGE = 1000, 1e-6
# Values of the windows of the training, which are in memory several times.
_MOST_VALUES = 1 << 28
# Of the second training, in which values are rounded as int8 will have them.
_ADAPT_RATE, _ADAPT_SHARE = 1e-3, 5


@dataclass(frozen=True)
class UpscalerRequest:
    """What is asked of a training.

    Attributes:
        config: sizes of the network.
        factor: samples, or rows and columns, that come out for each.
        windows: of the training, drawn once.
        epochs: passes over them.
        hold_out: names of groups or recordings; drawn where it is empty.
        seed: of all that is drawn.
        name: name of the upscaler.
    """

    config: UpscalerConfig
    factor: Literal[2, 4] = 2
    windows: int = 8000
    epochs: int = 20
    hold_out: tuple[str, ...] = ()
    seed: int = 0
    name: str = "upscaler"


@dataclass(frozen=True)
class TrainedUpscaler:
    """What came of it: the file, the record of the epochs, and what there is to say."""

    file: UpscalerFile
    result: Result
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Windows:
    """Windows of planes.

    Attributes:
        low: with their halo, shape (n, rows, columns).
        high: what they were lowered from, shape (n, factors, rows, columns).
        plane: number of the plane that each was cut from; None where the rows are the channels of a signal.
    """

    low: Floats
    high: Floats
    plane: np.ndarray | None

    def part(self, values: Floats, plane: int) -> Floats:
        """Return what of values (n, ..., rows, columns) is of a plane, all where no window was cut from it."""
        if self.plane is None:
            return values[..., plane : plane + 1, :]
        own = self.plane == plane
        return values[own] if own.any() else values

    def scales(self, by_plane: Floats) -> Floats:
        """Return numbers of the planes as they multiply values of shape (n, factors, rows, columns)."""
        return by_plane[None, None, :, None] if self.plane is None else by_plane[self.plane][:, None, None, None]


@dataclass(frozen=True)
class _Fit:
    """A network that was trained on one way to see a signal or picture.

    Attributes:
        layers: as a function of parameters and samples.
        learnt: with the parameters.
        samples: of the training.
        validation: of other people.
        result: record of the training.
    """

    layers: Upscaling
    learnt: Learnt
    samples: Sampled
    validation: Sampled
    result: Result


def train_upscaler(data: DataSet, request: UpscalerRequest, on_epoch: OnEpoch | None = None) -> TrainedUpscaler:
    """Train an upscaler, make it int8, and leave groups or recordings out for `score_upscaler`.

    Args:
        data: signals with a rate, or pictures.
        request: factor and sizes.
        on_epoch: told of every epoch; training ends when it answers True.

    Raises:
        InputError: signals or pictures as `originals` refuses them, too few groups, or windows too large for memory.
    """
    config = request.config
    items, held_by, notes, factors = originals(data, request.factor)
    values = request.windows * config.window ** (2 if factors[0] > 1 else 1) * factors[0] * factors[1]
    values *= len(data.columns) if factors[0] == 1 else 1
    if values > _MOST_VALUES:
        raise InputError(f"windows of at most {_MOST_VALUES:,} values in all", f"{values:,}", "--set window",
                         "Use a smaller window, or fewer with --windows")  # fmt: skip
    sides = sides_of(items, held_by, request.hold_out, request.seed)
    fit = _fit(sides, request, factors, len(data.columns), 1, on_epoch)
    if factors[0] == 1 and len(data.columns) > 1:
        fit, note = _better(fit, _fit(sides, request, factors, len(data.columns), len(data.columns), on_epoch), sides,
                            request, factors)  # fmt: skip
        notes = [*notes, note]
    raw = _whole_windows(sides.train, config, factors, np.random.default_rng([request.seed, 5]))
    graph = graph_of(config, factors, fit.learnt, len(data.columns), request.name)
    ranges, grids = ranges_and_grids(graph, raw)
    settings = Settings(
        loss=_LOSS, epochs=max(2, request.epochs // _ADAPT_SHARE), batch=min(_BATCH, request.windows),
        learning_rate=_ADAPT_RATE, schedule="one_cycle", seed=request.seed,
    )  # fmt: skip
    result, layers = fit.result, Upscaling(config, factors, grids, fit.layers.channels)
    adapted = train(layers, result.parameters, fit.samples, settings, validation=fit.validation)
    learnt = _with(fit.learnt, adapted)
    graph = graph_of(config, factors, learnt, len(data.columns), request.name)
    integers = quantise(graph, raw, known=ranges, per_channel="always")
    kept = adapted.history[adapted.best_epoch - 1]
    spec = UpscalerSpec(
        version=UPSCALER_VERSION, name=request.name, rate=float(data.rate or 0.0) / request.factor,
        columns=tuple(column.name for column in data.columns), factor=request.factor, halo=config.halo,
        window=config.window, rounding="litert",
        parameters=sum(int(np.size(part)) for own in adapted.parameters for part in own.values()) + learnt.taps.size,
        macs=layers.macs(),
        learnt=denoise.Learnt(
            origin=data.origin or data.name, held_by=held_by, trained=Sides.units(sides.train),
            validated=Sides.units(sides.validation), held_out=Sides.units(sides.held_out),
            rows=sum(clean.values[0].size for clean in sides.train),
            epochs=len(result.history) + len(adapted.history), loss=kept.loss,
            validation_loss=kept.loss if kept.validation_loss is None else kept.validation_loss, seed=request.seed,
        ),
    )  # fmt: skip
    file = with_test(spec, to_onnx(graph), to_onnx(marked(integers, "litert")), raw[:1])
    return TrainedUpscaler(file, result, tuple(notes))


def _fit(
    sides: Sides, request: UpscalerRequest, factors: Factors, planes: int, channels: int, on_epoch: OnEpoch | None
) -> _Fit:
    """Train the float network; `channels` of a signal of `planes` are seen at once."""
    config, together = request.config, channels > 1
    watched = max(8, round(_VALIDATION * request.windows))
    trained, validation = (
        _cut(side, config, factors, count, np.random.default_rng([request.seed, seed]), together=together)
        for side, count, seed in ((sides.train, request.windows, 2), (sides.validation, watched, 3))
    )
    layers = Upscaling(config, factors, channels=channels)
    learnt = _interpolation(trained, planes if factors[0] == 1 else 1, config, factors)
    start = layers.initialise(np.random.default_rng([request.seed, 4]))
    x, y = (_sampled(windows, learnt, config, factors) for windows in (trained, validation))
    settings = Settings(loss=_LOSS, epochs=request.epochs, batch=min(_BATCH, request.windows), learning_rate=_RATE,
                        schedule="one_cycle", seed=request.seed)  # fmt: skip
    result = train(layers, start, x, settings, validation=y, on_epoch=on_epoch)
    return _Fit(layers, _with(learnt, result), x, y, result)


def _better(alone: _Fit, together: _Fit, sides: Sides, request: UpscalerRequest, factors: Factors) -> tuple[_Fit, str]:
    """Return the network with the smaller error on the same windows of validation people, and both errors in words."""
    config = request.config
    count, rng = max(8, round(_VALIDATION * request.windows)), np.random.default_rng([request.seed, 3])
    windows = _cut(sides.validation, config, factors, count, rng, together=True)
    errors = [_error(fit, windows, together.learnt.missed, config, factors) for fit in (alone, together)]
    chosen, words = (together, "all channels at once") if errors[1] < errors[0] else (alone, "one channel at a time")
    return chosen, (f"the network sees {words}: on validation data the squared error is {errors[0]:.3f} with one at a "
                    f"time and {errors[1]:.3f} with all at once")  # fmt: skip


def _error(fit: _Fit, windows: _Windows, unit: Floats, config: UpscalerConfig, factors: Factors) -> float:
    """Return the mean squared error over windows of all channels, in a unit for each channel."""
    samples = _sampled(windows, fit.learnt, config, factors)
    n, rows = len(samples.rows), len(unit)
    x, wanted = samples.rows.take(np.arange(n)), samples.targets.reshape(n, factors[1], rows, -1)
    x = x if fit.layers.channels > 1 else x.reshape(n * rows, 1, -1)
    given = np.asarray(fit.layers(list(fit.learnt.parameters), x))
    given = (
        given.reshape(wanted.shape)
        if fit.layers.channels > 1
        else (given.reshape(n, rows, factors[1], -1).transpose(0, 2, 1, 3))
    )
    return float(np.mean(np.square((given - wanted) * (fit.learnt.missed / unit)[:, None], dtype=np.float64)))


def _with(learnt: Learnt, result: Result) -> Learnt:
    return Learnt(result.parameters, learnt.taps, learnt.deviation, learnt.missed)


def _padded(low: Floats, config: UpscalerConfig, factors: Factors) -> Floats:
    """Return values with the halo of a window, and what a window needs at least, as `Upscaler.whole` sees them."""
    ends = [(config.halo, config.halo + max(0, config.window - size)) for size in low.shape[1:]]
    if factors[0] == 1:
        ends[0] = (0, 0)
    return np.pad(low, [(0, 0), *ends], mode="edge")


def _cut(
    side: Sequence[Clean],
    config: UpscalerConfig,
    factors: Factors,
    count: int,
    rng: np.random.Generator,
    *,
    together: bool,
) -> _Windows:
    """Windows of planes, or of all channels, as many of a signal or picture as its length says, half turned round.

    What is lowered from a turned signal or picture is its own reduction turned, so both are turned alike.
    """
    sizes = np.array([clean.values[0].size for clean in side], np.float64)
    chosen, many = np.unique(rng.choice(len(side), count, p=sizes / sizes.sum()), return_counts=True)
    lows, highs, planes = [], [], []
    planes_of = (lambda values: values[None]) if together else shown
    for index, times in zip(chosen.tolist(), many.tolist(), strict=True):
        values = side[index].values
        low, high = _padded(planes_of(lowered(values, factors)), config, factors), planes_of(values)
        rows = config.window if factors[0] > 1 else high.shape[1]
        needed = zip(factors, (rows, config.window), high.shape[1:], strict=True)
        around = [(0, max(0, f * n - size)) for f, n, size in needed]
        high = np.pad(high, [(0, 0), *around], mode="edge")
        for _ in range(times):
            plane = int(rng.integers(len(high)))
            top, left = (int(rng.integers(high.shape[1 + i] // f - n + 1))
                         for i, (f, n) in enumerate(zip(factors, (rows, config.window), strict=True)))  # fmt: skip
            halo = 0 if factors[0] == 1 else 2 * config.halo
            x = low[plane, top : top + rows + halo, left : left + config.window + 2 * config.halo]
            y = high[plane, factors[0] * top : factors[0] * (top + rows),
                     factors[1] * left : factors[1] * (left + config.window)]  # fmt: skip
            if rng.random() < 0.5:
                x, y = x[:, ::-1], y[:, ::-1]
            if factors[0] == 1 and rng.random() < 0.5:
                x, y = -x, -y
            elif factors[0] > 1 and rng.random() < 0.5:
                x, y = x.T, y.T
            lows.append(x)
            highs.append(y)
            planes.append(plane)
    return _Windows(np.stack(lows), by_part(np.stack(highs), factors), None if together else np.array(planes))


def _middle(low: Floats, margin: int, config: UpscalerConfig, factors: Factors) -> Floats:
    """Return what lies within a margin of a window."""
    cut = config.halo - margin
    rows = slice(None) if factors[0] == 1 else slice(cut, low.shape[1] - cut)
    return low[:, rows, cut : low.shape[2] - cut]


def _filtered(low: Floats, kernels: Floats) -> Floats:
    """Return sums over what each kernel (filters, rows, columns) sees: (n, filters, *window and what is left)."""
    _, rows, columns = kernels.shape
    height, width = low.shape[1] - rows + 1, low.shape[2] - columns + 1
    answer = np.zeros((len(low), len(kernels), height, width), np.float32)
    for top, left in np.ndindex(rows, columns):
        part = low[:, None, top : top + height, left : left + width]
        answer += part * kernels[:, top, left][:, None, None]
    return answer


def _interpolation(windows: _Windows, planes: int, config: UpscalerConfig, factors: Factors) -> Learnt:
    """Return the linear interpolation with the least squared error that keeps a constant, and the scales."""
    size = (1 if factors[0] == 1 else config.taps, config.taps)
    few = slice(0, _LINEAR)
    seen = _middle(windows.low[few], (config.taps - 1) // 2, config, factors)
    patches = sliding_window_view(seen, size, axis=(1, 2))
    middle = patches[..., size[0] // 2, size[1] // 2]
    inputs = (patches - middle[..., None, None]).reshape(-1, size[0] * size[1]).astype(np.float64)
    wanted = windows.high[few].transpose(0, 2, 3, 1) - middle[..., None]
    wanted = wanted.reshape(len(inputs), -1).astype(np.float64)
    power = inputs.T @ inputs
    taps = np.linalg.solve(power + _RIDGE * max(np.trace(power), 1e-20) * np.eye(len(power)), inputs.T @ wanted)
    taps[len(taps) // 2] += 1.0 - taps.sum(axis=0)
    linear = np.asarray(taps.T.reshape(-1, *size), np.float32)
    learnt = Learnt((), linear, *np.ones((2, 0), np.float32))
    error = windows.high - _linear(windows.low, learnt, config, factors)
    details = _details(windows.low, config, factors)
    deviation, missed = (
        np.array([_deviation(windows.part(values, plane)) for plane in range(planes)], np.float32)
        for values in (details, error)
    )
    return Learnt((), linear, deviation, missed)


def _deviation(values: Floats) -> float:
    """Return the root of the mean square; 1 for a plane that never changes, which still needs a unit."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.any() else 1.0


def _linear(low: Floats, learnt: Learnt, config: UpscalerConfig, factors: Factors) -> Floats:
    return _filtered(_middle(low, (config.taps - 1) // 2, config, factors), learnt.taps)


def _details(low: Floats, config: UpscalerConfig, factors: Factors) -> Floats:
    seen = _middle(low, config.margin + (config.first - 1) // 2, config, factors)
    return _filtered(seen, detail_weights(config, factors)[None])[:, 0]


def _sampled(windows: _Windows, learnt: Learnt, config: UpscalerConfig, factors: Factors) -> Sampled:
    """Return details in deviations, and what the interpolation misses in its own deviation."""
    x = np.clip(_details(windows.low, config, factors) / windows.scales(learnt.deviation)[:, 0], -REACH, REACH)
    y = (windows.high - _linear(windows.low, learnt, config, factors)) / windows.scales(learnt.missed)
    # What lies side by side in a place of a signal, of one channel after the other, are channels of the network.
    x, y = (x, y.reshape(len(y), -1, y.shape[-1])) if factors[0] == 1 else (x[:, None], y)
    return Sampled(ArrayRows(np.ascontiguousarray(x)), np.asarray(y, np.float32), np.ones(len(x), np.float32))


def _whole_windows(side: Sequence[Clean], config: UpscalerConfig, factors: Factors, rng: np.random.Generator) -> Floats:
    """Return some training windows with all channels as they arrive at the graph, to find ranges on."""
    windows = []
    for index in rng.integers(0, len(side), _CALIBRATION).tolist():
        low = lowered(side[index].values, factors)
        flat = low if factors[0] > 1 else low[:, None]
        padded = _padded(flat, config, factors)
        at = [int(rng.integers(size - config.window - 2 * config.halo + 1))
              for size in padded.shape[1 if factors[0] > 1 else 2 :]]  # fmt: skip
        cut = tuple(slice(start, start + config.window + 2 * config.halo) for start in at)
        windows.append(padded[(slice(None), *cut)] if factors[0] > 1 else padded[:, 0][(slice(None), *cut)])
    return np.stack(windows)


# Values of a picture; those of signals are of any size.
PEAK = 255.0


def originals(data: DataSet, factor: int) -> tuple[tuple[Clean, ...], str, list[str], Factors]:
    """Return signals or pictures cut to whole multiples of a factor, what a split holds together, and notes.

    Raises:
        InputError: as `clean_recordings`, or pictures smaller than the factor.
    """
    if data.recordings[0].values.ndim != 4:
        signals, held_by, notes = clean_recordings(data)
        whole = [Clean(c.name, c.unit, c.values[:, : c.values.shape[1] // factor * factor]) for c in signals]
        return tuple(c for c in whole if c.values.size and np.ptp(c.values, axis=1).any()), held_by, notes, (1, factor)
    pictures = []
    grouped = all(recording.groups is not None for recording in data.recordings)
    for recording in data.recordings:
        rows, columns = (side // factor * factor for side in recording.values.shape[2:])
        if not rows or not columns:
            raise InputError(f"pictures of at least {factor} pixels", f"{recording.values.shape[2:]}", data.name)
        for index, values in enumerate(recording.values):
            name = str(recording.sessions[index]) if recording.sessions is not None else f"picture {index + 1}"
            unit = str(recording.groups[index]) if grouped and recording.groups is not None else name
            pictures.append(Clean(name, unit, np.ascontiguousarray(values[:, :rows, :columns])))
    return tuple(pictures), "group" if grouped else "recording", [], (factor, factor)


def _pillow(values: Floats, size: tuple[int, int], method: Image.Resampling) -> Floats:
    """Return a picture of another size (rows, columns) in whole bytes, as Pillow gives it."""
    bands = [Image.fromarray(np.asarray(plane, np.uint8)).resize(size[::-1], method) for plane in values]
    return np.stack([np.asarray(band, np.float32) for band in bands])


def lowered(values: Floats, factors: Factors) -> Floats:
    """Return means of `factor` samples, as a sensor at a lower rate gives them, or Pillow's bicubic reduction."""
    if factors[0] == 1:
        return np.asarray(values.reshape(len(values), -1, factors[1]).mean(axis=2), np.float32)
    rows, columns = values.shape[1] // factors[0], values.shape[2] // factors[1]
    return _pillow(values, (rows, columns), Image.Resampling.BICUBIC)


def _raised(low: Floats, factors: Factors, method: Image.Resampling) -> Floats:
    return _pillow(low, (low.shape[1] * factors[0], low.shape[2] * factors[1]), method)


def _times(low: Floats, factors: Factors) -> tuple[Floats, Floats]:
    """Middles of the means, and the times of the samples."""
    f = factors[1]
    return np.arange(low.shape[1]) * f + (f - 1) / 2, np.arange(low.shape[1] * f)


def cubic(low: Floats, factors: Factors) -> Floats:
    """Return a spline through the samples, or Pillow's bicubic interpolation."""
    if factors[0] > 1:
        return _raised(low, factors, Image.Resampling.BICUBIC)
    before, after = _times(low, factors)
    if low.shape[1] < 2:
        return np.repeat(low, factors[1], axis=1)
    return np.asarray(CubicSpline(before, low, axis=1)(after), np.float32)


def linear(low: Floats, factors: Factors) -> Floats:
    """Return lines between samples, or Pillow's bilinear interpolation."""
    if factors[0] > 1:
        return _raised(low, factors, Image.Resampling.BILINEAR)
    before, after = _times(low, factors)
    return np.stack([np.interp(after, before, channel) for channel in low]).astype(np.float32)


BASELINES: dict[str, Callable[..., Floats]] = {"cubic": cubic, "linear": linear}
"""Functions of what comes in, (channels, ...), and the factors."""

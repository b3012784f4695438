"""Training of an upscaler on signals or pictures and their own reductions: JAX here, int8 for the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from scipy.interpolate import CubicSpline

from edgewright.core.errors import RestorationError
from edgewright.core.records.data import DataSet, Floats
from edgewright.graph import restoration_records as restoration
from edgewright.graph.restoration import UpscalerFile, with_test
from edgewright.graph.restoration_records import RESTORER_VERSION, UpscalerSpec
from edgewright.models.restoration import (
    REACH,
    Factors,
    Learnt,
    UpscalerConfig,
    Upscaling,
    by_part,
    detail_weights,
    shown,
    upscaler_graph,
)
from edgewright.training.loop import Result, Sampled
from edgewright.training.rows import ArrayRows
from edgewright.workflows.restoration.training import (
    Clean,
    OnEpoch,
    Request,
    Sides,
    Trained,
    adapt,
    clean_recordings,
    count_parameters,
    fit,
    learnt_fields,
    sides_of,
)

_BATCH, _RATE, _ADAPT_RATE, _LOSS = 64, 4e-3, 1e-3, "squared_distance"
_VALIDATION, _CALIBRATION = 0.1, 128
# Windows that the linear interpolation is fitted on, and what keeps it from growing, of the power of its inputs.
_LINEAR, _RIDGE = 1000, 1e-6
# Values of the training windows, which are in memory several times.
_MAX_VALUES = 1 << 28
PEAK = 255.0
"""Largest value of a picture."""


@dataclass(frozen=True, kw_only=True)
class UpscalerRequest(Request):
    """Settings of a training: sizes of the network, and the samples, or rows and columns, that come out for each."""

    config: UpscalerConfig
    factor: Literal[2, 4] = 2
    windows: int = 8000


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
    """A network that sees one channel, or all channels, at a time; samples are of training and validation."""

    layers: Upscaling
    learnt: Learnt
    samples: tuple[Sampled, Sampled]
    result: Result


def train_upscaler(data: DataSet, request: UpscalerRequest, on_epoch: OnEpoch | None = None) -> Trained[UpscalerFile]:
    """Train an upscaler, make it int8, and hold groups or recordings out for `score_upscaler`.

    Args:
        data: signals with a rate, or pictures.
        request: factor and sizes.
        on_epoch: called after every epoch; training ends when it returns True.

    Raises:
        InputError: signals or pictures as `originals` refuses them, too few groups, or windows too large for memory.
    """
    config, channels = request.config, len(data.columns)
    items, held_by, notes, factors = originals(data, request.factor)
    values = request.windows * config.window ** (2 if factors[0] > 1 else 1) * factors[0] * factors[1]
    values *= channels if factors[0] == 1 else 1
    if values > _MAX_VALUES:
        raise RestorationError(f"windows of at most {_MAX_VALUES:,} values in all", f"{values:,}", "--set window",
                         "Use a smaller window, or fewer with --windows")  # fmt: skip
    sides = sides_of(items, held_by, request)
    best = _fit(sides, request, factors, channels, 1, on_epoch)
    if factors[0] == 1 and channels > 1:
        together = _fit(sides, request, factors, channels, channels, on_epoch)
        rng, count = np.random.default_rng([request.seed, 3]), max(8, round(_VALIDATION * request.windows))
        windows = _cut(sides.validation, config, factors, count, rng, together=True)
        errors = [_error(each, windows, together.learnt.missed, config, factors) for each in (best, together)]
        best, words = (together, "all channels at once") if errors[1] < errors[0] else (best, "one channel at a time")
        notes.append(f"the network sees {words}: on validation data the squared error is {errors[0]:.3f} with one at a "
                     f"time and {errors[1]:.3f} with all at once")  # fmt: skip
    raw = _whole_windows(sides.train, config, factors, np.random.default_rng([request.seed, 5]))
    result, layers = best.result, best.layers
    adapted, whole, small = adapt(
        result, lambda fitted: upscaler_graph(
            config, factors, replace(best.learnt, parameters=fitted.parameters), channels, request.name
        ),
        lambda grids: Upscaling(config, factors, grids, layers.channels), raw, best.samples, request, _LOSS, _BATCH,
        _ADAPT_RATE,
    )  # fmt: skip
    spec = UpscalerSpec(
        version=RESTORER_VERSION, name=request.name, rate=float(data.rate or 0.0) / request.factor,
        columns=tuple(column.name for column in data.columns), factor=request.factor, halo=config.halo,
        window=config.window, rounding="litert", parameters=count_parameters(adapted) + best.learnt.taps.size,
        macs=layers.macs(), learnt=restoration.Learnt(**learnt_fields(data, sides, request, result, adapted)),
    )  # fmt: skip
    return Trained(with_test(UpscalerFile, spec, whole, small, raw[:1]), result, tuple(notes))


def _fit(
    sides: Sides, request: UpscalerRequest, factors: Factors, planes: int, channels: int, on_epoch: OnEpoch | None
) -> _Fit:
    """Train the float network; `channels` of a signal of `planes` are seen at once."""
    config = request.config
    watched = max(8, round(_VALIDATION * request.windows))
    trained, validation = (
        _cut(side, config, factors, count, np.random.default_rng([request.seed, seed]), together=channels > 1)
        for side, count, seed in ((sides.train, request.windows, 2), (sides.validation, watched, 3))
    )
    layers = Upscaling(config, factors, channels=channels)
    learnt = _interpolation(trained, planes if factors[0] == 1 else 1, config, factors)
    start = layers.initialise(np.random.default_rng([request.seed, 4]))
    samples = _sampled(trained, learnt, config, factors), _sampled(validation, learnt, config, factors)
    result = fit(layers, start, samples, request, _LOSS, _BATCH, _RATE, on_epoch)
    return _Fit(layers, replace(learnt, parameters=result.parameters), samples, result)


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


def _padded(low: Floats, config: UpscalerConfig, factors: Factors) -> Floats:
    """Return values with the halo of a window, and what a window needs at least, as `Upscaler.whole` sees them."""
    ends = [(config.halo, config.halo + max(0, config.window - size)) for size in low.shape[1:]]
    if factors[0] == 1:
        ends[0] = (0, 0)
    return np.pad(low, [(0, 0), *ends], mode="edge")


def _cut(
    side: Sequence[Clean], config: UpscalerConfig, factors: Factors, count: int, rng: np.random.Generator, *,
    together: bool,
) -> _Windows:  # fmt: skip
    """Return windows of planes, or of all channels, in proportion to lengths; half of them are mirrored.

    The reduction of a mirrored signal or picture is its mirrored reduction, so both are mirrored alike.
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
            raise RestorationError(f"pictures of at least {factor} pixels", f"{recording.values.shape[2:]}", data.name)
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
    size = values.shape[1] // factors[0], values.shape[2] // factors[1]
    return _pillow(values, size, Image.Resampling.BICUBIC)


def cubic(low: Floats, factors: Factors) -> Floats:
    """Return a spline through the samples, or Pillow's bicubic interpolation."""
    if factors[0] > 1:
        return _pillow(low, (low.shape[1] * factors[0], low.shape[2] * factors[1]), Image.Resampling.BICUBIC)
    if low.shape[1] < 2:
        return np.repeat(low, factors[1], axis=1)
    before, after = _times(low, factors[1])
    return np.asarray(CubicSpline(before, low, axis=1)(after), np.float32)


def linear(low: Floats, factors: Factors) -> Floats:
    """Return lines between samples, or Pillow's bilinear interpolation."""
    if factors[0] > 1:
        return _pillow(low, (low.shape[1] * factors[0], low.shape[2] * factors[1]), Image.Resampling.BILINEAR)
    before, after = _times(low, factors[1])
    return np.stack([np.interp(after, before, channel) for channel in low]).astype(np.float32)


def _times(low: Floats, factor: int) -> tuple[Floats, Floats]:
    """Return the middles of the means, and the times of the samples."""
    return np.arange(low.shape[1]) * factor + (factor - 1) / 2, np.arange(low.shape[1] * factor)


BASELINES: dict[str, Callable[..., Floats]] = {"cubic": cubic, "linear": linear}
"""Functions of the reduced signal or picture, (channels, ...), and the factors."""

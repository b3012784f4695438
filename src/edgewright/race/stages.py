"""Common stages of pipelines: for plain columns, for features, for windows and for sensors of motion."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
import numpy as np

from edgewright.core.catalogue import listing
from edgewright.core.records.config import PipelineConfig
from edgewright.core.records.data import DataSet, Floats
from edgewright.data.checks_columns import column_of
from edgewright.data.quality import axes, magnitudes
from edgewright.data.series import ColumnSeries, find_series
from edgewright.data.table_proposal import SOUND
from edgewright.data.targets import some_in_memory
from edgewright.preprocessing.series import CHANNEL
from edgewright.race.problem import FEATURES, WINDOWS, Columns, Problem, are_pictures

Table = dict[str, Any]

# Rows and columns of pictures whose colours are counted, at most.
COUNTED_SIDE = 32
# Share of a channel's spread below which the means of windows do not differ.
_STILL = 1e-3
# Windows of many that are looked at for it.
_LOOKED = 2000
# Missing readings are filled on the device, too, even where the data miss none; of sounds, where they miss some.
IMPUTE: Table = {"kind": "impute"}
FILL: Table = {"kind": "fill"}
# Axes of rows: samples and columns.
_ROWS = 2
# All candidates of a problem have the same features.
_KNOWN: WeakKeyDictionary[Problem, tuple[Table, ...]] = WeakKeyDictionary()


def plain_stages(problem: Problem) -> tuple[Table, ...]:
    """Return the stages for plain columns: rows are imputed; windows become statistics per channel.

    The statistics are mean, standard deviation, minimum, maximum and mean absolute difference. Sound becomes mean and
    standard deviation of its MFCCs, because statistics of the waveform carry little information.
    """
    if are_pictures(problem.samples):
        return _picture_stages(problem)
    if problem.samples.X.ndim == 2:
        return (IMPUTE,)
    if is_sound(problem):
        return (*_sound_stages(problem), {"kind": "statistics", "features": ["mean", "std"]})
    return (FILL, {"kind": "statistics", "features": ["mean", "std", "min", "max", "mean_abs_diff"]})


def _picture_stages(problem: Problem) -> tuple[Table, ...]:
    """Return the stage for columns of pictures: histograms of colours, for which some of the pixels are enough."""
    return ({"kind": "colours", "every": -(-max(problem.samples.X.shape[2:]) // COUNTED_SIDE)},)


def is_sound(problem: Problem) -> bool:
    """Return whether samples are a single channel of sound or vibration; such samples use the mel scale."""
    samples = problem.samples
    return bool(samples.rate and samples.rate >= SOUND and samples.X.ndim == 3 and samples.X.shape[1] == 1)


def series_of(problem: Problem) -> ColumnSeries | None:
    """Return the columns of rows that are values one after the other; None for windows and for separate readings."""
    columns, X = problem.samples.columns, problem.samples.X
    return find_series([column.name for column in columns], X) if X.ndim == _ROWS else None


def is_series(problem: Problem) -> bool:
    """Return whether rows are series."""
    return series_of(problem) is not None


def series_stage(problem: Problem) -> Table:
    """Return the stage that makes windows of rows that are series; it names channels but where all columns are one."""
    series = series_of(problem)
    names = tuple(column.name for column in problem.samples.columns)
    own = {} if series is None or series.columns == names else {"channels": list(series.channels)}
    return {"kind": "series", **own}


def windows_of(problem: Problem) -> Floats:
    """Return samples as windows, shape (n, channels, samples): rows that are series as well."""
    X, series = problem.samples.X, series_of(problem)
    if X.ndim != _ROWS:
        return X
    if series is None:
        return X[:, None]
    names = [column.name for column in problem.samples.columns]
    places = [[names.index(name) for name in columns] for columns in series.channels.values()]
    return np.asarray(X[:, places])


def feature_stages(problem: Problem) -> tuple[Table, ...]:
    """Return the stages for inputs of networks: rows are imputed; windows become features for their kind of data."""
    if problem not in _KNOWN:
        _KNOWN[problem] = _feature_stages(problem)
    return _KNOWN[problem]


def _feature_stages(problem: Problem) -> tuple[Table, ...]:
    samples = problem.samples
    if are_pictures(samples):
        return _picture_stages(problem)
    if samples.X.ndim == 2:
        return (IMPUTE,)
    if is_sound(problem):
        return (*_sound_stages(problem), {"kind": "statistics", "features": ["mean", "std", "mean_abs_diff", "slope"]})
    names = [column.name for column in samples.columns]
    return (FILL, *motion_stages(problem.dataset, samples.X.shape[2], names, _level(samples.X, names)))


def shape_stages(problem: Problem) -> tuple[Table, ...]:
    """Return the stages for counts of kernels beside features of windows, or of rows that are series.

    The kernels are on the channels that arrive: only these are rounded alike by Python, ONNX and C.
    """
    samples = problem.samples
    kernels = {"kind": "kernels", "channels": [column.name for column in samples.columns]}
    stages = feature_stages(problem)
    if samples.X.ndim == _ROWS:
        stage, windows = series_stage(problem), windows_of(problem)
        names = stage.get("channels", [CHANNEL])
        stages = (IMPUTE, stage, *series_stages(names, windows, _level(windows, names)))
        kernels = {"kind": "kernels"}
    *before, union = stages
    return (*before, {**union, "parts": [*union["parts"], kernels]})


def _level(X: Floats, names: Sequence[str]) -> list[str]:
    """Return the channels whose mean hardly differs between windows, as where each recording was standardised.

    Scaled to a deviation of one, such a mean would be the rounding of float32, which differs between devices.
    """
    known = np.ma.masked_invalid(np.asarray(some_in_memory(X, _LOOKED), np.float64))
    still = np.ma.filled(known.mean(axis=2).std(axis=0) <= _STILL * known.std(axis=(0, 2)), False)
    return [name for name, level in zip(names, still, strict=True) if level]


def window_stages(problem: Problem, own: tuple[Table, ...]) -> tuple[Table, ...]:
    """Return the stages for windows: those of the pipeline without its features; sound becomes frames of its MFCCs.

    Pictures are taken as they are, too.
    """
    if own:
        features = listing("edgewright.features", "STAGE")
        return tuple(stage for stage in own if stage.get("kind") not in features)
    filled = IMPUTE if problem.samples.X.ndim == 2 else FILL
    if are_pictures(problem.samples):
        return ()
    if is_series(problem):
        return (filled, series_stage(problem))
    return _sound_stages(problem) if is_sound(problem) else (filled,)


def _sound_stages(problem: Problem) -> tuple[Table, ...]:
    """Return the stages for frames of a sound; readings are filled where any recording, tested or not, misses some."""
    whole = all(np.isfinite(recording.values).all() for recording in problem.dataset.recordings)
    return (*(() if whole else (FILL,)), {"kind": "mfcc"})


def config_of(config: PipelineConfig, problem: Problem, columns: Columns) -> PipelineConfig:
    """Return the pipeline with the common stages for plain columns, for features or for windows.

    For features, the stages of the pipeline itself are used where it has any; for windows, those before its features.
    Rungs on plain columns ignore them and use no augmentation. Features of pictures are their plain columns.
    """
    if columns == FEATURES and not are_pictures(problem.samples):
        return msgspec.structs.replace(config, stages=config.stages or feature_stages(problem))
    if columns == WINDOWS:
        return msgspec.structs.replace(config, stages=window_stages(problem, config.stages))
    training = msgspec.structs.replace(config.training, augment=())
    return msgspec.structs.replace(config, stages=plain_stages(problem), training=training)


Noise = float | list[float]
# Lags in rows of the autocorrelation of a window: the shortest is 0.2 s at 20 Hz and half of that at 50 Hz.
_LAGS = (4, 6, 8, 10, 12, 16, 20, 24, 32)
# Noise of a sensor: as a share of gravity (0.02 m/s², typical of watches and phones), and of the spread of any other
# channel.
_OF_GRAVITY, _OF_SPREAD = 0.002, 0.01
# Minimum rows of a window for features of its parts and spectrum, and minimum rows a second for a filter at 0.8 Hz.
_FEWEST_ROWS, _FEWEST_HZ = 32, 4.0
# Edges in Hz of the bands of human movement, from the pipelines `hapt` and `watch`, and the number of equal bands if
# the rate is unknown or too low.
_EDGES_HZ, _FEWEST_BANDS = (0.3, 0.6, 1.0, 1.4, 1.8, 2.2, 3.0, 3.8, 5.0, 6.5, 8.8, 12.7, 25.0), 4
_EQUAL_BANDS = 8
# Median deviation, as a share of the spread, below which a few outliers dominate the spread; resolution of float32.
# A median deviation of normal values is 1 / 1.4826 of their spread.
_GIANTS, _SMALLEST, _NORMAL = 0.1, 1e-4, 1.4826
# Maximum number of channels for features of pairs.
_CORRELATED = 6
# Words in channel names for the measured quantity; the other words name the position of the sensor.
_ACCELERATION = re.compile(r"acc[a-z]*")
# Angles and rotation vectors are not rates, so turning a board changes them in another way.
_ROTATION = re.compile(
    r"(?<![a-z])(?:gyr[a-z]*|rot(?!ation[_\-. ]?vec)[a-z]*|ang(?!le)[a-z]*|omega)[_\-. ]?(?:vel[a-z]*|rate|speed)?"
)
_AXIS = re.compile(r"^(?P<stem>.*?)[_\-. ]?(?P<axis>[xyz])\b")


def motion_stages(
    dataset: DataSet, samples: int, kept: Collection[str] = (), level: Collection[str] = ()
) -> list[Table]:
    """Return the stages that turn windows of a number of rows into features.

    Args:
        dataset: recordings that windows are cut from.
        samples: rows in a window.
        kept: names of the columns that windows have; all columns when empty.
        level: names of columns whose mean is the same in every window and therefore is no feature.
    """
    names = [column.name for column in dataset.columns]
    noise = {name: _noise(column_of(dataset, index)) for index, name in enumerate(names) if not kept or name in kept}
    indices = gravity_axes(dataset, samples)
    if indices is None or not {names[index] for index in indices} <= noise.keys():
        return [{"kind": "union", "parts": _of_channels(noise, samples, dataset.rate, level)}]
    triple = [names[index] for index in indices]
    usual = _rounded(_OF_GRAVITY * float(np.median(magnitudes(dataset, indices))))
    axes_of_body = [f"{name} body" for name in triple]
    lengths = ["body vertical", "body magnitude", "body horizontal"]
    parts = [_strength(axes_of_body, usual, samples), _strength(lengths, usual, samples),
             *_rhythm([*axes_of_body, *lengths], usual, samples, dataset.rate),
             {"kind": "posture", "of": triple, "name": "acceleration"},
             {"kind": "statistics", "features": ["slope"], "signed_log": True, "channels": triple,
              "noise": _rounded(5 * usual)},
             {"kind": "statistics", "features": ["range"], "log": True, "noise": usual,
              "channels": [f"{name} drift" for name in triple]}]  # fmt: skip
    others = {name: size for name, size in noise.items() if name not in triple}
    parts += _of_channels(others, samples, dataset.rate, level) if others else []
    return [{"kind": "gravity", "acceleration": triple}, {"kind": "union", "parts": parts}]


def series_stages(names: Sequence[str], X: Floats, level: Collection[str] = ()) -> list[Table]:
    """Return the stages that turn rows that are series, given as windows X, into features; see `window_features`."""
    noise = {name: _noise(X[:, channel]) for channel, name in enumerate(names)}
    return [{"kind": "union", "parts": _of_channels(noise, X.shape[2], None, level)}]


def gravity_axes(dataset: DataSet, samples: int) -> tuple[int, int, int] | None:
    """Return the channels x, y, z of an accelerometer if the windows are long and fast enough to separate gravity."""
    groups = axes(dataset)
    if not groups or dataset.rate is None or dataset.rate < _FEWEST_HZ or samples < _FEWEST_ROWS:
        return None
    return groups[0][1]


def body_axes(dataset: DataSet, samples: int) -> list[list[int]]:
    """Return the channels x, y, z of the accelerometer that shows gravity, then those of gyroscopes on its board.

    Turning a board turns all of its sensors. A gyroscope belongs to the accelerometer whose name differs only in the
    word for the measured quantity: `wrist_acc_x` and `wrist_gyro_x`.
    """
    indices = gravity_axes(dataset, samples)
    if indices is None:
        return []
    stems: dict[str, dict[str, int]] = {}
    for index, column in enumerate(dataset.columns):
        if match := _AXIS.match(column.name.lower()):
            stems.setdefault(match["stem"], {})[match["axis"]] = index
    boards: dict[str, list[list[int]]] = {}
    own = ""
    for stem, triple in stems.items():
        if len(triple) != 3:
            continue
        channels = [triple[axis] for axis in "xyz"]
        if tuple(channels) == indices:
            own = _board(stem, _ACCELERATION)
        elif _ROTATION.search(stem):
            boards.setdefault(_board(stem, _ROTATION), []).append(channels)
    return [list(indices), *boards.get(own, [])]


def _board(stem: str, measured: re.Pattern[str]) -> str:
    """Return the letters and digits of a name without the word for the measured quantity."""
    return re.sub(r"[^a-z0-9]", "", measured.sub("", stem, count=1))


def _of_channels(noise: dict[str, float], samples: int, rate: float | None, level: Collection[str]) -> list[Table]:
    """Return features of channels: strength, frequency, steadiness and level."""
    sizes = list(noise.values())
    size = sizes[0] if len(set(sizes)) == 1 else sizes
    columns = [_strength(list(noise), size, samples), *_rhythm(list(noise), size, samples, rate)]
    for features, names in ((["mean", "slope"], [name for name in noise if name not in level]),
                            (["slope"], [name for name in noise if name in level])):  # fmt: skip
        sizes = [noise[name] for name in names]
        if names:
            size = sizes[0] if len(set(sizes)) == 1 else sizes
            columns.append({"kind": "statistics", "features": features, "signed_log": True, "channels": names,
                         "noise": size})  # fmt: skip
    return columns


def _strength(channels: list[str], noise: Noise, samples: int) -> Table:
    features: Table = {"kind": "statistics", "features": ["std", "rise", "fall", "skewness"], "log": True}
    if lags := [lag for lag in _LAGS if 3 * lag <= samples]:
        features["autocorrelation"] = lags
    if 1 < len(channels) <= _CORRELATED:
        features["correlations"] = "all"
    return {**features, "channels": channels, "noise": noise}


def _rhythm(channels: list[str], noise: Noise, samples: int, rate: float | None) -> list[Table]:
    if samples < _FEWEST_ROWS:
        return []
    steady = {"kind": "unsteadiness", "parts": 4, "channels": channels, "noise": noise}
    bands: Table = {"bands": _EQUAL_BANDS}
    if rate:
        edges = [_EDGES_HZ[0]]
        for edge in (*_EDGES_HZ[1:], rate / 2):
            if edges[-1] + 1.1 * rate / samples < edge <= rate / 2:
                edges.append(edge)
        bands = {"edges": edges} if len(edges) > _FEWEST_BANDS else {"bands": _FEWEST_BANDS}
    return [{"kind": "spectral", "features": ["bands"], **bands, "channels": channels, "noise": noise}, steady]


def _noise(values: Floats) -> float:
    """Return the noise of a channel as a share of its spread, robust against a few outliers."""
    values = values.astype(np.float64)
    deviation = float(np.nanstd(values))
    usual = _NORMAL * float(np.nanmedian(np.abs(values - np.nanmedian(values))))
    if 0 < usual < _GIANTS * deviation:
        deviation = max(usual, _SMALLEST * deviation)
    return _rounded(_OF_SPREAD * deviation) or 1e-6


def _rounded(value: float) -> float:
    return float(f"{value:.1g}")

"""Common stages of pipelines: for plain columns, for features and for windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
import numpy as np

from edgewright.core.catalogue import listing
from edgewright.core.records.config import PipelineConfig
from edgewright.core.records.data import Floats
from edgewright.data.series import ColumnSeries, find_series
from edgewright.data.table_proposal import SOUND
from edgewright.data.targets import some_in_memory
from edgewright.preprocessing.series import CHANNEL
from edgewright.race.motion import motion_stages, series_stages
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

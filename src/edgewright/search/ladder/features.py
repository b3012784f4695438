"""Common stages of a rung, fitted on training samples only, and their output for all samples."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import numpy as np

from edgewright.core.catalogue import listing
from edgewright.data.framing import SOUND
from edgewright.pipeline.fitting import fit_stages
from edgewright.pipeline.plan import parts
from edgewright.schema.config import PipelineConfig
from edgewright.search.ladder.contract import FEATURES, WINDOWS, Columns, Part
from edgewright.search.problem import Indices, Problem, are_pictures
from edgewright.training.augment import augmented, copying

Table = dict[str, Any]

# Rows and columns of pictures whose colours are counted, at most.
COUNTED_SIDE = 32
# Maximum number of channels for which all pairwise correlations are computed.
MOST_CORRELATED = 12
# Edges in Hz of the frequency bands for movements of people and of slow machines.
_BANDS = (0.3, 0.6, 1.0, 1.4, 1.8, 2.2, 3.0, 3.8, 5.0, 6.5, 8.8, 12.7, 25.0)
_FEWEST_FOR_BANDS = 16
_AXES = re.compile(r"^(?P<vector>.*?)[ _.-]?(?P<axis>[xyz])$", re.IGNORECASE)
_ROTATION = ("gyr", "rot", "omega", "ang")


def plain_stages(problem: Problem) -> tuple[Table, ...]:
    """Return the stages for plain columns: rows are imputed; windows become statistics per channel.

    The statistics are mean, standard deviation, minimum, maximum and mean absolute difference. Sound becomes mean and
    standard deviation of its MFCCs, because statistics of the waveform carry little information.
    """
    if are_pictures(problem.samples):
        return _picture_stages(problem)
    filled: list[Table] = [{"kind": "impute"}] if np.isnan(problem.samples.X).any() else []
    if problem.samples.X.ndim == 2:
        return tuple(filled)
    if _is_sound(problem):
        return (*filled, {"kind": "mfcc"}, {"kind": "statistics", "features": ["mean", "std"]})
    return (*filled, {"kind": "statistics", "features": ["mean", "std", "min", "max", "mean_abs_diff"]})


def _picture_stages(problem: Problem) -> tuple[Table, ...]:
    """Return the stage for columns of pictures: histograms of colours, for which some of the pixels are enough."""
    return ({"kind": "colours", "every": -(-max(problem.samples.X.shape[2:]) // COUNTED_SIDE)},)


def _is_sound(problem: Problem) -> bool:
    """Return whether samples are a single channel of sound or vibration; such samples use the mel scale."""
    samples = problem.samples
    return bool(samples.rate and samples.rate >= SOUND and samples.X.shape[1] == 1)


def feature_stages(problem: Problem) -> tuple[Table, ...]:
    """Return the stages for inputs of networks: rows are imputed; windows become features for their kind of data."""
    samples = problem.samples
    if are_pictures(samples):
        return _picture_stages(problem)
    filled: list[Table] = [{"kind": "impute"}] if np.isnan(samples.X).any() else []
    if samples.X.ndim == 2:
        return tuple(filled)
    channels, length = samples.X.shape[1:]
    names = [column.name for column in samples.columns]
    if _is_sound(problem):
        return (*filled, {"kind": "mfcc"}, {"kind": "statistics", "features": ["mean", "std", "min", "max"]})
    vectors = _vectors(names)
    moving = [v for v in vectors if not v[0].lower().startswith(_ROTATION)]
    if samples.rate and samples.rate <= 4 * _BANDS[-1] and moving and length >= _FEWEST_FOR_BANDS:
        turning = [v for v in vectors if v[0].lower().startswith(_ROTATION)]
        return (*filled, *_motion_features(names, moving[0][1], turning[0][1] if turning else None, samples.rate))
    return (*filled, _generic_features(channels, samples.rate if length >= _FEWEST_FOR_BANDS else None))


def window_stages(problem: Problem, own: tuple[Table, ...]) -> tuple[Table, ...]:
    """Return the stages for windows: those of the pipeline without its features; sound becomes frames of its MFCCs.

    Pictures are taken as they are, too.
    """
    if own:
        features = listing("edgewright.features", "STAGE")
        return tuple(stage for stage in own if stage.get("kind") not in features)
    filled: list[Table] = [{"kind": "impute"}] if np.isnan(problem.samples.X).any() else []
    return (*filled, {"kind": "mfcc"}) if _is_sound(problem) else tuple(filled)


def _vectors(names: list[str]) -> list[tuple[str, tuple[str, str, str]]]:
    """Return the name and the three axis channels of each three-axis sensor."""
    found: dict[str, dict[str, str]] = {}
    for name in names:
        fits = _AXES.match(name)
        if fits:
            found.setdefault(fits["vector"], {})[fits["axis"].lower()] = name
    return [(vector, (axes["x"], axes["y"], axes["z"])) for vector, axes in found.items() if len(axes) == 3]


def _motion_features(
    names: list[str], acceleration: tuple[str, ...], rotation: tuple[str, ...] | None, rate: float
) -> list[Table]:
    """Return the features of the pipeline `hapt`: gravity removal, then statistics, bands, unsteadiness and posture."""
    gravity: Table = {"kind": "gravity", "acceleration": list(acceleration), "cutoff": min(0.8, rate / 8)}
    body = [f"{name} body" for name in acceleration]
    lines = [f"body {kind}" for kind in ("vertical", "magnitude", "horizontal")]
    if rotation is not None:
        gravity["rotation"] = list(rotation)
        body += list(rotation)
        lines += [f"rotation {kind}" for kind in ("vertical", "magnitude", "horizontal")]
    edges = [edge for edge in _BANDS if edge < rate / 2] + [rate / 2]
    others = [name for name in names if name not in acceleration and name not in (rotation or ())]
    parts: list[Table] = [
        {"kind": "statistics", "features": ["std", "rise", "fall", "skewness"], "log": True, "channels": some,
         "correlations": "all"}
        for some in (body, lines)
    ]  # fmt: skip
    parts += [
        {"kind": "spectral", "features": ["bands"], "edges": edges, "channels": [*body, *lines]},
        {"kind": "unsteadiness", "parts": 4, "channels": [*body, *lines]},
        {"kind": "posture", "of": list(acceleration)},
        {
            "kind": "statistics",
            "features": ["range"],
            "log": True,
            "channels": [f"{name} drift" for name in acceleration],
        },
    ]
    if others:
        parts.append({"kind": "statistics", "features": ["mean", "std", "min", "max"], "channels": others})
    return [gravity, {"kind": "union", "parts": parts}]


def _generic_features(channels: int, rate: float | None) -> Table:
    """Return statistics (measures of spread as logarithms), correlations, and band powers where the rate is known."""
    parts: list[Table] = [
        {"kind": "statistics", "features": ["std", "range", "rms", "mean_abs_diff"], "log": True},
        {"kind": "statistics", "features": ["mean", "min", "max", "zero_crossings", "skewness", "kurtosis"],
         "correlations": "all" if 1 < channels <= MOST_CORRELATED else "none"},
    ]  # fmt: skip
    if rate:
        parts.append({"kind": "spectral", "features": ["bands", "peak", "entropy"], "bands": 8})
    return {"kind": "union", "parts": parts}


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


def part_of(problem: Problem, config: PipelineConfig, train: Indices) -> Part:
    """Fit the common stages on `train` and transform all samples.

    Augmented training windows (`training.augment`) pass through the same stages.

    Raises:
        InputError: a stage does not accept the samples.
    """
    samples = msgspec.structs.replace(problem.samples, y=problem.y)
    extra, extra_y = None, np.asarray(problem.y)[:0]
    if copying(config.training.augment):
        windows, origin = augmented(config.training.augment, samples.X[train], config.seed)
        extra, extra_y = windows[len(train) :], np.asarray(problem.y)[train][origin[len(train) :]]
    flow = fit_stages(
        samples, train, parts(config.stages, config.name), problem.task, config.seed, extra, lambda _: None
    )
    # Without stages every fold has the same samples, of which one copy is enough: pictures are large.
    same = not config.stages and isinstance(samples.X, np.ndarray)
    return Part(
        X=samples.X if same else flow.array(np.arange(len(problem.y), dtype=np.int64)),
        names=tuple(flow.context.names),
        train=train,
        extra=None if flow.extra is None else np.asarray(flow.extra, np.float32),
        extra_y=extra_y,
        steps=tuple(flow.steps),
        problem=problem,
        config=config,
    )

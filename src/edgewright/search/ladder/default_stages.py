"""The columns of rungs where a pipeline names none: plain ones for the lower rungs, features for networks.

What a window's features cost is often most of what a model costs (on HAPT 50 of 54 kB), so they belong to the rung.
Rows are their own columns on every rung.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from edgewright.data.framing import SOUND
from edgewright.search.problem import Problem

Table = dict[str, Any]

# More channels have too many pairs for all correlations.
MOST_CORRELATED = 12
# Hz between which the movements of people and of slow machines lie.
_BANDS = (0.3, 0.6, 1.0, 1.4, 1.8, 2.2, 3.0, 3.8, 5.0, 6.5, 8.8, 12.7, 25.0)
_FEWEST_FOR_BANDS = 16
_AXES = re.compile(r"^(?P<vector>.*?)[ _.-]?(?P<axis>[xyz])$", re.IGNORECASE)
_ROTATION = ("gyr", "rot", "omega", "ang")


def plain_stages(problem: Problem) -> tuple[Table, ...]:
    """Rows as they are, missing values filled; of windows mean, deviation, extremes and mean change of each channel.

    Of sound mean and deviation of the coefficients of its spectrum: those of the wave itself say next to nothing.
    """
    filled: list[Table] = [{"kind": "impute"}] if np.isnan(problem.samples.X).any() else []
    if problem.samples.X.ndim == 2:
        return tuple(filled)
    if _is_sound(problem):
        return (*filled, {"kind": "mfcc"}, {"kind": "statistics", "features": ["mean", "std"]})
    return (*filled, {"kind": "statistics", "features": ["mean", "std", "min", "max", "mean_abs_diff"]})


def _is_sound(problem: Problem) -> bool:
    """Whether samples are a single channel of sound or vibration: its bands are on the mel scale."""
    samples = problem.samples
    return bool(samples.rate and samples.rate >= SOUND and samples.X.shape[1] == 1)


def feature_stages(problem: Problem) -> tuple[Table, ...]:
    """What networks are given: rows as they are, of windows the features of their kind."""
    samples = problem.samples
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
        return (*filled, *_motion(names, moving[0][1], turning[0][1] if turning else None, samples.rate))
    return (*filled, _anything(channels, samples.rate if length >= _FEWEST_FOR_BANDS else None))


def _vectors(names: list[str]) -> list[tuple[str, tuple[str, str, str]]]:
    """Channels that are three axes of one sensor: its name, and those of the axes."""
    found: dict[str, dict[str, str]] = {}
    for name in names:
        fits = _AXES.match(name)
        if fits:
            found.setdefault(fits["vector"], {})[fits["axis"].lower()] = name
    return [(vector, (axes["x"], axes["y"], axes["z"])) for vector, axes in found.items() if len(axes) == 3]


def _motion(
    names: list[str], acceleration: tuple[str, ...], rotation: tuple[str, ...] | None, rate: float
) -> list[Table]:
    """As in the pipeline `hapt`: gravity taken off, spreads, bands, repetition, unsteadiness, posture."""
    gravity: Table = {"kind": "gravity", "acceleration": list(acceleration), "cutoff": min(0.8, rate / 8)}
    body = [f"{name} body" for name in acceleration]
    told = [f"body {what}" for what in ("vertical", "magnitude", "horizontal")]
    if rotation is not None:
        gravity["rotation"] = list(rotation)
        body += list(rotation)
        told += [f"rotation {what}" for what in ("vertical", "magnitude", "horizontal")]
    edges = [edge for edge in _BANDS if edge < rate / 2] + [rate / 2]
    others = [name for name in names if name not in acceleration and name not in (rotation or ())]
    parts: list[Table] = [
        {"kind": "statistics", "features": ["std", "rise", "fall", "skewness"], "log": True, "channels": some,
         "correlations": "all"}
        for some in (body, told)
    ]  # fmt: skip
    parts += [
        {"kind": "spectral", "features": ["bands"], "edges": edges, "channels": [*body, *told]},
        {"kind": "unsteadiness", "parts": 4, "channels": [*body, *told]},
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


def _anything(channels: int, rate: float | None) -> Table:
    """Statistics (spreads as logarithms), correlations, and where the rate is known band powers."""
    parts: list[Table] = [
        {"kind": "statistics", "features": ["std", "range", "rms", "mean_abs_diff"], "log": True},
        {"kind": "statistics", "features": ["mean", "min", "max", "zero_crossings", "skewness", "kurtosis"],
         "correlations": "all" if 1 < channels <= MOST_CORRELATED else "none"},
    ]  # fmt: skip
    if rate:
        parts.append({"kind": "spectral", "features": ["bands", "peak", "entropy"], "bands": 8})
    return {"kind": "union", "parts": parts}

"""Signals of the same kind: another sensor, sensor position, speed or strength."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from edgewright.language.synthesis.methods import Method, MethodConfig, Positive, Share, Windows, method
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError
from edgewright.training.augmentations import gain, noise, rotate


class JitterConfig(MethodConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`level`: standard deviation of the noise as a share of the channel's over all windows."""

    level: Positive = 0.05


def apply_jitter(config: JitterConfig, windows: Windows, rng: np.random.Generator) -> Floats:
    """Read by a noisier sensor: add normal noise in proportion to each channel's spread."""
    return noise.apply(noise.NoiseConfig(level=config.level), windows.x, rng)


method("jitter")(Method(JitterConfig, apply_jitter))


def triples(columns: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    """Return the indices of the axes x, y, z of each sensor, judged by names that end so.

    Raises:
        InputError: where there are none.
    """
    indices = {name.lower(): number for number, name in enumerate(columns)}
    triples_of_axes = []
    for name, first in indices.items():
        others = [indices.get(name[:-1] + axis) for axis in "yz"] if name.endswith("x") else [None]
        if None not in others:
            triples_of_axes.append((first, *(index for index in others if index is not None)))
    if not triples_of_axes:
        raise InputError("columns whose names end in x, y and z", ", ".join(columns), "synth rotation")
    return tuple(triples_of_axes)


class RotationConfig(MethodConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`degrees`: largest angle about a random axis."""

    degrees: Annotated[float, msgspec.Meta(gt=0.0, le=180.0)] = 20.0


def apply_rotation(config: RotationConfig, windows: Windows, rng: np.random.Generator) -> Floats:
    """Carry the sensor differently: the axes x, y, z of each sensor are turned together.

    Raises:
        InputError: without columns that are axes.
    """
    groups = triples(windows.columns)
    return rotate.apply(rotate.RotateConfig(groups=groups, degrees=config.degrees), windows.x, rng)


method("rotation")(Method(RotationConfig, apply_rotation))


class ScalingConfig(MethodConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Gains.

    Attributes:
        spread: gains are drawn evenly from 1 - spread to 1 + spread.
        together: one gain for all channels of a window.
    """

    spread: Share = 0.1
    together: bool = False


def apply_scaling(config: ScalingConfig, windows: Windows, rng: np.random.Generator) -> Floats:
    """Read by another sensor of the same kind, or move more: multiply every channel."""
    return gain.apply(gain.GainConfig(spread=config.spread, together=config.together), windows.x, rng)


method("scaling")(Method(ScalingConfig, apply_scaling))


class TimeWarpConfig(MethodConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates.

    Attributes:
        spread: standard deviation of the logarithm of the rate at each knot.
        knots: places at which a rate is drawn; between them it goes evenly.
    """

    spread: Annotated[float, msgspec.Meta(gt=0.0, le=2.0)] = 0.2
    knots: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 4


def apply_time_warp(config: TimeWarpConfig, windows: Windows, rng: np.random.Generator) -> Floats:
    """Move now faster, now slower: time runs along a smooth random curve that never goes back.

    The first and the last sample stay where they are. Um et al., "Data augmentation of wearable sensor data for
    Parkinson's disease monitoring" (ICMI 2017), with log rates.
    """
    count, channels, samples = windows.x.shape
    at = np.linspace(0.0, samples - 1, config.knots)
    warped = np.empty_like(windows.x)
    here = np.arange(samples, dtype=np.float64)
    for n in range(count):
        rates = np.exp(np.interp(here, at, rng.normal(0.0, config.spread, config.knots)))
        location = np.concatenate([[0.0], np.cumsum((rates[1:] + rates[:-1]) / 2)])
        location *= (samples - 1) / max(location[-1], 1e-12)
        for c in range(channels):
            warped[n, c] = np.interp(location, here, windows.x[n, c])
    return warped


method("time_warp")(Method(TimeWarpConfig, apply_time_warp))

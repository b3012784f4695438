"""Signals and pictures, how they look at a lower rate or resolution, and the usual ways back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image
from scipy.interpolate import CubicSpline

from edgewright.models.upscaler import Factors
from edgewright.schema.data import DataSet, Floats
from edgewright.schema.errors import InputError
from edgewright.workflows.denoising.data import Clean, clean_recordings

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

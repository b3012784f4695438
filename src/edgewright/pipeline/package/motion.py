"""Reference of wearers' movements: what devices compare the mounting and gains of a motion sensor with."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.data import Column, DataSet, Samples
from edgewright.core.records.package import MotionReference
from edgewright.data.clock import motion_sensors
from edgewright.monitor.drift.motion_estimates import (
    AT,
    FEWEST,
    STANDARD_GRAVITY,
    TURNING,
    Pieces,
    estimates,
    joined,
    pose,
    structures,
)
from edgewright.monitor.drift.motion_monitor import MotionNames

Array = NDArray[np.float64]
Sums = NDArray[np.void]
FEWEST_UNITS = 8
"""Fewer people, machines or recordings do not show how much they differ."""
# Rows a second at which two seconds are enough rows, and not too many to keep.
_RATES = (10.0, 500.0)
# Units of accelerometers by what 1 g is in them, and how far the size of gravity may lie off.
_GRAVITIES, _NEAR = (1.0, STANDARD_GRAVITY, 1000.0), 0.25
_DEGREES = ("deg/s", "°/s", "dps")
# Wearers are as different as they were seen to be, and a little more: a spread of few of them may be small by chance.
_MORE, _POSE_FLOOR = 1.1, 0.003
# A change that this share of the wearers of training shows is noticed.
_NOTICED = 0.9
# Pieces of a unit at least: 40 s.
_FEWEST_PIECES = 20
# Rows of units as float64 that are held at once; of more units so many are drawn at least.
_UNIT_BYTES, _FEWEST_DRAWN = 2**26, 40


def motion_reference(dataset: DataSet, samples: Samples, rows: NDArray[np.int64]) -> MotionReference | None:
    """Return the reference of a package; None without an accelerometer that feels gravity, few people, or no time.

    Args:
        dataset: recordings.
        samples: cut from them.
        rows: samples that were fitted on; recordings of other people or machines are left out.
    """
    acceleration, rotation = motion_sensors(dataset.columns)
    if not acceleration or dataset.rate is None or not _RATES[0] <= dataset.rate <= _RATES[1]:
        return None
    names = units_of(dataset, samples, rows)
    channels = [*acceleration, *rotation]
    units = [[part[:, channels] for part in parts_of_unit(dataset, name, samples)] for name in names]
    every = np.concatenate([part for unit in units for part in unit])
    parts = iter(np.split(every, np.cumsum([len(part) for unit in units for part in unit])[:-1]))
    units = [[next(parts) for _ in unit] for unit in units]  # no second copy of their rows
    gravity = _gravity(every[:, :3]) if len(units) >= FEWEST_UNITS else None
    if gravity is None:
        return None
    radian = 180 / np.pi if rotation and dataset.columns[rotation[0]].unit in _DEGREES else 1.0
    pieces = Pieces(dataset.rate, gravity, radian)
    sums = [joined([_sums(part, pieces) for part in unit if len(part) >= pieces.rows]) for unit in units]
    sums = [unit for unit in sums if unit["rows"] >= _FEWEST_PIECES * pieces.rows]
    if len(sums) < FEWEST_UNITS:
        return None
    level = float(np.mean([estimates(unit, pieces.lags, 0.0)[0] for unit in sums]))
    seen = np.asarray([estimates(unit, pieces.lags, level) for unit in sums])
    seen = np.where(np.isfinite(seen).sum(0) >= FEWEST_UNITS, seen, 0.0)
    poses = np.asarray([pose(unit, np.eye(3)) for unit in sums if unit["walk"][0] >= FEWEST])
    posed = bool(rotation) and len(poses) >= FEWEST_UNITS
    highest = [float(np.abs(every[:, base : base + 3]).max()) for base in range(0, len(channels), 3)]
    reference = MotionReference(
        units=len(sums),
        acceleration=(acceleration[0], acceleration[1], acceleration[2]),
        rotation=tuple(rotation),
        gravity=gravity,
        radian=float(radian),
        rate=dataset.rate,
        mean=tuple(np.nanmean(seen, axis=0).tolist()),
        spread=tuple((_MORE * np.nanstd(seen, axis=0, ddof=1)).tolist()),
        turning=_inverse(seen[:, TURNING]) if rotation else (),
        pose=tuple(poses.mean(0).tolist()) if posed else (),
        pose_spread=tuple(np.sqrt(poses.var(0, ddof=1) + _POSE_FLOOR).tolist()) if posed else (),
        highest=tuple(highest),
    )
    return msgspec.structs.replace(reference, unnoticed=_unnoticed(reference, dataset.columns, sums))


def _inverse(turning: Array) -> tuple[float, ...]:
    """Return the inverse covariance of a few wearers, whose correlations count a little less than they seem."""
    covariance = _MORE**2 * np.cov(turning.T)
    covariance = 0.9 * covariance + 0.1 * np.diag(np.diag(covariance))
    return tuple(float(number) for number in np.linalg.inv(covariance).ravel())


def _gravity(acceleration: Array) -> float | None:
    """Return what 1 g is in the units of an accelerometer; None where it does not feel gravity."""
    size = float(np.median(np.linalg.norm(acceleration, axis=1)))
    return next((gravity for gravity in _GRAVITIES if abs(size / gravity - 1) <= _NEAR), None)


def _sums(unit: Array, pieces: Pieces) -> Sums:
    whole = len(unit) // pieces.rows
    padded = np.zeros((whole, pieces.rows, 6), np.float32)
    padded[..., : unit.shape[1]] = unit[: whole * pieces.rows].reshape(whole, pieces.rows, -1)
    return pieces.sums(padded)


def _changes(names: list[str]) -> Iterator[tuple[str, str, Array, Array]]:
    """Yield changes in words and as they are named, each with the matrix and the offset of six channels that it is."""
    none = np.zeros(6)

    def on(channels: tuple[int, ...], factor: float) -> Array:
        return np.diag(np.where(np.isin(np.arange(6), channels), factor, 1.0))

    for channel, name in enumerate(names):
        yield f"gain of {name} by 20 %", f"gain of {name}", on((channel,), 1.2), none
    for channel in range(3):
        text = f"offset of {names[channel]}"
        yield f"{text} by 0.2 g", text, np.eye(6), 0.2 * np.eye(6)[channel]
    for base in range(0, len(names), 3):
        text = f"gain of {', '.join(names[base : base + 3])}"
        yield f"{text} by 10 %", text, on((base, base + 1, base + 2), 1.1), none
    if len(names) < 6:
        return
    for structure in structures(tuple(names))[1:]:
        matrix = np.zeros((6, 6))
        matrix[:3, :3], matrix[3:, 3:] = structure.acceleration.T, structure.rotation.T
        yield structure.text, structure.text, matrix, none
    for axis, letter in enumerate("xyz"):
        mirror = np.where(np.arange(3) == axis, -1.0, 1.0)
        yield f"mirrored across {letter}", "mirrored", np.diag([*mirror, *-mirror]), none
        turn = np.eye(3)
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn[[i, j]] = turn[[j, i]] * np.array([[-1.0], [1.0]])
        yield f"turned by 90 degrees about {letter}", "turned", np.asarray(np.kron(np.eye(2), turn), np.float64), none


def _changed(sums: Sums, matrix: Array, offset: Array) -> Sums:
    """Return the sums of changed sensors; each channel becomes one channel times a factor, and an offset."""
    changed = sums.copy()
    acceleration, rotation, shift = matrix[:3, :3], matrix[3:, 3:], offset[:3]
    monomials = np.zeros((7, 7))
    monomials[0, 0] = 1
    monomials[1:4, 0], monomials[1:4, 1:4] = shift, acceleration
    monomials[4:, 0], monomials[4:, 1:4] = shift**2, 2 * shift[:, None] * acceleration
    monomials[4:, 4:] = acceleration**2
    turning = np.zeros((12, 12))
    turning[:3, :3], turning[3:, 3:] = acceleration, np.kron(acceleration, rotation)
    both = np.kron(np.eye(2), matrix)
    changed["size"] = monomials @ sums["size"] @ monomials.T
    changed["turning"] = turning @ sums["turning"] @ turning.T
    changed["movement"] = both @ sums["movement"] @ both.T
    changed["walk"][1:] = acceleration @ sums["walk"][1:] + sums["walk"][0] * shift
    for name in ("floor", "step"):
        # A channel that never changes has no steps.
        changed[name] = np.abs(matrix) @ np.minimum(sums[name], 1e9)
    changed["tops"] = 0
    return changed


def _unnoticed(reference: MotionReference, columns: tuple[Column, ...], sums: list[Sums]) -> tuple[str, ...]:
    """Return the changes that too few wearers of training would show, in words.

    Tried are gains of 20 % (10 % of all axes), offsets of 0.2 g, swapped axes, signs, and ways to wear the sensor.
    """
    channels = (*reference.acceleration, *reference.rotation)
    names = [columns[channel].name for channel in channels]
    naming = MotionNames(reference, names)
    missed = []
    for words, text, matrix, offset in _changes(names):
        named = [naming.name(_changed(unit, matrix, offset)) for unit in sums]
        if sum(change is not None and change.text == text for change in named) < _NOTICED * len(sums):
            missed.append(words)
    if not reference.rotation:
        axes = ", ".join(names)
        missed += [f"swapped axes, signs and another mounting of {axes}: no gyroscope says how it turns"]
    elif 5 * reference.spread[AT["delay"]] > 0.1 * reference.rate:
        missed.append("delay between sensors of 0.1 s")
    return (*missed, "a wrong sampling rate, where rows carry no times")


def units_of(dataset: DataSet, samples: Samples, rows: NDArray[np.int64]) -> list[str]:
    """Return the people, machines or sessions of samples, by name; of more than memory holds some, drawn by chance."""
    names = np.unique((samples.groups if samples.groups is not None else samples.sessions)[rows])
    size = 8 * len(dataset.columns) * sum(len(recording.values) for recording in dataset.recordings)
    count = max(_FEWEST_DRAWN, len(names) * _UNIT_BYTES // size)
    if size > _UNIT_BYTES and count < len(names):
        names = np.sort(np.random.default_rng(0).choice(names, count, replace=False))
    return [str(name) for name in names]


def parts_of_unit(dataset: DataSet, unit: str, samples: Samples) -> list[NDArray[np.float64]]:
    """Return rows of one person, machine or session that miss no value, shape (rows, channels), by recording."""
    parts = []
    for recording in dataset.recordings:
        of = recording.groups if samples.groups is not None else recording.sessions
        mine = np.full(1, recording.name == unit) if of is None else of[: None if any(of.strides) else 1] == unit
        if mine.any():
            values = np.asarray(recording.values[mine] if len(mine) > 1 else recording.values[:], np.float64)
            parts.append(values[np.isfinite(values).all(axis=1)])
    return parts or [np.zeros((0, len(dataset.columns)))]

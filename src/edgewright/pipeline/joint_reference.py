"""The reference of channels together: the products of training, and directions in which faults stand out.

What differs between people or machines of training is no fault. Directions are Fisher's: faults that are worked out on
the moments of training, against the spread of units and a share of the spread within them. How far a unit may lie is
measured on units that were left out of all of this.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as f_distribution

from edgewright.data.row_spool import in_file
from edgewright.monitor.drift.cross_channel import faults, moved, products
from edgewright.schema.data import Column, DataSet, Samples
from edgewright.schema.package import JointReference

Array = NDArray[np.float64]
# Fewer people, machines or recordings do not show how much they differ.
FEWEST_UNITS, MOST_CHANNELS = 8, 16
_DIRECTIONS, _FOLDS, _PIECES, _SHORTEST = 4, 40, 100, 20
# Of the spread within units so much is added to that between them.
_WITHIN = 0.02
# A unit of training lies beyond the limit once in so many.
_BEYOND = 0.01
# A level this many deviations from zero is taken out first.
_FAR = 3.0


@dataclass(frozen=True)
class _Directions:
    """Mean products and directions of some units, with the marks of faults in them, shape (faults, directions)."""

    mean: Array
    directions: Array
    marks: Array


def joint_reference(dataset: DataSet, samples: Samples, rows: NDArray[np.int64]) -> JointReference | None:
    """The reference of a package; None for one channel or very many, few units, or rows without time.

    All rows of the recordings of a unit count, those without a label too: a device sees them.

    Args:
        dataset: recordings.
        samples: cut from them.
        rows: samples that were fitted on; recordings of other people or machines are left out.
    """
    if not 2 <= len(dataset.columns) <= MOST_CHANNELS or dataset.rate is None or in_file(samples.X) is not None:
        return None
    names = (samples.groups if samples.groups is not None else samples.sessions)[rows]
    units = [unit for name in np.unique(names) if len(unit := _rows_of(dataset, str(name), samples)) >= _SHORTEST]
    if len(units) < FEWEST_UNITS:
        return None
    every = np.concatenate(units)
    level, deviation = every.mean(0), every.std(0)
    if (deviation <= 1e-9 * np.maximum(np.abs(level), 1.0)).any():
        return None
    center = np.where(np.abs(level) > _FAR * deviation, level, 0.0).astype(np.float32).astype(np.float64)
    scale = np.sqrt(deviation**2 + (level - center) ** 2).astype(np.float32).astype(np.float64)
    pieces = [_pieces(unit, center, scale) for unit in units]
    whole = _directions(pieces, samples.columns, center, scale, deviation / scale)
    apart = _held_out(pieces, whole, samples.columns, center, scale, deviation / scale)
    found, wide = len(apart), whole.directions.shape[1]
    limit = wide * (found - 1) / (found - wide) * float(f_distribution.ppf(1 - _BEYOND, wide, found - wide))
    # The directions are turned and stretched so that the limit is a distance of 1.
    size, turn = np.linalg.eigh(apart.T @ apart / found)
    directions = whole.directions @ turn / np.sqrt(np.maximum(size, 1e-12) * limit)
    spread = np.std([piece.mean(0) for piece in pieces], axis=0, ddof=1)
    packed = [a.astype("<f4").tobytes() for a in (center, scale, whole.mean)]
    packed += [a.astype("<f2").tobytes() for a in (spread, directions)]
    data = base64.b64encode(b"".join(packed)).decode("ascii")
    seconds = float(np.median([len(unit) for unit in units])) / dataset.rate
    return JointReference(units=found, seconds=seconds, directions=wide, data=data)


def _rows_of(dataset: DataSet, unit: str, samples: Samples) -> Array:
    """Rows of one person, machine or session that miss no value, shape (rows, channels)."""
    made = [np.zeros((0, len(dataset.columns)))]
    for recording in dataset.recordings:
        of = recording.groups if samples.groups is not None else recording.sessions
        mine = np.full(len(recording.values), recording.name == unit) if of is None else of == unit
        if mine.any():
            values = np.asarray(recording.values[mine], np.float64)
            made.append(values[np.isfinite(values).all(axis=1)])
    return np.concatenate(made)


def _pieces(rows: Array, center: Array, scale: Array) -> Array:
    """Mean products of pieces of a unit in its order, shape (pieces, products)."""
    made = []
    for piece in np.array_split((rows - center) / scale, min(_PIECES, len(rows) // 2)):
        one = np.concatenate([np.ones((len(piece), 1)), piece], axis=1)
        made.append(products(one.T @ one / len(one)))
    return np.asarray(made)


def _directions(
    pieces: list[Array], columns: tuple[Column, ...], center: Array, scale: Array, deviation: Array
) -> _Directions:
    means = np.asarray([piece.mean(0) for piece in pieces])
    mean = means.mean(0)
    within = np.mean([np.cov(piece.T) for piece in pieces], axis=0)
    spread = np.cov(means.T) + _WITHIN * within
    spread += 1e-9 * np.trace(spread) / len(spread) * np.eye(len(spread))
    root = np.linalg.cholesky(np.linalg.inv(spread))
    marks = np.asarray([moved(mean, fault.change) for fault in faults(columns, center, scale, deviation)]) @ root
    alike = marks / np.maximum(np.linalg.norm(marks, axis=1, keepdims=True), 1e-12)
    strongest = np.linalg.eigh(alike.T @ alike)[1][:, ::-1][:, :_DIRECTIONS]
    return _Directions(mean, root @ strongest, marks @ strongest)


def _held_out(
    pieces: list[Array], whole: _Directions, columns: tuple[Column, ...], center: Array, scale: Array, deviation: Array
) -> Array:
    """Where each unit lies in directions of the others, turned as those of all, shape (units, directions)."""
    made = []
    for part in np.array_split(np.arange(len(pieces)), min(_FOLDS, len(pieces))):
        others = [piece for index, piece in enumerate(pieces) if index not in part]
        found = _directions(others, columns, center, scale, deviation)
        left, _, right = np.linalg.svd(found.marks.T @ whole.marks)
        made += [(pieces[index].mean(0) - found.mean) @ found.directions @ left @ right for index in part]
    return np.asarray(made)

"""People, machines or recordings of the training data, whose differences say what a device may find usual."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.data import DataSet, Samples

FEWEST_UNITS = 8
"""Fewer people, machines or recordings do not show how much they differ."""


def parts_of_unit(dataset: DataSet, unit: str, samples: Samples) -> list[NDArray[np.float64]]:
    """Return rows of one person, machine or session that miss no value, shape (rows, channels), by recording."""
    parts = []
    for recording in dataset.recordings:
        of = recording.groups if samples.groups is not None else recording.sessions
        mine = np.full(len(recording.values), recording.name == unit) if of is None else of == unit
        if mine.any():
            values = np.asarray(recording.values[mine], np.float64)
            parts.append(values[np.isfinite(values).all(axis=1)])
    return parts or [np.zeros((0, len(dataset.columns)))]

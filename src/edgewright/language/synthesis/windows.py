"""Windows to measure a method on, cut at labels and measured ones only."""

from __future__ import annotations

import numpy as np

from edgewright.data.samples import cut
from edgewright.data.synthetic import measured_only
from edgewright.schema.config import WindowConfig
from edgewright.schema.data import DataSet, Samples
from edgewright.schema.errors import InputError

SOUND = 1000.0
"""Samples a second from which a recording is a sound: one that is shorter than a window is followed by silence."""


def windows_of(data: DataSet, window: int, every: int = 1) -> Samples:
    """Measured windows that do not overlap, with their people.

    Args:
        data: recordings with a rate, labels and people.
        window: rows.
        every: takes the first of so many windows.

    Raises:
        InputError: without a rate or people, or as `data.samples.cut`.
    """
    if not data.rate or any(recording.groups is None for recording in data.recordings):
        raise InputError("recordings with a rate and people", "none", data.name, "Give --time and --group")
    samples, _ = measured_only(cut(data, WindowConfig(samples=window, step=window, pad=data.rate >= SOUND)))
    kept = np.arange(0, len(samples.y), every)
    groups = None if samples.groups is None else samples.groups[kept]
    return Samples(X=samples.X[kept], y=samples.y[kept], groups=groups, sessions=samples.sessions[kept],
                   starts=samples.starts[kept], columns=samples.columns, rate=data.rate)  # fmt: skip

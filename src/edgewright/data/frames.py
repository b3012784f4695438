"""Data sets as Polars frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from edgewright.data.targets import as_text
from edgewright.schema.data import DataSet

ROLES = ("recording", "session", "group", "time", "target")


def to_frame(dataset: DataSet) -> pl.DataFrame:
    """A data set as one frame: the columns of the values, then recording, session, group, time and target.

    Session, group, time and target are there where a recording has them. Missing values are null. A column of the
    values with such a name keeps it and the part gets a trailing underscore.
    """
    names = [column.name for column in dataset.columns]
    text = any(r.target is not None and np.asarray(r.target).dtype.kind == "U" for r in dataset.recordings)
    frames = []
    for recording in dataset.recordings:
        rows = len(recording.values)
        data: dict[str, Any] = {name: recording.values[:, i] for i, name in enumerate(names)}
        target = recording.target
        if target is not None and text:
            target = as_text(target)
        parts: dict[str, Any] = {
            "recording": np.broadcast_to(np.array(recording.name), rows),
            "session": recording.sessions,
            "group": recording.groups,
            "time": recording.time,
            "target": target,
        }
        for role in ROLES:
            if parts[role] is not None:
                part = np.asarray(parts[role])
                data[role + "_" if role in names else role] = part.tolist() if part.dtype.kind == "U" else part
        frames.append(pl.DataFrame(data, nan_to_null=True))
    frame = pl.concat(frames, how="diagonal")
    name = "target_" if "target" in names else "target"
    if text and name in frame.columns:
        frame = frame.with_columns(pl.when(pl.col(name) == "").then(None).otherwise(pl.col(name)).alias(name))
    return frame

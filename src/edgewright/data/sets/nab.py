"""Numenta Anomaly Benchmark: streams of servers, traffic, machines, with windows in which something went wrong.

Layout: `data/<group>/<name>.csv` with `timestamp,value`; `labels/combined_windows.json` with the windows of every
stream. A row inside a window counts as 'anomaly'.
"""

from __future__ import annotations

import fnmatch
from pathlib import Path

import numpy as np
import polars as pl

from edgewright.data.contract import Documented, PublicSet, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.schema.data import DataSet, Recording
from edgewright.schema.errors import InputError


class Config(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Numenta Anomaly Benchmark.

    Attributes:
        streams: patterns such as 'realKnownCause/*'; all streams when left out.
    """

    streams: tuple[str, ...] = ()


def _recording(path: Path, name: str, windows: list[tuple[str, str]]) -> tuple[Recording, float]:
    """Return a stream, and its usual seconds between rows."""
    table = files.read_table(path)
    values = files.numbers(table, ("value",), path)
    time = files.seconds(table, "timestamp", path)
    moments = table["timestamp"].str.to_datetime(time_unit="us")
    inside = np.zeros(len(values), dtype=np.bool_)
    for first, last in windows:
        start, stop = pl.Series([first, last]).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us")
        inside |= ((moments >= start) & (moments <= stop)).to_numpy()
    recording = Recording(
        name=name,
        values=values,
        target=np.where(inside, "anomaly", "normal"),
        groups=files.same(name, len(values)),
        time=time,
    )
    return recording, float(np.median(np.diff(time)))


def _load(config: Config, folder: Path) -> DataSet:
    known = files.need_files(folder, "combined_windows.json")[0]
    windows = files.read_json(known, dict[str, list[tuple[str, str]]], "with windows by stream")
    recordings, steps = [], set()
    for path in files.need_files(folder, "*.csv"):
        name = f"{path.parent.name}/{files.stem(path)}"
        # Folders of results hold CSV files as well; a stream is a file that the windows know.
        if path.parent.parent.name != "data" or name + ".csv" not in windows:
            continue
        if config.streams and not any(fnmatch.fnmatch(name, pattern) for pattern in config.streams):
            continue
        recording, step = _recording(path, name, windows[name + ".csv"])
        recordings.append(recording)
        steps.add(step)
    if not recordings:
        raise InputError("streams named in combined_windows.json", "none", str(folder), "Check data.streams")
    return DataSet(
        name="nab",
        columns=files.columns("", "value"),
        recordings=tuple(recordings),
        rate=1.0 / steps.pop() if len(steps) == 1 else None,
        target_name="state",
        group_name="stream",
    )


SET = PublicSet(
    title="Numenta Anomaly Benchmark: labelled streams",
    homepage="https://github.com/numenta/NAB",
    url="https://github.com/numenta/NAB/archive/HEAD.zip",
    check="58 streams, 365,558 rows, as documented at the origin",
    licence="MIT",
    citation="Ahmad, Lavin, Purdy, Agha: Unsupervised real-time anomaly detection for streaming data. "
    "Neurocomputing 2017. Lavin, Ahmad 2015, arXiv 1510.03336.",
    task="anomalies in streams: 2 classes, split by stream",
    config=Config,
    loader=_load,
    folder="nab",
    marks=("combined_windows.json",),
    documented=(
        Documented("whole set", recordings=58, rows=365_558),
        Documented("plain copy, 40 streams", recordings=40, rows=258_545),
    ),
)

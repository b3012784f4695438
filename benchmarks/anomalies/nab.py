"""The streams and profiles of the Numenta Anomaly Benchmark, as they lie beside the repository."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from alarm_scores import Array, Series, Weights
from benchmarks.table import ROOT

FOLDER = ROOT.parent / "shared" / "data" / "nab"


def profiles(folder: Path = FOLDER) -> dict[str, Weights]:
    """Return the profiles of the benchmark: 'standard', 'reward_low_FP_rate', 'reward_low_FN_rate'."""
    record = json.loads((folder / "config" / "profiles.json").read_text())
    return {
        name: Weights(m["CostMatrix"]["tpWeight"], m["CostMatrix"]["fpWeight"], m["CostMatrix"]["fnWeight"])
        for name, m in record.items()
    }


def streams(folder: Path = FOLDER) -> list[Series]:
    """All streams that lie in the folder, in the order of their names."""
    windows = json.loads((folder / "labels" / "combined_windows.json").read_text())
    streams_read = []
    for path in sorted((folder / "data").rglob("*.csv.gz")):
        name = f"{path.parent.name}/{path.name.removesuffix('.gz')}"
        rows = table(path)
        time = np.asarray([seconds(row["timestamp"]) for row in rows])
        values = np.asarray([float(row["value"]) for row in rows])
        streams_read.append(Series(name, time, values, _rows_of(time, windows[name])))
    return streams_read


def table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a compressed CSV file."""
    with gzip.open(path, "rt", newline="") as file:
        return list(csv.DictReader(file))


def seconds(text: str) -> float:
    """'2014-04-01 00:05:00' in seconds since 1970; the benchmark names no time zone, so that days begin at midnight."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def _rows_of(time: Array, windows: Sequence[Sequence[str]]) -> tuple[tuple[int, int], ...]:
    places = {float(t): row for row, t in reversed(list(enumerate(time)))}
    return tuple((places[seconds(start)], places[seconds(end)]) for start, end in windows)

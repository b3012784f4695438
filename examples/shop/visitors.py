"""People through the door of an office building."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.records.data import DataSet, Recording
from edgewright.data import set_files as files
from edgewright.data.contract import Source, SourceConfig
from edgewright.data.polars import pl

_FLOWS = ("people_in", "people_out")


def _original(path: Path) -> pl.DataFrame:
    """Return the lines of both directions joined to a row for each half hour."""
    table = files.read_table(path, names=("flow", "date", "time", "count"))
    moment = pl.concat_str("date", "time", separator=" ").str.to_datetime("%m/%d/%y %H:%M:%S", strict=False)
    table = table.with_columns(moment.dt.strftime("%Y-%m-%d %H:%M:%S").alias("timestamp"))
    if table["timestamp"].null_count():
        bad = int(table["timestamp"].is_null().arg_true()[0])
        raise InputError("month/day/year and a time", str(table.row(bad)), f"{path} row {bad + 1}")
    ways = [
        table.filter(pl.col("flow") == code).select("timestamp", pl.col("count").alias(name))
        for code, name in (("9", "people_in"), ("7", "people_out"))
    ]
    return ways[0].join(ways[1], on="timestamp", how="full", coalesce=True).sort("timestamp")


def _load_people_counts(config: SourceConfig, folder: Path) -> DataSet:
    """CalIt2: people through the door of an office building, counted in half hours.

    Original: `CalIt2.data`, a line for each direction: `7,07/24/05,00:00:00,0` (7 is out, 9 is in). Plain copy:
    `calit2.csv` with `timestamp,people_in,people_out`.
    """
    path = files.need_files(folder, "calit2.csv", "CalIt2.data")[0]
    table = _original(path) if ".data" in path.name else files.read_table(path)
    recording = Recording(
        name="front_door",
        values=np.asarray(files.numbers(table, _FLOWS, path)),
        time=files.seconds(table, "timestamp", path),
    )
    return DataSet(
        name="people_counts",
        columns=files.columns("people", *_FLOWS, minimum=0.0),
        recordings=(recording,),
        rate=1.0 / 1800.0,
    )


SOURCES: dict[str, Source[Any]] = {
    "people_counts": files.folder_source(
        _load_people_counts,
        origin="https://archive.ics.uci.edu/dataset/156/calit2+building+people+counts",
        licence="UCI states CC BY 4.0 for its collection (unverified)",
        citation="Ihler, Hutchins, Smyth: Adaptive Event Detection with Time-Varying Poisson Processes. KDD 2006.",
    ),
}

"""CalIt2: people through the door of an office building, counted in half hours.

Original: `CalIt2.data`, a line for each direction: `7,07/24/05,00:00:00,0` (7 is out, 9 is in). Plain copy:
`calit2.csv` with `timestamp,people_in,people_out`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from edgewright.data.contract import Documented, PublicSet, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.schema.data import DataSet, Recording
from edgewright.schema.errors import InputError

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


def _load(config: SourceConfig, folder: Path) -> DataSet:
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


SET = PublicSet(
    title="CalIt2 building people counts",
    homepage="https://archive.ics.uci.edu/dataset/156/calit2+building+people+counts",
    url="https://archive.ics.uci.edu/static/public/156/calit2+building+people+counts.zip",
    check="5,040 half hours",
    licence="UCI states CC BY 4.0 for its collection (unverified)",
    citation="Ihler, Hutchins, Smyth: Adaptive Event Detection with Time-Varying Poisson Processes. KDD 2006.",
    task="people in and out: counts to be forecast, no labels",
    loader=_load,
    folder="people-counts",
    marks=("calit2.csv|CalIt2.data",),
    documented=(
        Documented("whole set", recordings=1, rows=5_040),
        Documented("plain copy, 11 weeks", recordings=1, rows=3_696),
    ),
)

"""Series of buildings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgewright.data.contract import PublicSet, SourceConfig
from edgewright.data.polars import pl
from edgewright.data.sets import _files as files
from edgewright.data.sets import facts
from edgewright.schema.data import Column, DataSet, Recording
from edgewright.schema.errors import InputError

OCCUPANCY_COLUMNS = (
    Column(name="temperature", unit="°C"),
    Column(name="humidity", unit="%", minimum=0.0, maximum=100.0),
    Column(name="light", unit="lx", minimum=0.0),
    Column(name="co2", unit="ppm", minimum=0.0),
    Column(name="humidity_ratio", unit="kg/kg", minimum=0.0),
)


def _occupancy_recording(path: Path) -> Recording:
    readings = [c.name for c in OCCUPANCY_COLUMNS]
    table = files.read_table(path, names=("row", "date", *readings, "occupancy"), skip=1)
    occupied = files.numbers(table, ("occupancy",), path)[:, 0]
    return Recording(
        name=files.stem(path),
        values=files.numbers(table, readings, path),
        target=np.where(occupied > 0, "occupied", "empty"),
        time=files.seconds(table, "date", path),
    )


def _load_occupancy(config: SourceConfig, folder: Path) -> DataSet:
    """Occupancy of an office room: temperature, humidity, light, carbon dioxide, once a minute.

    The files have a header of six names and rows of seven values: the first value counts the rows.
    """
    paths = files.need_files(folder, "datatraining.txt", "datatest.txt", "datatest2.txt")
    paths.sort(key=lambda p: (p.name != "datatraining.txt", p.name))
    return DataSet(
        name="occupancy",
        columns=OCCUPANCY_COLUMNS,
        recordings=tuple(_occupancy_recording(p) for p in paths),
        rate=1.0 / 60.0,
        target_name="occupancy",
    )


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


SETS: dict[str, PublicSet[Any]] = {
    "occupancy": PublicSet(**facts("occupancy"), loader=_load_occupancy),
    "people_counts": PublicSet(**facts("people_counts"), loader=_load_people_counts),
}

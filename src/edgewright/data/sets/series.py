"""Series of buildings, transformers and the M4 competition."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgewright.data.contract import PublicSet, SourceConfig
from edgewright.data.polars import pl
from edgewright.data.sets import _files as files
from edgewright.data.sets import facts
from edgewright.schema.data import Column, DataSet, Recording
from edgewright.schema.errors import InputError

LOADS = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL")


class EttConfig(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """ETT.

    Attributes:
        file: 'ETTh1' or 'ETTh2', two transformers.
    """

    file: str = "ETTh1"


def _load_ett(config: EttConfig, folder: Path) -> DataSet:
    """ETT: loads and oil temperature of electricity transformers, hourly for two years.

    Layout: `ETTh1.csv`, `ETTh2.csv` with `date`, six loads and `OT`. Customary parts: 12, 4 and 4 months.
    """
    path = files.need_files(folder, f"{config.file}.csv")[0]
    table = files.read_table(path)
    recording = Recording(
        name=config.file,
        values=files.numbers(table, LOADS, path),
        target=files.numbers(table, ("OT",), path)[:, 0].astype("float64"),
        time=files.seconds(table, "date", path),
    )
    return DataSet(
        name="ett",
        columns=files.columns("", *LOADS),
        recordings=(recording,),
        rate=1.0 / 3600.0,
        target_name="OT",
    )


_SECONDS = {"Hourly": 3600.0, "Weekly": 7 * 86400.0}


class M4Config(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """M4.

    Attributes:
        frequency: 'Hourly' or 'Weekly'.
        part: 'train' or 'test'; the values of test follow those of train (48 hours, 13 weeks).
    """

    frequency: Literal["Hourly", "Weekly"] = "Hourly"
    part: Literal["train", "test"] = "train"


def _load_m4(config: M4Config, folder: Path) -> DataSet:
    """M4 competition: hourly and weekly series of all walks of life, to be forecast.

    Files `Hourly-train.csv`, `Hourly-test.csv` and so on: the name of a series, then its values; lengths differ.
    """
    path = files.need_files(folder, f"{config.frequency}-{config.part}.csv")[0]
    recordings = []
    for number, cells in enumerate(files.read_rows(path), 1):
        # The organisers' files have a header (V1, V2, ...) and pad short series with empty cells.
        if not cells or cells[0] in ("V1", ""):
            continue
        try:
            values = np.array([c for c in cells[1:] if c], dtype=np.float32)
        except ValueError as error:
            raise InputError("numbers after the name of the series", str(error), f"{path} line {number}") from None
        recordings.append(Recording(name=cells[0], values=values[:, None], groups=files.same(cells[0], len(values))))
    return DataSet(
        name="m4",
        columns=files.columns("", "value"),
        recordings=tuple(recordings),
        rate=1.0 / _SECONDS[config.frequency],
        group_name="series",
    )


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
    "ett": PublicSet(**facts("ett"), loader=_load_ett, config=EttConfig),
    "m4": PublicSet(**facts("m4"), loader=_load_m4, config=M4Config),
    "occupancy": PublicSet(**facts("occupancy"), loader=_load_occupancy),
    "people_counts": PublicSet(**facts("people_counts"), loader=_load_people_counts),
}

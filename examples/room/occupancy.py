"""Occupancy of an office room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.data import set_files as files
from edgewright.data.contract import Source, SourceConfig

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


SOURCES: dict[str, Source[Any]] = {
    "occupancy": files.folder_source(
        _load_occupancy,
        origin="https://github.com/LuisM78/Occupancy-detection-data",
        licence="no licence file in the repository; UCI states CC BY 4.0 for its collection (unverified)",
        citation=(
            "Candanedo, Feldheim: Accurate occupancy detection of an office room from light, temperature, humidity "
            "and CO2 measurements using statistical learning models. Energy and Buildings 112 (2016) 28-39."
        ),
    ),
}

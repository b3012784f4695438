"""Occupancy of an office room: temperature, humidity, light, carbon dioxide, once a minute.

The files have a header of six names and rows of seven values: the first value counts the rows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewright.data.contract import Documented, PublicSet, RemoteFile, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.schema.data import Column, DataSet, Recording

COLUMNS = (
    Column(name="temperature", unit="°C"),
    Column(name="humidity", unit="%", minimum=0.0, maximum=100.0),
    Column(name="light", unit="lx", minimum=0.0),
    Column(name="co2", unit="ppm", minimum=0.0),
    Column(name="humidity_ratio", unit="kg/kg", minimum=0.0),
)


def _recording(path: Path) -> Recording:
    readings = [c.name for c in COLUMNS]
    table = files.read_table(path, names=("row", "date", *readings, "occupancy"), skip=1)
    occupied = files.numbers(table, ("occupancy",), path)[:, 0]
    return Recording(
        name=files.stem(path),
        values=files.numbers(table, readings, path),
        target=np.where(occupied > 0, "occupied", "empty"),
        time=files.seconds(table, "date", path),
    )


def _load(config: SourceConfig, folder: Path) -> DataSet:
    paths = files.need_files(folder, "datatraining.txt", "datatest.txt", "datatest2.txt")
    paths.sort(key=lambda p: (p.name != "datatraining.txt", p.name))
    return DataSet(
        name="occupancy",
        columns=COLUMNS,
        recordings=tuple(_recording(p) for p in paths),
        rate=1.0 / 60.0,
        target_name="occupancy",
    )


_RAW = "https://raw.githubusercontent.com/LuisM78/Occupancy-detection-data/HEAD/"

SET = PublicSet(
    title="Occupancy detection of an office room",
    homepage="https://github.com/LuisM78/Occupancy-detection-data",
    files=(
        RemoteFile(
            _RAW + "datatraining.txt", sha256="b2c4d0ce2b9e4e453c476f7125ef31aeec2d1f5c7f5572d0e80de3df6521ab56"
        ),
        RemoteFile(_RAW + "datatest.txt", sha256="1b92c7c1b2838963464fa891a610cf3c5db4becb7189189b29b330107a584c7f"),
        RemoteFile(_RAW + "datatest2.txt", check="9,752 rows"),
    ),
    licence="no licence file in the repository; UCI states CC BY 4.0 for its collection (unverified)",
    citation="Candanedo, Feldheim: Accurate occupancy detection of an office room from light, temperature, humidity "
    "and CO2 measurements using statistical learning models. Energy and Buildings 112 (2016) 28-39.",
    task="room occupancy: 2 classes, five readings in a row, a row a minute, split by recording",
    loader=_load,
    folder="occupancy",
    marks=("datatraining.txt", "datatest.txt"),
    file="datatest.txt",
    documented=(
        Documented("whole set", recordings=3, rows=20_560),
        Documented(
            "plain copy, datatraining and datatest",
            recordings=2,
            rows=10_808,
            classes=(("empty", 8_107), ("occupied", 2_701)),
        ),
    ),
)

"""SKAB: a testbed in which water circulates; valves are closed, the pump is disturbed, once a second.

Layout: `anomaly-free/anomaly-free.csv` (no labels) and `valve1`, `valve2`, `other` with `N.csv`, separated by `;`,
columns `anomaly` and `changepoint` of 0 and 1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewright.data.contract import Documented, PublicSet, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.schema.data import Column, DataSet, Recording

# column in the files -> name and unit
READINGS = {
    "Accelerometer1RMS": Column(name="accelerometer_1_rms", unit="g", minimum=0.0),
    "Accelerometer2RMS": Column(name="accelerometer_2_rms", unit="g", minimum=0.0),
    "Current": Column(name="current", unit="A"),
    "Pressure": Column(name="pressure", unit="bar"),
    "Temperature": Column(name="temperature", unit="°C"),
    "Thermocouple": Column(name="thermocouple", unit="°C"),
    "Voltage": Column(name="voltage", unit="V"),
    "Volume Flow RateRMS": Column(name="flow_rms", unit="l/min"),
}


class Config(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SKAB.

    Attributes:
        anomaly_free: whether the recording without labels is loaded as well; its rows are unlabelled.
    """

    anomaly_free: bool = True


def _recording(path: Path) -> Recording:
    table = files.read_table(path, separator=";")
    target = None
    if "anomaly" in table.columns:
        target = np.where(files.numbers(table, ("anomaly",), path)[:, 0] > 0, "anomaly", "normal")
    return Recording(
        name=f"{path.resolve().parent.name}/{files.stem(path)}",
        values=files.numbers(table, tuple(READINGS), path),
        target=target,
        time=files.seconds(table, "datetime", path),
    )


def _load(config: Config, folder: Path) -> DataSet:
    kinds = ("valve1", "valve2", "other", *(("anomaly-free",) if config.anomaly_free else ()))
    # A file that is named alone lies in the folder itself.
    paths = [p for p in files.need_files(folder, "*.csv") if p.parent.name in kinds or p.is_symlink()]
    return DataSet(
        name="skab",
        columns=tuple(READINGS.values()),
        recordings=tuple(_recording(p) for p in paths),
        rate=1.0,
        target_name="state",
    )


SET = PublicSet(
    title="SKAB v0.9: Skoltech anomaly benchmark, a water circulation testbed",
    homepage="https://github.com/waico/SKAB",
    url="https://github.com/waico/SKAB/archive/HEAD.zip",
    check="35 recordings: 34 experiments and one free of anomalies",
    licence="GPL-3.0 (of the repository, covers the data)",
    citation="Katser, Kozitsin: Skoltech Anomaly Benchmark (SKAB), 2020. doi 10.34740/KAGGLE/DSV/1693952.",
    task="anomalies of a testbed: 2 classes, eight readings a second, split by experiment",
    config=Config,
    loader=_load,
    folder="skab",
    marks=("anomaly-free.csv", "valve1|valve2|other"),
    documented=(
        Documented("whole set", recordings=35),
        Documented("plain copy, 23 experiments", recordings=24, rows=34_846),
    ),
)

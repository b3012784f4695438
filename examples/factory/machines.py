"""Machines and servers that fail: AI4I 2020, C-MAPSS, the Numenta benchmark, SKAB."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from edgewright.core.errors import DataError, InputError
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.data import set_files as files
from edgewright.data.contract import Source, SourceConfig
from edgewright.data.matching import find_name
from edgewright.data.polars import pl

AI4I2020_READINGS = {
    "Air temperature [K]": Column(name="air_temperature", unit="K", minimum=0.0),
    "Process temperature [K]": Column(name="process_temperature", unit="K", minimum=0.0),
    "Rotational speed [rpm]": Column(name="rotational_speed", unit="1/min", minimum=0.0),
    "Torque [Nm]": Column(name="torque", unit="N m"),
    "Tool wear [min]": Column(name="tool_wear", unit="min", minimum=0.0),
}
_GRADES = ("L", "M", "H")


def _load_ai4i2020(config: SourceConfig, folder: Path) -> DataSet:
    """AI4I 2020: a synthetic milling machine, one row a product; does the machine fail?

    The file is a CSV with units in its header. The columns TWF, HDF, PWF, OSF and RNF name the cause of a failure and
    are left out: they would give the answer away.
    """
    path = files.need_files(folder, "ai4i2020.csv")[0]
    table = files.read_table(path)
    readings = files.numbers(table, tuple(AI4I2020_READINGS), path)
    # A file whose columns were renamed as this loader does says 'quality'.
    letters = files.texts(table, find_name("quality", table.columns, {}) or "Type", path)
    unknown = np.flatnonzero(~np.isin(letters, _GRADES))
    if len(unknown):
        raise InputError("L, M or H", repr(str(letters[unknown[0]])), f"{path} row {int(unknown[0]) + 1}, column Type")
    grade = np.argmax(letters[:, None] == np.array(_GRADES), axis=1)
    failed = files.numbers(table, ("Machine failure",), path)[:, 0] > 0
    recording = Recording(
        name="ai4i2020",
        values=np.concatenate([readings, grade[:, None].astype(np.float32)], axis=1),
        target=np.where(failed, "yes", "no"),
    )
    return DataSet(
        name="ai4i2020",
        # Product quality L, M, H in this order as 0, 1, 2.
        columns=(*AI4I2020_READINGS.values(), Column(name="quality", unit="1", minimum=0.0, maximum=2.0)),
        recordings=(recording,),
        target_name="machine_failure",
    )


# Names and units of the readings: Saxena et al. 2008, table 2. Units of the set are those of US engineering.
CMAPSS_COLUMNS = tuple(
    Column(name=name, unit=unit)
    for name, unit in (
        ("setting_1", ""), ("setting_2", ""), ("setting_3", ""),
        ("T2", "°R"), ("T24", "°R"), ("T30", "°R"), ("T50", "°R"), ("P2", "psia"), ("P15", "psia"), ("P30", "psia"),
        ("Nf", "rpm"), ("Nc", "rpm"), ("epr", "1"), ("Ps30", "psia"), ("phi", "pps/psi"), ("NRf", "rpm"),
        ("NRc", "rpm"), ("BPR", "1"), ("farB", "1"), ("htBleed", ""), ("Nf_dmd", "rpm"), ("PCNfR_dmd", "rpm"),
        ("W31", "lbm/s"), ("W32", "lbm/s"),
    )
)  # fmt: skip


class CmapssConfig(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """C-MAPSS.

    Attributes:
        subset: 'FD001' to 'FD004'.
        cap: more cycles than this count as this many, because a new engine shows no wear yet; 0 does not cap.
        part: 'train' (engines that ran until they failed), 'test' (engines that stop before, with the published cycles
            that were left) or 'both'.
        cycle: add the number of the cycle, from 1 for a new engine, as the first column.
    """

    subset: Literal["FD001", "FD002", "FD003", "FD004"] = "FD001"
    cap: Annotated[int, msgspec.Meta(ge=0)] = 125
    part: Literal["train", "test", "both"] = "train"
    cycle: bool = False


def _engines(config: CmapssConfig, folder: Path, part: str) -> Iterator[Recording]:
    path = files.need_files(folder, f"{part}_{config.subset}.txt")[0]
    rows = files.table_by_rows(path, 2 + len(CMAPSS_COLUMNS))
    units = np.unique(rows[:, 0])
    after = np.zeros(len(units))
    if part == "test":
        after_path = files.need_files(folder, f"RUL_{config.subset}.txt")[0]
        after = files.table_by_rows(after_path, 1)[:, 0]
        if len(after) != len(units):
            raise InputError(f"{len(units)} lines, one an engine of {path.name}", str(len(after)), str(after_path))
    # Engines of both parts are counted from 1: they are other engines, and so they have other names.
    prefix = "engine" if part == "train" else "test-engine"
    for unit, cycles in zip(units, after, strict=True):
        mine = rows[rows[:, 0] == unit]
        left = mine[-1, 1] - mine[:, 1] + cycles
        name = f"{prefix}-{int(unit)}"
        yield Recording(
            name=name,
            values=mine[:, 1 if config.cycle else 2 :].astype(np.float32),
            target=np.minimum(left, config.cap) if config.cap else left,
            groups=files.same(name, len(mine)),
        )


def _load_cmapss(config: CmapssConfig, folder: Path) -> DataSet:
    """C-MAPSS: simulated turbofans that run until they fail; how many cycles are left?

    Layout: `train_FD001.txt` and `test_FD001.txt`, 26 columns separated by blanks: unit, cycle, three settings, 21
    readings; no header. The target of a row is the number of cycles its unit still ran. Units of the training part ran
    until they failed; those of the test part stop before, and `RUL_FD001.txt` says, a line a unit, how many cycles came
    after.
    """
    parts = ("train", "test") if config.part == "both" else (config.part,)
    return DataSet(
        name="cmapss",
        columns=(Column(name="cycle", unit=""), *CMAPSS_COLUMNS) if config.cycle else CMAPSS_COLUMNS,
        recordings=tuple(engine for part in parts for engine in _engines(config, folder, part)),
        target_name="cycles_left",
        group_name="engine",
    )


class NabConfig(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Numenta Anomaly Benchmark.

    Attributes:
        streams: patterns such as 'realKnownCause/*'; all streams when left out.
    """

    streams: tuple[str, ...] = ()


def _nab_recording(path: Path, name: str, windows: list[tuple[str, str]]) -> tuple[Recording, float]:
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


def _load_nab(config: NabConfig, folder: Path) -> DataSet:
    """Numenta Anomaly Benchmark: streams of servers, traffic, machines, with windows in which something went wrong.

    Layout: `data/<group>/<name>.csv` with `timestamp,value`; `labels/combined_windows.json` with the windows of every
    stream. A row inside a window counts as 'anomaly'.
    """
    known = files.need_files(folder, "combined_windows.json")[0]
    try:
        windows = msgspec.json.decode(files.read_text(known).encode(), type=dict[str, list[tuple[str, str]]])
    except msgspec.DecodeError as error:
        raise DataError("JSON with windows by stream", str(error), str(known), "Fetch it again") from None
    recordings, steps = [], set()
    for path in files.need_files(folder, "*.csv"):
        name = f"{path.parent.name}/{files.stem(path)}"
        # Folders of results hold CSV files as well; a stream is a file that the windows know.
        if path.parent.parent.name != "data" or name + ".csv" not in windows:
            continue
        if config.streams and not any(fnmatch.fnmatch(name, pattern) for pattern in config.streams):
            continue
        recording, step = _nab_recording(path, name, windows[name + ".csv"])
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


# column in the files -> name and unit
SKAB_READINGS = {
    "Accelerometer1RMS": Column(name="accelerometer_1_rms", unit="g", minimum=0.0),
    "Accelerometer2RMS": Column(name="accelerometer_2_rms", unit="g", minimum=0.0),
    "Current": Column(name="current", unit="A"),
    "Pressure": Column(name="pressure", unit="bar"),
    "Temperature": Column(name="temperature", unit="°C"),
    "Thermocouple": Column(name="thermocouple", unit="°C"),
    "Voltage": Column(name="voltage", unit="V"),
    "Volume Flow RateRMS": Column(name="flow_rms", unit="l/min"),
}


class SkabConfig(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SKAB.

    Attributes:
        anomaly_free: whether the recording without labels is loaded as well; its rows are unlabelled.
    """

    anomaly_free: bool = True


def _skab_recording(path: Path) -> Recording:
    table = files.read_table(path, separator=";")
    target = None
    if "anomaly" in table.columns:
        target = np.where(files.numbers(table, ("anomaly",), path)[:, 0] > 0, "anomaly", "normal")
    return Recording(
        name=f"{path.resolve().parent.name}/{files.stem(path)}",
        values=files.numbers(table, tuple(SKAB_READINGS), path),
        target=target,
        time=files.seconds(table, "datetime", path),
    )


def _load_skab(config: SkabConfig, folder: Path) -> DataSet:
    """SKAB: a testbed in which water circulates; valves are closed, the pump is disturbed, once a second.

    Layout: `anomaly-free/anomaly-free.csv` (no labels) and `valve1`, `valve2`, `other` with `N.csv`, separated by `;`,
    columns `anomaly` and `changepoint` of 0 and 1.
    """
    kinds = ("valve1", "valve2", "other", *(("anomaly-free",) if config.anomaly_free else ()))
    # A file that is named alone lies in the folder itself.
    paths = [p for p in files.need_files(folder, "*.csv") if p.parent.name in kinds or p.is_symlink()]
    return DataSet(
        name="skab",
        columns=tuple(SKAB_READINGS.values()),
        recordings=tuple(_skab_recording(p) for p in paths),
        rate=1.0,
        target_name="state",
    )


SOURCES: dict[str, Source[Any]] = {
    "ai4i2020": files.folder_source(
        _load_ai4i2020,
        origin="https://archive.ics.uci.edu/dataset/601/ai4i+2020+predictive+maintenance+dataset",
        licence="UCI states CC BY 4.0 for its collection (unverified)",
        citation="Matzka: Explainable Artificial Intelligence for Predictive Maintenance Applications. AI4I 2020.",
        simulated=True,
    ),
    "cmapss": files.folder_source(
        _load_cmapss,
        CmapssConfig,
        origin="https://data.nasa.gov/dataset/cmapss-jet-engine-simulated-data",
        licence="NASA open data, work of the US government; no licence text in the set",
        citation=(
            "Saxena, Goebel, Simon, Eklund: Damage Propagation Modeling for Aircraft Engine Run-to-Failure "
            "Simulation. PHM 2008."
        ),
        simulated=True,
    ),
    "nab": files.folder_source(
        _load_nab,
        NabConfig,
        origin="https://github.com/numenta/NAB",
        licence="MIT",
        citation=(
            "Ahmad, Lavin, Purdy, Agha: Unsupervised real-time anomaly detection for streaming data. Neurocomputing"
            " 2017. Lavin, Ahmad 2015, arXiv 1510.03336."
        ),
    ),
    "skab": files.folder_source(
        _load_skab,
        SkabConfig,
        origin="https://github.com/waico/SKAB",
        licence="GPL-3.0 (of the repository, covers the data)",
        citation="Katser, Kozitsin: Skoltech Anomaly Benchmark (SKAB), 2020. doi 10.34740/KAGGLE/DSV/1693952.",
    ),
}

"""What people do, by sensors that they wear: PAMAP2, and the features of WISDM 1.1."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.data.contract import Documented, PublicSet, SourceConfig
from edgewright.data.polars import pl
from edgewright.data.sets import _files as files
from edgewright.schema.data import Column, DataSet, Floats, Labels, Recording
from edgewright.schema.errors import InputError

# Activity of the original's second column; 0 is everything between the activities.
PAMAP2_ACTIVITIES = {
    1: "lying", 2: "sitting", 3: "standing", 4: "walking", 5: "running", 6: "cycling", 7: "nordic walking",
    9: "watching tv", 10: "computer work", 11: "car driving", 12: "ascending stairs", 13: "descending stairs",
    16: "vacuum cleaning", 17: "ironing", 18: "folding laundry", 19: "house cleaning", 20: "playing soccer",
    24: "rope jumping",
}  # fmt: skip
_WIDTH, _TIME, _ACTIVITY, _WRIST = 54, 0, 1, slice(7, 10)


def _original(path: Path) -> Recording:
    rows = files.table_by_rows(path, _WIDTH)
    kinds, index = np.unique(rows[:, _ACTIVITY].astype(np.int64), return_inverse=True)
    subject = re.sub(r"\D", "", files.stem(path))
    return Recording(
        name=f"{path.parent.name.lower()}-{files.stem(path)}",
        values=rows[:, _WRIST].astype(np.float32),
        target=np.array([PAMAP2_ACTIVITIES.get(int(k), "") for k in kinds])[index],
        groups=files.same(subject, len(rows)),
        time=rows[:, _TIME] - rows[0, _TIME],
    )


def _excerpt(path: Path) -> Recording:
    try:
        table = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise InputError("a Parquet file", str(error).splitlines()[0], str(path), "Fetch it again") from None
    values = files.numbers(table, [f"hand_acceleration_6g_{axis}" for axis in "xyz"], path)
    subject = re.search(r"subject(\d+)", path.name)
    names = files.texts(table, "activity", path)
    kinds, index = np.unique(names, return_inverse=True)
    labels = [str(k).replace("_", " ").lower() for k in kinds]
    clock = table["time"].dt.total_nanoseconds().to_numpy()
    return Recording(
        name=files.stem(path),
        values=values,
        target=np.array(["" if k == "transient" else k for k in labels])[index],
        groups=files.same(subject.group(1) if subject else "", len(values)),
        time=np.asarray(clock - clock[0], dtype=np.float64) / 1e9,
    )


def _load_pamap2(config: SourceConfig, folder: Path) -> DataSet:
    """PAMAP2: nine people with sensors at wrist, chest and ankle; here the wrist's accelerometer (6 g) at 100 Hz.

    Original: `Protocol/subject101.dat`, 54 columns separated by blanks. Plain copy: a Parquet excerpt of subject 102.
    Gaps of the radio link are in the data and stay missing values.
    """
    paths = files.need_files(folder, "subject*.dat", "pamap2_subject*.parquet")
    return DataSet(
        name="pamap2",
        columns=files.columns("m/s²", "hand_x", "hand_y", "hand_z"),
        recordings=tuple(_excerpt(p) if p.suffix == ".parquet" else _original(p) for p in paths),
        rate=100.0,
        target_name="activity",
        group_name="subject",
    )


_ATTRIBUTE = re.compile(r"""^@attribute\s+["']?([^"'\s]+)["']?\s""", re.IGNORECASE)
_NOT_FEATURES = ("UNIQUE_ID", "user", "class")


def _arff(path: Path) -> pl.DataFrame:
    """Table of an ARFF file: names from its attributes, rows after `@data`."""
    lines = files.read_text(path).splitlines()
    names = [m.group(1) for m in (_ATTRIBUTE.match(line) for line in lines) if m]
    start = next((i + 1 for i, line in enumerate(lines) if line.strip().lower() == "@data"), None)
    if start is None or not names:
        raise InputError("lines '@attribute' and '@data'", "none", str(path), "Is it a whole ARFF file?")
    rows = [tuple(c.strip() for c in line.split(",")) for line in lines[start:] if line.strip()]
    for number, row in enumerate(rows, start + 1):
        if len(row) != len(names):
            raise InputError(f"{len(names)} values", str(len(row)), f"{path} line {number}")
    table = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    return table.with_columns(pl.all().replace("?", None))


def _column(name: str) -> Column:
    """Return shares of samples in ten bins, time between peaks in milliseconds, the rest in m/s²."""
    if name[0] in "XYZ" and name[1:].isdigit():
        return Column(name=name, unit="1", minimum=0.0, maximum=1.0)
    return Column(name=name, unit="ms" if name.endswith("PEAK") else "m/s²")


def _by_group(values: Floats, target: Labels, groups: Labels, prefix: str) -> tuple[Recording, ...]:
    """One recording for each group, in the order the groups appear; rows keep their order."""
    names, first = np.unique(groups, return_index=True)
    recordings = []
    for name in names[np.argsort(first)]:
        mine = groups == name
        recordings.append(
            Recording(
                name=f"{prefix}{name}",
                values=values[mine],
                target=target[mine],
                groups=files.same(str(name), int(mine.sum())),
            )
        )
    return tuple(recordings)


def _load_wisdm(config: SourceConfig, folder: Path) -> DataSet:
    """WISDM activity prediction v1.1, transformed: 43 features of ten seconds of a phone in the trouser pocket.

    Original: `WISDM_ar_v1.1_transformed.arff`. Plain copy: the same values as CSV. `?` stands for a missing value.
    """
    path = files.need_files(folder, "WISDM_ar_v1.1_transformed.csv", "WISDM_ar_v1.1_transformed.arff")[0]
    table = _arff(path) if ".arff" in path.name else files.read_table(path)
    names = [n for n in table.columns if n not in _NOT_FEATURES]
    values = files.numbers(table, names, path)
    return DataSet(
        name="wisdm",
        columns=tuple(_column(n) for n in names),
        recordings=_by_group(values, files.texts(table, "class", path), files.texts(table, "user", path), "user-"),
        target_name="class",
        group_name="user",
    )


SETS: dict[str, PublicSet[Any]] = {
    "pamap2": PublicSet(
        title="PAMAP2 physical activity monitoring: accelerometer at the wrist",
        homepage="https://archive.ics.uci.edu/dataset/231/pamap2+physical+activity+monitoring",
        url="https://archive.ics.uci.edu/static/public/231/pamap2+physical+activity+monitoring.zip",
        check="14 recordings: 9 of the protocol, 5 of optional activities",
        licence="UCI states CC BY 4.0 for its collection (unverified)",
        citation="Reiss, Stricker: Introducing a New Benchmarked Dataset for Activity Monitoring. ISWC 2012.",
        task="activities of people from the wrist: up to 18 classes, split by person",
        folder="pamap2-excerpt",
        marks=("subject10?.dat|pamap2_subject*.parquet",),
        documented=(
            Documented(copy="whole set, 9 people", recordings=14),
            Documented(
                copy="plain copy, excerpt of subject 102",
                recordings=1,
                rows=90001,
                classes=(("walking", 22605), ("nordic walking", 29739), ("cycling", 19212)),
            ),
        ),
        loader=_load_pamap2,
    ),
    "wisdm": PublicSet(
        title="WISDM activity prediction v1.1: features of ten seconds of a phone",
        homepage="https://www.cis.fordham.edu/wisdm/dataset.php",
        url="https://www.cis.fordham.edu/wisdm/includes/datasets/latest/WISDM_ar_latest.tar.gz",
        check="5,418 rows, 2081 1625 632 528 306 246 by class, as published",
        licence="no formal licence; asks for its citation and to keep its readme.txt with the data",
        citation="Kwapisz, Weiss, Moore: Activity Recognition using Cell Phone Accelerometers. SensorKDD 2010.",
        task="activities of people: 6 classes, 43 features a row, split by person",
        folder="har-wisdm-v1.1",
        marks=("WISDM_ar_v1.1_transformed.*",),
        documented=(
            Documented(
                copy="whole set, 36 people",
                recordings=36,
                rows=5418,
                classes=(
                    ("Walking", 2081),
                    ("Jogging", 1625),
                    ("Upstairs", 632),
                    ("Downstairs", 528),
                    ("Sitting", 306),
                    ("Standing", 246),
                ),
            ),
            Documented(
                copy="plain copy, users 1-28",
                rows=4095,
                classes=(
                    ("Walking", 1603),
                    ("Jogging", 1244),
                    ("Upstairs", 479),
                    ("Downstairs", 387),
                    ("Sitting", 212),
                    ("Standing", 170),
                ),
            ),
        ),
        loader=_load_wisdm,
    ),
}

"""PAMAP2: nine people with sensors at wrist, chest and ankle; here the wrist's accelerometer (6 g) at 100 Hz.

Original: `Protocol/subject101.dat`, 54 columns separated by blanks. Plain copy: a Parquet excerpt of subject 102.
Gaps of the radio link are in the data and stay missing values.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl

from edgewright.data.contract import Documented, PublicSet, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.schema.data import DataSet, Recording
from edgewright.schema.errors import InputError

# Activity of the original's second column; 0 is everything between the activities.
ACTIVITIES = {
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
        target=np.array([ACTIVITIES.get(int(k), "") for k in kinds])[index],
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


def _load(config: SourceConfig, folder: Path) -> DataSet:
    paths = files.need_files(folder, "subject*.dat", "pamap2_subject*.parquet")
    return DataSet(
        name="pamap2",
        columns=files.columns("m/s²", "hand_x", "hand_y", "hand_z"),
        recordings=tuple(_excerpt(p) if p.suffix == ".parquet" else _original(p) for p in paths),
        rate=100.0,
        target_name="activity",
        group_name="subject",
    )


SET = PublicSet(
    title="PAMAP2 physical activity monitoring: accelerometer at the wrist",
    homepage="https://archive.ics.uci.edu/dataset/231/pamap2+physical+activity+monitoring",
    url="https://archive.ics.uci.edu/static/public/231/pamap2+physical+activity+monitoring.zip",
    check="14 recordings: 9 of the protocol, 5 of optional activities",
    licence="UCI states CC BY 4.0 for its collection (unverified)",
    citation="Reiss, Stricker: Introducing a New Benchmarked Dataset for Activity Monitoring. ISWC 2012.",
    task="activities of people from the wrist: up to 18 classes, split by person",
    loader=_load,
    folder="pamap2-excerpt",
    marks=("subject10?.dat|pamap2_subject*.parquet",),
    documented=(
        Documented("whole set, 9 people", recordings=14),
        Documented(
            "plain copy, excerpt of subject 102",
            recordings=1,
            rows=90_001,
            classes=(("walking", 22_605), ("nordic walking", 29_739), ("cycling", 19_212)),
        ),
    ),
)

"""WISDM biometrics set, accelerometer of the watch: 51 people, 18 activities, about three minutes of each.

Original lines: `1600,A,252207918580802,-4.33,13.36,-0.72;`. Plain copy: CSV with `subject,activity,x,y,z`, six
activities. A row's nominal distance is 1/20 s; the original's clock counts nanoseconds since the watch started.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from edgewright.data.contract import Documented, PublicSet, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.schema.data import DataSet, Recording
from edgewright.schema.errors import UnknownNameError

ACTIVITIES = {
    "A": "walking", "B": "jogging", "C": "stairs", "D": "sitting", "E": "standing", "F": "typing",
    "G": "brushing teeth", "H": "eating soup", "I": "eating chips", "J": "eating pasta", "K": "drinking",
    "L": "eating a sandwich", "M": "kicking a ball", "O": "catching a ball", "P": "dribbling a ball",
    "Q": "writing", "R": "clapping", "S": "folding clothes",
}  # fmt: skip


class Config(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """WISDM, accelerometer of the watch.

    Attributes:
        activities: names of the labelled activities; rows of any other count as unlabelled.
    """

    activities: tuple[str, ...] = ("walking", "jogging", "stairs", "sitting", "standing", "kicking a ball")


def _recording(path: Path, wanted: dict[str, str]) -> Recording:
    if ".txt" in path.name:
        table = files.read_table(path, names=("subject", "activity", "clock", "x", "y", "z"))
        table = table.with_columns(pl.col("z").str.strip_chars(" ;"))
    else:
        table = files.read_table(path)
    values = files.numbers(table, ("x", "y", "z"), path)
    subject = str(table["subject"][0])
    codes = files.texts(table, "activity", path)
    kinds, index = np.unique(codes, return_inverse=True)
    return Recording(
        name=f"subject-{subject}",
        values=values,
        target=np.array([wanted.get(str(k), "") for k in kinds])[index],
        groups=files.same(subject, len(values)),
        time=np.arange(len(values)) / 20.0,
    )


def _load(config: Config, folder: Path) -> DataSet:
    for name in config.activities:
        if name not in ACTIVITIES.values():
            raise UnknownNameError("activity", name, ACTIVITIES.values(), "data.activities")
    wanted = {code: name for code, name in ACTIVITIES.items() if name in config.activities}
    paths = files.need_files(folder, "data_*_accel_watch.csv", "data_*_accel_watch.txt")
    return DataSet(
        name="wisdm_watch",
        columns=files.columns("m/s²", "x", "y", "z"),
        recordings=tuple(_recording(p, wanted) for p in paths),
        rate=20.0,
        target_name="activity",
        group_name="subject",
    )


SET = PublicSet(
    title="WISDM smartphone and smartwatch biometrics: accelerometer of the watch",
    homepage="https://archive.ics.uci.edu/dataset/507/wisdm+smartphone+and+smartwatch+activity+and+biometrics+dataset",
    url="https://archive.ics.uci.edu/static/public/507/wisdm+smartphone+and+smartwatch+activity+and+biometrics+dataset.zip",
    check="51 recordings, one a person",
    licence="UCI states CC BY 4.0 for its collection (unverified)",
    citation="Weiss, Yoneda, Hayajneh: Smartphone and Smartwatch-Based Biometrics Using Activities of Daily Living. "
    "IEEE Access 7 (2019).",
    task="activities of people from the wrist: 6 of 18 classes, split by person",
    config=Config,
    loader=_load,
    folder="har-wisdm-watch",
    marks=("data_16??_accel_watch.*",),
    documented=(
        Documented("whole set, 51 people", recordings=51),
        Documented("plain copy, 39 people", recordings=39, rows=556_800),
    ),
)

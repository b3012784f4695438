"""Daphnet: freezing of gait in people with Parkinson's disease, accelerometers at ankle, thigh and trunk, 64 Hz.

Original: `dataset/S01R01.txt`, time in ms, nine readings, annotation 0 (not part of the experiment), 1 (no freeze),
2 (freeze). Plain copy: `S06R02E0.csv.gz`, a record in the form anomaly archives use.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from edgewright.data.contract import Documented, PublicSet, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.schema.data import DataSet, Recording

_AXES = ("horiz_fwd", "vert", "horiz_lateral")
READINGS = tuple(f"{place}_{axis}" for place in ("ankle", "leg", "trunk") for axis in _AXES)
_LABELS = np.array(["", "no freeze", "freeze"])


def _recording(path: Path) -> Recording:
    if ".csv" in path.name:
        table = files.read_table(path)
        values = files.numbers(table, READINGS, path)
        target = _LABELS[1 + files.numbers(table, ("is_anomaly",), path)[:, 0].astype(np.int64)]
        time = files.seconds(table, "timestamp", path)
    else:
        rows = files.table_by_rows(path, 2 + len(READINGS))
        values = rows[:, 1:-1].astype(np.float32)
        target = _LABELS[np.clip(rows[:, -1].astype(np.int64), 0, 2)]
        time = (rows[:, 0] - rows[0, 0]) / 1e3
    person = re.match(r"S\d+", path.name)
    return Recording(
        name=files.stem(path),
        values=values,
        target=target,
        groups=files.same(person.group() if person else files.stem(path), len(values)),
        time=time,
    )


def _load(config: SourceConfig, folder: Path) -> DataSet:
    paths = files.need_files(folder, "S??R??.txt", "S??R??E?.csv")
    return DataSet(
        name="daphnet",
        columns=files.columns("mg", *READINGS),
        recordings=tuple(_recording(p) for p in paths),
        rate=64.0,
        target_name="gait",
        group_name="person",
    )


SET = PublicSet(
    title="Daphnet freezing of gait",
    homepage="https://archive.ics.uci.edu/dataset/245/daphnet+freezing+of+gait",
    url="https://archive.ics.uci.edu/static/public/245/daphnet+freezing+of+gait.zip",
    check="17 recordings of 10 people",
    licence="UCI states CC BY 4.0 for its collection (unverified)",
    citation="Bächlin et al.: Wearable Assistant for Parkinson's Disease Patients With the Freezing of Gait Symptom. "
    "IEEE Transactions on Information Technology in Biomedicine 2010.",
    task="freezing of gait: 2 classes, split by person",
    loader=_load,
    folder="daphnet-fog",
    marks=("S??R??.txt|S??R??E?.csv",),
    documented=(
        Documented("whole set, 10 people", recordings=17),
        Documented("plain copy, one record", recordings=1, rows=7_040, classes=(("no freeze", 7_040),)),
    ),
)

"""Freezing of gait: Daphnet."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.records.data import DataSet, Recording
from edgewright.data import set_files as files
from edgewright.data.contract import Source, SourceConfig

_AXES = ("horiz_fwd", "vert", "horiz_lateral")
DAPHNET_READINGS = tuple(f"{body_part}_{axis}" for body_part in ("ankle", "leg", "trunk") for axis in _AXES)
_LABELS = np.array(["", "no freeze", "freeze"])


def _daphnet_recording(path: Path) -> Recording:
    if ".csv" in path.name:
        table = files.read_table(path)
        values = files.numbers(table, DAPHNET_READINGS, path)
        target = _LABELS[1 + files.numbers(table, ("is_anomaly",), path)[:, 0].astype(np.int64)]
        time = files.seconds(table, "timestamp", path)
    else:
        rows = files.table_by_rows(path, 2 + len(DAPHNET_READINGS))
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


def _load_daphnet(config: SourceConfig, folder: Path) -> DataSet:
    """Daphnet: freezing of gait in people with Parkinson's disease, accelerometers at ankle, thigh and trunk, 64 Hz.

    Original: `dataset/S01R01.txt`, time in ms, nine readings, annotation 0 (not part of the experiment), 1 (no freeze),
    2 (freeze). Plain copy: `S06R02E0.csv.gz`, a record in the form anomaly archives use.
    """
    paths = files.need_files(folder, "S??R??.txt", "S??R??E?.csv")
    return DataSet(
        name="daphnet",
        columns=files.columns("mg", *DAPHNET_READINGS),
        recordings=tuple(_daphnet_recording(p) for p in paths),
        rate=64.0,
        target_name="gait",
        group_name="person",
    )


SOURCES: dict[str, Source[Any]] = {
    "daphnet": files.folder_source(
        _load_daphnet,
        origin="https://archive.ics.uci.edu/dataset/245/daphnet+freezing+of+gait",
        licence="UCI states CC BY 4.0 for its collection (unverified)",
        citation=(
            "Bächlin et al.: Wearable Assistant for Parkinson's Disease Patients With the Freezing of Gait Symptom."
            " IEEE Transactions on Information Technology in Biomedicine 2010."
        ),
    ),
}

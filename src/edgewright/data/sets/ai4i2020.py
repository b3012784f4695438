"""AI4I 2020: a synthetic milling machine, one row a product; does the machine fail?

The file is a CSV with units in its header. The columns TWF, HDF, PWF, OSF and RNF name the cause of a failure and
are left out: they would give the answer away.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewright.data.contract import Documented, PublicSet, SourceConfig
from edgewright.data.matching import find_name
from edgewright.data.sets import _files as files
from edgewright.schema.data import Column, DataSet, Recording
from edgewright.schema.errors import InputError

READINGS = {
    "Air temperature [K]": Column(name="air_temperature", unit="K", minimum=0.0),
    "Process temperature [K]": Column(name="process_temperature", unit="K", minimum=0.0),
    "Rotational speed [rpm]": Column(name="rotational_speed", unit="1/min", minimum=0.0),
    "Torque [Nm]": Column(name="torque", unit="N m"),
    "Tool wear [min]": Column(name="tool_wear", unit="min", minimum=0.0),
}
_GRADES = ("L", "M", "H")


def _load(config: SourceConfig, folder: Path) -> DataSet:
    path = files.need_files(folder, "ai4i2020.csv")[0]
    table = files.read_table(path)
    readings = files.numbers(table, tuple(READINGS), path)
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
        columns=(*READINGS.values(), Column(name="quality", unit="1", minimum=0.0, maximum=2.0)),
        recordings=(recording,),
        target_name="machine_failure",
    )


SET = PublicSet(
    title="AI4I 2020 predictive maintenance (synthetic)",
    homepage="https://archive.ics.uci.edu/dataset/601/ai4i+2020+predictive+maintenance+dataset",
    url="https://archive.ics.uci.edu/static/public/601/ai4i+2020+predictive+maintenance+dataset.zip",
    check="10,000 rows, 339 failures, as published",
    licence="UCI states CC BY 4.0 for its collection (unverified)",
    citation="Matzka: Explainable Artificial Intelligence for Predictive Maintenance Applications. AI4I 2020.",
    task="machine failure: 2 classes, 3 % of the rows fail, no groups",
    simulated=True,
    loader=_load,
    folder="ai4i2020",
    marks=("ai4i2020.csv",),
    file="ai4i2020.csv",
    documented=(
        Documented("whole set", recordings=1, rows=10_000, classes=(("yes", 339), ("no", 9_661))),
        Documented("plain copy, 70 % of the rows", recordings=1, rows=7_000, classes=(("yes", 237), ("no", 6_763))),
    ),
)

"""ECG200: electrical activity of one heartbeat a case, 96 values, normal or not.

Files `ECG200_TRAIN` and `ECG200_TEST` as `.tsv` (class first, then the values by tabs) or `.ts`. The archive writes
the classes as -1 and 1, some copies as 0 and 1; they are called '-1' and '1' here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Documented, PublicSet, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.schema.data import DataSet, Recording

_VALUES = 96


def _cases(path: Path) -> Iterator[tuple[NDArray[np.float64], str]]:
    if ".tsv" in path.name:
        for row in files.table_by_rows(path, 1 + _VALUES):
            yield row[1:], str(int(row[0]))
    else:
        for channels, label in files.read_ts(path):
            yield channels[0], str(int(float(label)))


def _load(config: SourceConfig, folder: Path) -> DataSet:
    # An archive may hold both forms of a part: the first one found is read.
    paths: dict[str, Path] = {}
    for path in files.need_files(folder, "ECG200_TRAIN.tsv", "ECG200_TEST.tsv", "ECG200_TRAIN.ts", "ECG200_TEST.ts"):
        paths.setdefault(path.name.split("_")[1].split(".")[0].lower(), path)
    recordings = []
    for part in sorted(paths, reverse=True):
        for number, (values, label) in enumerate(_cases(paths[part]), 1):
            recordings.append(
                Recording(
                    name=f"{part}-{number:03d}",
                    values=values.astype(np.float32)[:, None],
                    target=files.same("-1" if label == "0" else label, len(values)),
                )
            )
    return DataSet(
        name="ecg200",
        columns=files.columns("1", "ecg"),  # the archive gives every beat standardised
        recordings=tuple(recordings),
        target_name="class",
    )


SET = PublicSet(
    title="ECG200: one heartbeat a case",
    homepage="https://www.timeseriesclassification.com/description.php?Dataset=ECG200",
    url="https://www.timeseriesclassification.com/aeon-toolkit/ECG200.zip",
    check="200 cases of 96 values",
    licence="no explicit licence; the UCR archive asks for its citation",
    citation="Olszewski 2001 (thesis, CMU); Dau et al.: The UCR time series archive, 2019.",
    task="heartbeats: 2 classes, windows of 96 values, no groups",
    loader=_load,
    folder="ecg200",
    marks=("ECG200_TRAIN.ts*",),
    documented=(
        Documented("whole set", recordings=200, rows=19_200),
        Documented("plain copy, TRAIN", recordings=100, rows=9_600, classes=(("-1", 2_976), ("1", 6_624))),
    ),
)

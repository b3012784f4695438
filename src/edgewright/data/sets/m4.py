"""M4 competition: hourly and weekly series of all walks of life, to be forecast.

Files `Hourly-train.csv`, `Hourly-test.csv` and so on: the name of a series, then its values; lengths differ.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from edgewright.data.contract import Documented, PublicSet, RemoteFile, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.schema.data import DataSet, Recording
from edgewright.schema.errors import InputError

_SECONDS = {"Hourly": 3600.0, "Weekly": 7 * 86400.0}


class Config(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """M4.

    Attributes:
        frequency: 'Hourly' or 'Weekly'.
        part: 'train' or 'test'; the values of test follow those of train (48 hours, 13 weeks).
    """

    frequency: Literal["Hourly", "Weekly"] = "Hourly"
    part: Literal["train", "test"] = "train"


def _load(config: Config, folder: Path) -> DataSet:
    path = files.need_files(folder, f"{config.frequency}-{config.part}.csv")[0]
    recordings = []
    for number, cells in enumerate(files.read_rows(path), 1):
        # The organisers' files have a header (V1, V2, ...) and pad short series with empty cells.
        if not cells or cells[0] in ("V1", ""):
            continue
        try:
            values = np.array([c for c in cells[1:] if c], dtype=np.float32)
        except ValueError as error:
            raise InputError("numbers after the name of the series", str(error), f"{path} line {number}") from None
        recordings.append(Recording(name=cells[0], values=values[:, None], groups=files.same(cells[0], len(values))))
    return DataSet(
        name="m4",
        columns=files.columns("", "value"),
        recordings=tuple(recordings),
        rate=1.0 / _SECONDS[config.frequency],
        group_name="series",
    )


_RAW = "https://raw.githubusercontent.com/Mcompetitions/M4-methods/HEAD/Dataset/"

SET = PublicSet(
    title="M4 competition: hourly and weekly series",
    homepage="https://github.com/Mcompetitions/M4-methods/tree/master/Dataset",
    files=tuple(
        RemoteFile(f"{_RAW}{part}/{name}", check=check)
        for part, name, check in (
            ("Train", "Hourly-train.csv", "414 series"),
            ("Test", "Hourly-test.csv", "414 series of 48 values"),
            ("Train", "Weekly-train.csv", "359 series"),
            ("Test", "Weekly-test.csv", "359 series of 13 values"),
        )
    ),
    licence="no licence stated in the repository",
    citation="Makridakis, Spiliotis, Assimakopoulos: The M4 Competition: 100,000 time series and 61 forecasting "
    "methods. International Journal of Forecasting 36 (2020).",
    task="forecasting: one value a row, no labels, split by time within a series",
    config=Config,
    loader=_load,
    folder="m4",
    marks=("Hourly-train.csv|Weekly-train.csv",),
    documented=(
        Documented("whole set, Hourly train", recordings=414),
        Documented("plain copy, Hourly train", recordings=276, rows=235_580),
    ),
)

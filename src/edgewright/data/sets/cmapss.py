"""C-MAPSS: simulated turbofans that run until they fail; how many cycles are left?

Layout: `train_FD001.txt` and `test_FD001.txt`, 26 columns separated by blanks: unit, cycle, three settings, 21
readings; no header. The target of a row is the number of cycles its unit still ran. Units of the training part ran
until they failed; those of the test part stop before, and `RUL_FD001.txt` says, a line a unit, how many cycles came
after.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np

from edgewright.data.contract import Documented, PublicSet, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.schema.data import Column, DataSet, Recording
from edgewright.schema.errors import InputError

# Names and units of the readings: Saxena et al. 2008, table 2. Units of the set are those of US engineering.
COLUMNS = tuple(
    Column(name=name, unit=unit)
    for name, unit in (
        ("setting_1", ""), ("setting_2", ""), ("setting_3", ""),
        ("T2", "°R"), ("T24", "°R"), ("T30", "°R"), ("T50", "°R"), ("P2", "psia"), ("P15", "psia"), ("P30", "psia"),
        ("Nf", "rpm"), ("Nc", "rpm"), ("epr", "1"), ("Ps30", "psia"), ("phi", "pps/psi"), ("NRf", "rpm"),
        ("NRc", "rpm"), ("BPR", "1"), ("farB", "1"), ("htBleed", ""), ("Nf_dmd", "rpm"), ("PCNfR_dmd", "rpm"),
        ("W31", "lbm/s"), ("W32", "lbm/s"),
    )
)  # fmt: skip


class Config(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
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


def _engines(config: Config, folder: Path, part: str) -> Iterator[Recording]:
    path = files.need_files(folder, f"{part}_{config.subset}.txt")[0]
    rows = files.table_by_rows(path, 2 + len(COLUMNS))
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


def _load(config: Config, folder: Path) -> DataSet:
    parts = ("train", "test") if config.part == "both" else (config.part,)
    return DataSet(
        name="cmapss",
        columns=(Column(name="cycle", unit=""), *COLUMNS) if config.cycle else COLUMNS,
        recordings=tuple(engine for part in parts for engine in _engines(config, folder, part)),
        target_name="cycles_left",
        group_name="engine",
    )


SET = PublicSet(
    title="NASA C-MAPSS: turbofans that run to failure",
    homepage="https://data.nasa.gov/dataset/cmapss-jet-engine-simulated-data",
    url="https://phm-datasets.s3.amazonaws.com/NASA/6.+Turbofan+Engine+Degradation+Simulation+Data+Set.zip",
    check="FD001: 100 engines, 20,631 rows",
    licence="NASA open data, work of the US government; no licence text in the set",
    citation="Saxena, Goebel, Simon, Eklund: Damage Propagation Modeling for Aircraft Engine Run-to-Failure "
    "Simulation. PHM 2008.",
    task="cycles left until failure: regression, split by engine",
    simulated=True,
    config=Config,
    loader=_load,
    folder="cmapss",
    marks=("train_FD00[1-4].txt",),
    documented=(Documented("whole set, FD001", recordings=100, rows=20_631),),
)

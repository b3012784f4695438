"""C-MAPSS: simulated turbofans that run until they fail; how many cycles are left?

Layout: `train_FD001.txt`, 26 columns separated by blanks: unit, cycle, three settings, 21 readings; no header.
The target of a row is the number of cycles its unit still ran.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewright.data.contract import Documented, PublicSet, RemoteFile, SourceConfig
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
    """

    subset: str = "FD001"
    cap: int = 125


def _load(config: Config, folder: Path) -> DataSet:
    if config.subset not in ("FD001", "FD002", "FD003", "FD004"):
        raise InputError("'FD001', 'FD002', 'FD003' or 'FD004'", repr(config.subset), "data.subset")
    if config.cap < 0:
        raise InputError("a cap of at least 0", str(config.cap), "data.cap")
    path = files.need_files(folder, f"train_{config.subset}.txt")[0]
    rows = files.table_by_rows(files.read_bytes(path), 2 + len(COLUMNS), path)
    recordings = []
    for unit in np.unique(rows[:, 0]):
        mine = rows[rows[:, 0] == unit]
        left = mine[-1, 1] - mine[:, 1]
        name = f"engine-{int(unit)}"
        recordings.append(
            Recording(
                name=name,
                values=mine[:, 2:].astype(np.float32),
                target=np.minimum(left, config.cap) if config.cap else left,
                groups=files.same(name, len(mine)),
            )
        )
    return DataSet(
        name="cmapss",
        columns=COLUMNS,
        recordings=tuple(recordings),
        target_name="cycles_left",
        group_name="engine",
        origin=SET.homepage,
        licence=SET.licence,
        citation=SET.citation,
    )


SET = PublicSet(
    title="NASA C-MAPSS: turbofans that run to failure",
    homepage="https://data.nasa.gov/dataset/cmapss-jet-engine-simulated-data",
    files=(
        RemoteFile(
            url="https://phm-datasets.s3.amazonaws.com/NASA/6.+Turbofan+Engine+Degradation+Simulation+Data+Set.zip",
            name="cmapss.zip",
            check="FD001: 100 engines, 20,631 rows",
        ),
    ),
    licence="NASA open data, work of the US government; no licence text in the set",
    citation="Saxena, Goebel, Simon, Eklund: Damage Propagation Modeling for Aircraft Engine Run-to-Failure "
    "Simulation. PHM 2008.",
    task="cycles left until failure: regression, split by engine",
    config=Config,
    load=_load,
    folder="cmapss",
    documented=(Documented("whole set, FD001", recordings=100, rows=20_631),),
)

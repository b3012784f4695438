"""ETT: loads and oil temperature of electricity transformers, hourly for two years.

Layout: `ETTh1.csv`, `ETTh2.csv` with `date`, six loads and `OT`. Customary parts: 12, 4 and 4 months.
"""

from __future__ import annotations

from pathlib import Path

from edgewright.data.contract import Documented, PublicSet, RemoteFile, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.schema.data import DataSet, Recording

LOADS = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL")


class Config(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """ETT.

    Attributes:
        file: 'ETTh1' or 'ETTh2', two transformers.
    """

    file: str = "ETTh1"


def _load(config: Config, folder: Path) -> DataSet:
    path = files.need_files(folder, f"{config.file}.csv")[0]
    table = files.read_table(path)
    recording = Recording(
        name=config.file,
        values=files.numbers(table, LOADS, path),
        target=files.numbers(table, ("OT",), path)[:, 0].astype("float64"),
        time=files.seconds(table, "date", path),
    )
    return DataSet(
        name="ett",
        columns=files.columns("", *LOADS),
        recordings=(recording,),
        rate=1.0 / 3600.0,
        target_name="OT",
    )


_RAW = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/HEAD/ETT-small/"

SET = PublicSet(
    title="ETT: temperature of electricity transformers, hourly",
    homepage="https://github.com/zhouhaoyi/ETDataset",
    files=(
        RemoteFile(_RAW + "ETTh1.csv", sha256="f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066"),
        RemoteFile(_RAW + "ETTh2.csv", check="reads as 17,420 hourly rows"),
    ),
    licence="CC BY-ND 4.0 (only whole unmodified files may be passed on)",
    citation="Zhou et al.: Informer. AAAI 2021.",
    task="oil temperature from six loads: regression, split by time",
    config=Config,
    loader=_load,
    folder="ett",
    marks=("ETT[hm][12].csv",),
    documented=(Documented("whole file ETTh1", recordings=1, rows=17_420),),
)

"""BasicMotions: a watch on four students, ten seconds a case, carried by the `sktime` wheel.

The file `.ts` holds one case a line: six channels separated by `:`, then the class; values of a channel by commas.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal

import numpy as np

from edgewright.data.contract import Documented, PublicSet, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.schema.data import Column, DataSet, Recording
from edgewright.schema.errors import InputError, MissingExtraError

# The origin states no units.
COLUMNS = tuple(
    Column(name=name)
    for name in ("acceleration_x", "acceleration_y", "acceleration_z", "rotation_x", "rotation_y", "rotation_z")
)


class Config(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """BasicMotions.

    Attributes:
        part: 'train', 'test' or 'both', as far as the folder has them.
    """

    part: Literal["train", "test", "both"] = "both"


def carried_by_sktime() -> Path:
    """Folder of the set inside the installed `sktime`, found without importing it.

    Raises:
        MissingExtraError: sktime is not installed.
        InputError: the installed sktime does not carry the set.
    """
    spec = importlib.util.find_spec("sktime")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("demo", "sktime, which carries the recordings of BasicMotions,")
    folder = Path(next(iter(spec.submodule_search_locations))) / "datasets" / "data" / "BasicMotions"
    if not folder.is_dir():
        raise InputError(
            "the recordings of BasicMotions in sktime", "no such folder", str(folder),
            "Download them with: edgewright data get basic_motions",
        )  # fmt: skip
    return folder


def _load(config: Config, folder: Path) -> DataSet:
    parts = ("TRAIN", "TEST") if config.part == "both" else (config.part.upper(),)
    recordings = []
    for path in files.need_files(folder, *(f"BasicMotions_{p}.ts" for p in parts)):
        part = path.name.split("_")[1].split(".")[0].lower()
        for number, (channels, label) in enumerate(files.read_ts(path), 1):
            if len(channels) != len(COLUMNS):
                raise InputError(f"{len(COLUMNS)} channels", str(len(channels)), f"{path} case {number}")
            rows = len(channels[0])
            recordings.append(
                Recording(
                    name=f"{part}-{number:02d}",
                    values=np.stack(channels, axis=1).astype(np.float32),
                    target=files.same(label.lower(), rows),
                    time=np.arange(rows) / 10.0,
                )
            )
    # Train before test: the official order.
    recordings.sort(key=lambda r: (not r.name.startswith("train"), r.name))
    return DataSet(
        name="basic_motions",
        columns=COLUMNS,
        recordings=tuple(recordings),
        rate=10.0,
        target_name="motion",
    )


def _each(rows: int) -> tuple[tuple[str, int], ...]:
    return tuple((name, rows) for name in ("badminton", "running", "standing", "walking"))


SET = PublicSet(
    title="BasicMotions: four motions with a smart watch",
    homepage="https://www.timeseriesclassification.com/description.php?Dataset=BasicMotions",
    url="https://www.timeseriesclassification.com/aeon-toolkit/BasicMotions.zip",
    check="80 cases of 100 samples, 20 of each class",
    licence="no explicit licence for the data; the archive asks for its citation",
    citation="Bagnall et al.: The UEA multivariate time series classification archive, 2018. arXiv 1811.00075.",
    task="motions of people: 4 classes; which of the 4 people is unknown, so cases are split at random",
    config=Config,
    loader=_load,
    folder="basic-motions",
    marks=("BasicMotions_TRAIN.ts",),
    documented=(
        Documented("whole set", recordings=80, rows=8_000, classes=_each(2_000)),
        Documented("plain copy, TRAIN", recordings=40, rows=4_000, classes=_each(1_000)),
    ),
    carried=carried_by_sktime,
)

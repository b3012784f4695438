"""BasicMotions: four motions with a smart watch, from a folder or from the installed `sktime`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal

import numpy as np

from edgewright.core.errors import DataError, MissingExtraError, MissingFileError
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.data import set_files as files
from edgewright.data.contract import SourceConfig

ORIGIN = "https://www.timeseriesclassification.com/description.php?Dataset=BasicMotions"
# The origin states no units.
BASIC_MOTIONS_COLUMNS = tuple(
    Column(name=name)
    for name in ("acceleration_x", "acceleration_y", "acceleration_z", "rotation_x", "rotation_y", "rotation_z")
)


class BasicMotionsConfig(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
        raise MissingFileError(
            "the recordings of BasicMotions in sktime", "no such folder", str(folder),
            f"Download them from {ORIGIN} and name their folder with --data",
        )  # fmt: skip
    return folder


def _load_basic_motions(config: BasicMotionsConfig, folder: Path) -> DataSet:
    """BasicMotions: a watch on four students, ten seconds a case, carried by the `sktime` wheel.

    The file `.ts` holds one case a line: six channels separated by `:`, then the class; values of a channel by commas.
    """
    parts = ("TRAIN", "TEST") if config.part == "both" else (config.part.upper(),)
    recordings = []
    for path in files.need_files(folder, *(f"BasicMotions_{p}.ts" for p in parts)):
        part = path.name.split("_")[1].split(".")[0].lower()
        for number, (channels, label) in enumerate(files.read_ts(path), 1):
            if len(channels) != len(BASIC_MOTIONS_COLUMNS):
                raise DataError(f"{len(BASIC_MOTIONS_COLUMNS)} channels", str(len(channels)), f"{path} case {number}")
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
        columns=BASIC_MOTIONS_COLUMNS,
        recordings=tuple(recordings),
        rate=10.0,
        target_name="motion",
    )


SOURCE = files.folder_source(
    _load_basic_motions, BasicMotionsConfig, origin=ORIGIN,
    licence="no explicit licence for the data; the archive asks for its citation",
    citation="Bagnall et al.: The UEA multivariate time series classification archive, 2018. arXiv 1811.00075.",
    default=carried_by_sktime,
)  # fmt: skip

"""Motions of a wrist and of legs: BasicMotions and Daphnet."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from edgewright.core.late_module import LateModule
from edgewright.data.contract import PublicSet, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.data.sets import facts
from edgewright.schema.data import Column, DataSet, Recording
from edgewright.schema.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from PIL import Image, ImageDraw
else:
    Image, ImageDraw = map(LateModule, ("PIL.Image", "PIL.ImageDraw"))

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
        raise InputError(
            "the recordings of BasicMotions in sktime", "no such folder", str(folder),
            "Download them with: edgewright data get basic_motions",
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
                raise InputError(f"{len(BASIC_MOTIONS_COLUMNS)} channels", str(len(channels)), f"{path} case {number}")
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


SETS: dict[str, PublicSet[Any]] = {
    "basic_motions": PublicSet(
        **facts("basic_motions"), loader=_load_basic_motions, config=BasicMotionsConfig, carried=carried_by_sktime
    ),
    "daphnet": PublicSet(**facts("daphnet"), loader=_load_daphnet),
}

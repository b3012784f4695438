"""Motions of a hand, a wrist and of legs: BasicMotions, Daphnet, magic wand."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.late_module import LateModule
from edgewright.data.contract import PublicSet, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.data.sets import facts
from edgewright.data.sources.pictures import Side, picture_columns
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


# Strokes of the set lie within it, x to the right and y upwards.
_EDGE = 0.6


class MagicWandConfig(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Magic wand digits.

    Attributes:
        form: 'strokes': a recording of x and y each; 'pictures': a grey picture of the line each.
        side: pixels of a picture's height and width.
    """

    form: Literal["strokes", "pictures"] = "strokes"
    side: Side = 32


class _Point(msgspec.Struct):
    x: float
    y: float


class _Stroke(msgspec.Struct, rename="camel"):
    index: int
    label: str
    stroke_points: list[_Point]


class _File(msgspec.Struct):
    strokes: list[_Stroke]


def _load_magic_wand(config: MagicWandConfig, folder: Path) -> DataSet:
    """Magic wand digits: strokes of a wand with an Arduino Nano 33 BLE Sense, digits 0 to 9, drawn by one person.

    A stroke is a recording of x and y, or a grey picture of the whole line.

    Files `petewarden_0.json`: `{"strokes": [{"index": 0, "label": "0", "strokePoints": [{"x": .., "y": ..}, ...]}]}`.
    """
    names, strokes, digits = [], [], []
    for path in files.need_files(folder, "petewarden_*.json"):
        content = files.read_json(path, _File, "with strokes")
        for number, stroke in enumerate(content.strokes):
            points = np.array([(p.x, p.y) for p in stroke.stroke_points], dtype=np.float32).reshape(-1, 2)
            if not len(points):
                continue  # a stroke that was begun and not drawn
            names.append(f"{files.stem(path)}-{number:03d}")
            strokes.append(points)
            digits.append(stroke.label)
    if config.form == "pictures":
        pictures = np.stack([_picture(points, config.side) for points in strokes])
        columns = picture_columns(False)
        recordings: tuple[Recording, ...] = (Recording(name="pictures", values=pictures, target=np.array(digits)),)
    else:
        columns = files.columns("", "x", "y", minimum=-1.0, maximum=1.0)
        recordings = tuple(
            Recording(name=name, values=points, target=files.same(digit, len(points)))
            for name, points, digit in zip(names, strokes, digits, strict=True)
        )
    return DataSet(name="magic_wand", columns=columns, recordings=recordings, target_name="digit")


def _picture(points: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Return a stroke as white line on black, shape (1, side, side)."""
    # Four times the size, then made smaller: a smooth line of a sixteenth of the side.
    picture = Image.new("L", (4 * side, 4 * side))
    places = (points * (1, -1) + _EDGE) / (2 * _EDGE) * 4 * side
    ImageDraw.Draw(picture).line(places.ravel().tolist(), fill=255, width=max(1, side // 4), joint="curve")
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX), np.float32)[None]


SETS: dict[str, PublicSet[Any]] = {
    "basic_motions": PublicSet(
        **facts("basic_motions"), loader=_load_basic_motions, config=BasicMotionsConfig, carried=carried_by_sktime
    ),
    "daphnet": PublicSet(**facts("daphnet"), loader=_load_daphnet),
    "magic_wand": PublicSet(**facts("magic_wand"), loader=_load_magic_wand, config=MagicWandConfig),
}

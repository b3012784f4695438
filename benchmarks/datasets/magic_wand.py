"""Digits drawn in the air with a wand, as strokes or as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from edgewright.data.contract import Documented, PublicSet, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.data.sources.pictures import Side, picture_columns
from edgewright.schema.data import DataSet, Recording

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
    "magic_wand": PublicSet(
        title="Magic wand digits: strokes in the air",
        homepage="https://github.com/petewarden/magic_wand_digit_data",
        url="https://github.com/petewarden/magic_wand_digit_data/archive/HEAD.zip",
        check="ten digits, strokes that read as JSON",
        licence="Apache-2.0",
        citation="P. Warden: Magic Wand training data, 2021.",
        task="digits drawn in the air: 10 classes, one person, strokes of unequal length",
        folder="magic-wand-digits",
        marks=("petewarden_?.json",),
        documented=(Documented(copy="plain copy, two strokes of three", recordings=670),),
        loader=_load_magic_wand,
        config=MagicWandConfig,
    ),
}

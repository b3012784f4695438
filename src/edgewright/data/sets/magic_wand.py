"""Magic wand digits: strokes of a wand with an Arduino Nano 33 BLE Sense, digits 0 to 9, drawn by one person.

Files `petewarden_0.json`: `{"strokes": [{"index": 0, "label": "0", "strokePoints": [{"x": .., "y": ..}, ...]}]}`.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from edgewright.data.contract import Documented, PublicSet, RemoteFile, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.schema.data import DataSet, Recording
from edgewright.schema.errors import InputError


class Config(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Magic wand digits; there is nothing to set but the path."""


class _Point(msgspec.Struct):
    x: float
    y: float


class _Stroke(msgspec.Struct, rename="camel"):
    index: int
    label: str
    stroke_points: list[_Point]


class _File(msgspec.Struct):
    strokes: list[_Stroke]


def _load(config: Config, folder: Path) -> DataSet:
    recordings = []
    for path in files.need_files(folder, "petewarden_*.json"):
        try:
            content = msgspec.json.decode(files.read_bytes(path), type=_File)
        except msgspec.DecodeError as error:
            raise InputError("JSON with strokes", str(error), str(path), "Fetch it again") from None
        for number, stroke in enumerate(content.strokes):
            points = np.array([(p.x, p.y) for p in stroke.stroke_points], dtype=np.float32).reshape(-1, 2)
            if not len(points):
                continue  # a stroke that was begun and not drawn
            recordings.append(
                Recording(
                    name=f"{files.stem(path)}-{number:03d}", values=points, target=files.same(stroke.label, len(points))
                )
            )
    return DataSet(
        name="magic_wand",
        columns=files.columns("", "x", "y", minimum=-1.0, maximum=1.0),
        recordings=tuple(recordings),
        target_name="digit",
        origin=SET.homepage,
        licence=SET.licence,
        citation=SET.citation,
    )


SET = PublicSet(
    title="Magic wand digits: strokes in the air",
    homepage="https://github.com/petewarden/magic_wand_digit_data",
    files=(
        RemoteFile(
            url="https://github.com/petewarden/magic_wand_digit_data/archive/HEAD.zip",
            name="magic_wand.zip",
            check="ten digits, strokes that read as JSON",
        ),
    ),
    licence="Apache-2.0",
    citation="P. Warden: Magic Wand training data, 2021.",
    task="digits drawn in the air: 10 classes, one person, strokes of unequal length",
    config=Config,
    load=_load,
    folder="magic-wand-digits",
    documented=(Documented("plain copy, two strokes of three", recordings=670),),
)

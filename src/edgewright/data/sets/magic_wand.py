"""Magic wand digits: strokes of a wand with an Arduino Nano 33 BLE Sense, digits 0 to 9, drawn by one person.

Files `petewarden_0.json`: `{"strokes": [{"index": 0, "label": "0", "strokePoints": [{"x": .., "y": ..}, ...]}]}`.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from edgewright.data.contract import Documented, PublicSet, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.schema.data import DataSet, Recording


class _Point(msgspec.Struct):
    x: float
    y: float


class _Stroke(msgspec.Struct, rename="camel"):
    index: int
    label: str
    stroke_points: list[_Point]


class _File(msgspec.Struct):
    strokes: list[_Stroke]


def _load(config: SourceConfig, folder: Path) -> DataSet:
    recordings = []
    for path in files.need_files(folder, "petewarden_*.json"):
        content = files.read_json(path, _File, "with strokes")
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
    )


SET = PublicSet(
    title="Magic wand digits: strokes in the air",
    homepage="https://github.com/petewarden/magic_wand_digit_data",
    url="https://github.com/petewarden/magic_wand_digit_data/archive/HEAD.zip",
    check="ten digits, strokes that read as JSON",
    licence="Apache-2.0",
    citation="P. Warden: Magic Wand training data, 2021.",
    task="digits drawn in the air: 10 classes, one person, strokes of unequal length",
    loader=_load,
    folder="magic-wand-digits",
    documented=(Documented("plain copy, two strokes of three", recordings=670),),
)

"""The benchmark on composed scenes: what a scene holds, and which photographs judge."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from benchmarks import scenes

from edgewright.schema.objects import ObjectsRecord
from support import shared_data


def test_a_scene_shows_goods_where_its_boxes_are_and_the_background_elsewhere() -> None:
    side = scenes.SIDE
    goods = {label: [np.full((side, side, 3), 200 + 10 * n, np.uint8)] for n, label in enumerate(scenes.LABELS)}
    known = scenes.Photographs(goods, [np.zeros((side, side, 3), np.uint8)])
    rng = np.random.default_rng(0)
    for _ in range(50):
        picture, boxes = scenes.scene(known, rng)
        covered = np.zeros((side, side), np.bool_)
        for label, (left, top, width, height) in boxes:
            assert picture[int(top + height / 2), int(left + width / 2), 0] == 200 + 10 * label
            spot = covered[int(top) : int(top + height), int(left) : int(left + width)]
            assert not spot.any()
            spot[:] = True
        assert not picture[~covered].any()


@pytest.mark.slow
def test_test_scenes_are_of_validation_photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared_data("grocery")
    monkeypatch.setattr(scenes, "TRAIN", 16)
    monkeypatch.setattr(scenes, "TEST", 6)
    folder = scenes.compose(tmp_path / "scenes")
    names = [image["file_name"] for image in json.loads((folder / "boxes.json").read_text())["images"]]
    assert sorted({name.split("_")[0] for name in names}) == [*(f"train-{n}" for n in range(10)), "val"]
    result = scenes.fitted(folder, tmp_path / "runs", ("epochs", 1))
    evaluation = result.trace.evaluation
    assert evaluation is not None
    assert isinstance(evaluation.objects, ObjectsRecord)
    assert {scene.name.split("_")[0] for scene in evaluation.objects.scenes} == {"val"}
    assert evaluation.samples == 6

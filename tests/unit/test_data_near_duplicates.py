"""Bursts of near-duplicate pictures are found, and a split keeps each on one side."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgewright.data.near_duplicates import burst_sentence, find_bursts
from edgewright.pipeline.config import checked
from edgewright.pipeline.material import prepare
from edgewright.pipeline.plan import data_plan
from edgewright.race.problem import fold_units
from edgewright.workflows.own_data.proposal import OwnDataRequest, _split, base_table, look

Floats = NDArray[np.float32]


def photographs(count: int, *, burst: int = 1, seed: int = 0) -> tuple[Floats, NDArray[np.int64]]:
    """Return scenes of smooth colours, each photographed `burst` times with a small shift, light and noise."""
    generator = np.random.default_rng(seed)
    scenes = np.repeat(np.arange(count), burst)
    coarse = generator.uniform(20, 235, (count, 3, 9, 9))
    wide = np.repeat(np.repeat(coarse, 8, axis=2), 8, axis=3)
    pictures = np.empty((len(scenes), 3, 64, 64))
    for row, scene in enumerate(scenes):
        x, y = generator.integers(3, 5, 2)
        light = generator.uniform(0.99, 1.01)
        pictures[row] = light * wide[scene][:, x : x + 64, y : y + 64] + generator.normal(0, 1, (3, 64, 64))
    return np.clip(pictures, 0, 255).astype(np.float32), scenes


def labels_of(scenes: NDArray[np.int64]) -> NDArray[np.str_]:
    return np.array(["a", "b", "c"])[scenes % 3]


def write(folder: Path, pictures: Floats, labels: NDArray[np.str_]) -> None:
    for row, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        # Names say nothing of the scene.
        Image.fromarray(picture.astype(np.uint8).transpose(1, 2, 0)).save(
            folder / str(label) / f"{row * 7919 % 9973}.png"
        )


def test_each_scene_is_one_burst() -> None:
    pictures, scenes = photographs(60, burst=4)
    order = np.random.default_rng(1).permutation(len(scenes))
    bursts = find_bursts(pictures[order], labels_of(scenes[order]))
    first = {scene: int(np.flatnonzero(scenes[order] == scene)[0]) for scene in range(60)}
    assert bursts.tolist() == [first[scene] for scene in scenes[order].tolist()]
    assert "240 of 240" in burst_sentence(bursts.astype(str))


def test_distinct_pictures_are_not_linked() -> None:
    pictures, scenes = photographs(300)
    bursts = find_bursts(pictures, labels_of(scenes))
    assert bursts.tolist() == list(range(300))
    assert burst_sentence(bursts.astype(str)) == ""


def test_alike_pictures_of_well_separated_classes_are_not_linked() -> None:
    generator = np.random.default_rng(0)
    classes = np.arange(200) % 2
    centres = np.array([60.0, 190.0])[classes][:, None, None, None]
    coarse = centres + generator.normal(0, 25, (200, 3, 8, 8))
    pictures = np.clip(np.repeat(np.repeat(coarse, 4, axis=2), 4, axis=3), 0, 255).astype(np.float32)
    assert len(np.unique(find_bursts(pictures, np.array(["a", "b"])[classes]))) == 200


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_or_equal_pictures_have_bursts(count: int) -> None:
    pictures = np.full((count, 1, 16, 16), 7, np.float32)
    assert find_bursts(pictures, np.full(count, "a")).tolist() == [0] * count


def test_5000_pictures_take_seconds() -> None:
    pictures = np.random.default_rng(0).uniform(0, 255, (5000, 3, 32, 32)).astype(np.float32)
    began = time.process_time()
    find_bursts(pictures, np.full(5000, "a"))
    assert time.process_time() - began < 20


def test_a_burst_is_on_one_side_of_the_proposed_split(tmp_path: Path) -> None:
    pictures, scenes = photographs(36, burst=4)
    write(tmp_path / "shelf", pictures, labels_of(scenes))
    request = OwnDataRequest(path=str(tmp_path / "shelf"))
    data = look(request)
    base, why, _ = _split(base_table(request, data), data)
    assert base["data"]["bursts"] is True
    assert base["split"]["by"] == "session"
    assert "144 of 144" in why["split"]
    # A run reads the same bursts from the files.
    material = prepare(data_plan(checked(base, "shelf")), None)
    sides = [
        set(material.samples.sessions[rows].tolist())
        for rows in (material.sides.train, material.sides.validation, material.sides.test)
    ]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 36
    kind, units = fold_units(material.samples, None)
    assert (kind, len(np.unique(units))) == ("session", 36)


def test_pictures_without_bursts_are_split_by_row(tmp_path: Path) -> None:
    pictures, scenes = photographs(90)
    write(tmp_path / "shelf", pictures, labels_of(scenes))
    request = OwnDataRequest(path=str(tmp_path / "shelf"))
    data = look(request)
    base, _, material = _split(base_table(request, data), data)
    assert "bursts" not in base["data"]
    assert base["split"]["by"] == "row"
    assert fold_units(material.samples, None)[0] == "row"


def test_a_class_of_a_single_burst_of_two_leaves_the_split_by_row(tmp_path: Path) -> None:
    pictures, scenes = photographs(12, burst=6)
    labels = np.where(scenes == 0, "only", "many")
    write(tmp_path / "shelf", pictures, labels)
    request = OwnDataRequest(path=str(tmp_path / "shelf"))
    data = look(request)
    base, why, _ = _split(base_table(request, data), data)
    assert base["split"]["by"] == "row"
    assert "72 of 72" in why["split"]


def test_a_class_of_a_single_burst_is_not_tested(tmp_path: Path) -> None:
    pictures, scenes = photographs(25, burst=6)
    labels = np.where(scenes == 0, "only", np.array(["many", "more"])[scenes % 2])
    write(tmp_path / "shelf", pictures, labels)
    data = look(OwnDataRequest(path=str(tmp_path / "shelf")))
    base, why, material = _split(base_table(OwnDataRequest(path=str(tmp_path / "shelf")), data), data)
    assert base["split"]["by"] == "session"
    assert set(material.samples.y[material.sides.test]) == {"many", "more"}
    assert "only" in why["split"]

"""Bursts of near-duplicate pictures are found, and a split keeps each on one side."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgewright.core.errors import ConfigError
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.core.records.trace import EvaluationRecord, Interval
from edgewright.data.load import load_data
from edgewright.data.near_duplicates import burst_sentence, burst_share, find_bursts, link_recordings
from edgewright.pipeline.config import checked
from edgewright.pipeline.material import prepare
from edgewright.pipeline.plan import data_plan
from edgewright.race.problem import fold_units
from edgewright.trace.sentences.readiness import READY, WEAK, state_of, verdict
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


def test_copies_in_another_light_contrast_or_orientation_are_linked() -> None:
    pictures, scenes = photographs(120)
    changed = [
        0.6 * pictures[0],
        0.7 * pictures[1] + 40,
        np.rot90(pictures[2], 1, (1, 2)),
        np.rot90(pictures[3], 2, (1, 2)),
    ]
    changed += [255 * (pictures[4] / 255) ** 1.3]
    every = np.concatenate([pictures, np.stack(changed).astype(np.float32)])
    bursts = find_bursts(every, labels_of(np.concatenate([scenes, scenes[:5]])))
    assert bursts.tolist() == [*range(120), *range(5)]


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


@pytest.mark.slow
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


def oscillations(count: int, seed: int = 0, rows: int = 100) -> list[Floats]:
    """Return recordings of two columns: sums of sines of random frequencies and phases, with noise."""
    generator = np.random.default_rng(seed)
    times = np.arange(rows)[:, None, None] / rows
    recordings = []
    for _ in range(count):
        frequencies, phases = generator.uniform(1, 6, (2, 3)), generator.uniform(0, 6.3, (2, 3))
        waves = np.sin(2 * np.pi * frequencies * times + phases).sum(axis=-1)
        recordings.append((waves + generator.normal(0, 0.1, waves.shape)).astype(np.float32))
    return recordings


def dataset_of(values: list[Floats], rate: float | None = 50.0) -> DataSet:
    columns = tuple(Column(name=f"c{i}") for i in range(values[0].shape[1]))
    recordings = tuple(Recording(name=f"r{i}", values=v) for i, v in enumerate(values))
    return DataSet(name="d", columns=columns, recordings=recordings, rate=rate)


def session_names(dataset: DataSet) -> list[str]:
    return [r.name if r.sessions is None else str(r.sessions[0]) for r in dataset.recordings]


def test_copies_of_recordings_are_one_session() -> None:
    generator = np.random.default_rng(3)
    values = oscillations(60)
    noisy = [value + generator.normal(0, 0.05, value.shape).astype(np.float32) for value in values[:10]]
    dataset, sentence = link_recordings(dataset_of([*values, *noisy]))
    assert session_names(dataset) == [*(f"r{i}" for i in range(60)), *(f"r{i}" for i in range(10))]
    assert sentence.startswith("20 of 70 ")


def test_distinct_recordings_stay_apart() -> None:
    dataset = dataset_of(oscillations(400))
    assert link_recordings(dataset) == (dataset, "")


def test_constant_and_short_recordings_stay_apart() -> None:
    values = [np.full((rows, 2), level, np.float32) for rows, level in ((1, 0), (50, 3), (50, 3), (2, np.nan))]
    dataset = dataset_of(values)
    assert link_recordings(dataset) == (dataset, "")
    sounds = dataset_of([value[:, :1] for value in values], rate=8000.0)
    assert link_recordings(sounds) == (sounds, "")


def test_copies_of_sounds_are_found_whatever_their_gain_and_start() -> None:
    generator = np.random.default_rng(5)
    sounds = []
    for _ in range(40):  # noise of a few resonances, as speech has
        spectrum = np.zeros(2001, complex)
        for centre in generator.integers(50, 1500, 4):
            spectrum += np.exp(-(((np.arange(2001) - centre) / 60) ** 2)) * np.exp(6.3j * generator.random(2001))
        sounds.append(np.fft.irfft(spectrum)[:, None].astype(np.float32))
    copies = []
    for sound in sounds[::4]:
        copy = np.pad(generator.uniform(0.2, 4) * sound, ((int(generator.integers(1, 900)), 0), (0, 0)))
        copies.append((copy + generator.normal(0, 0.1 * copy.std(), copy.shape)).astype(np.float32))
    dataset, sentence = link_recordings(dataset_of([*sounds, *copies], rate=8000.0))
    assert session_names(dataset)[40:] == [f"r{i}" for i in range(0, 40, 4)]
    assert sentence.startswith("20 of 50 ")


def test_copies_are_on_one_side_of_the_proposed_split_and_of_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "swings"
    folder.mkdir()
    values = oscillations(30, rows=120)
    for i, value in enumerate([*values, *values]):
        label = ("slow", "fast")[i % 2]
        lines = [f"{a:.4f},{b:.4f},{label}" for a, b in value * (1.0 if i < 30 else 1.02)]
        (folder / f"{i * 7919 % 9973}.csv").write_text("\n".join(["ax,ay,label", *lines]) + "\n")
    request = OwnDataRequest(path=str(folder), decision="recording")
    data = look(request)
    base, why, _ = _split(base_table(request, data), data)
    assert base["data"]["near_duplicates"] is True
    assert "60 of 60" in why["split"]
    material = prepare(data_plan(checked(base, "swings")), None)
    sides = [
        set(material.samples.sessions[rows].tolist())
        for rows in (material.sides.train, material.sides.validation, material.sides.test)
    ]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 30


def walks(count: int, rows: int, seed: int = 0) -> list[Floats]:
    """Return recordings of one column: random walks, shape (rows,) each."""
    generator = np.random.default_rng(seed)
    return [np.cumsum(generator.normal(size=rows)).round(3).astype(np.float32) for _ in range(count)]


def windows_of(recordings: list[Floats], step: int, length: int = 64) -> tuple[Floats, NDArray[np.int64]]:
    """Return overlapping windows, shape (n, length), and the recording of each."""
    starts = range(0, len(recordings[0]) - length + 1, step)
    rows = np.stack([recording[start : start + length] for recording in recordings for start in starts])
    return rows, np.repeat(np.arange(len(recordings)), len(starts))


def write_windows(path: Path, rows: Floats, labels: list[str]) -> None:
    lines = [",".join([*(f"t{i}" for i in range(rows.shape[1])), "label"])]
    lines += [",".join([*map(str, row.tolist()), label]) for row, label in zip(rows, labels, strict=True)]
    path.write_text("\n".join(lines) + "\n")


def test_rows_that_are_overlapping_windows_are_on_one_side(tmp_path: Path) -> None:
    rows, of = windows_of(walks(30, 400), 32)
    order = np.random.default_rng(1).permutation(len(rows))
    write_windows(tmp_path / "windows.csv", rows[order], [("slow", "fast")[i % 2] for i in of[order].tolist()])
    request = OwnDataRequest(path=str(tmp_path / "windows.csv"), target="label")
    data = look(request)
    base, why, _ = _split(base_table(request, data), data)
    assert base["data"]["near_duplicates"] is True
    assert base["split"]["by"] == "session"
    assert f"{len(rows)} of {len(rows)}" in why["split"]
    material = prepare(data_plan(checked(base, "windows")), None)
    sides = [set(of[order][rows].tolist()) for rows in (material.sides.train, material.sides.validation)]
    sides.append(set(of[order][material.sides.test].tolist()))
    assert sum(map(len, sides)) == len(set.union(*sides)) == 30


def test_a_long_chain_of_windows_is_cut_into_blocks_in_order() -> None:
    rows, _ = windows_of(walks(1, 64 + 16 * 399), 16)
    order = np.random.default_rng(2).permutation(400)
    columns = tuple(Column(name=f"t{i}") for i in range(64))
    dataset = DataSet(name="rows", columns=columns, recordings=(Recording(name="rows", values=rows[order]),))
    linked, sentence = link_recordings(dataset)
    assert "400 of 400" in sentence
    sessions = np.asarray(linked.recordings[0].sessions)[np.argsort(order)]
    assert np.flatnonzero(sessions[1:] != sessions[:-1]).tolist() == list(range(19, 399, 20))


def test_rows_that_do_not_overlap_and_constant_rows_stay_apart() -> None:
    rows = np.stack([*walks(200, 64), *np.zeros((20, 64), np.float32)])
    columns = tuple(Column(name=f"t{i}") for i in range(64))
    dataset = DataSet(name="rows", columns=columns, recordings=(Recording(name="rows", values=rows),))
    assert link_recordings(dataset) == (dataset, "")


def test_too_many_recordings_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgewright.data.near_duplicates._MAX_RECORDINGS", 3)
    dataset = dataset_of(oscillations(4))
    linked, sentence = link_recordings(dataset)
    assert linked == dataset
    assert sentence.startswith("4 recordings were not searched")


@pytest.mark.parametrize("wrong", ["yes", 1, None])
def test_a_wrong_setting_is_refused(tmp_path: Path, wrong: object) -> None:
    (tmp_path / "a.csv").write_text("x,label\n1,a\n2,b\n")
    with pytest.raises(ConfigError, match="near_duplicates"):
        load_data({"kind": "csv", "path": str(tmp_path / "a.csv"), "target": "label", "near_duplicates": wrong}, seed=0)


@pytest.mark.parametrize(("share", "state"), [(msgspec.UNSET, READY), (0.4, READY), (0.5, WEAK), (1.0, WEAK)])
def test_pictures_in_bursts_are_a_weakness(share: float | msgspec.UnsetType, state: str) -> None:
    accuracy = Interval(value=0.9, low=0.85, high=0.95, method="wilson")
    evaluation = EvaluationRecord(samples=200, split_by="session", accuracy=accuracy, majority=0.3, burst_share=share)
    assert state_of(verdict(evaluation=evaluation)) == state


def test_share_of_pictures_in_bursts() -> None:
    assert burst_share(np.array(["a", "a", "b", "c", "c", "c", "d", "e"])) == 5 / 8
    assert burst_share(np.array([], dtype=str)) == 0

"""Official parts of public sets, in the layout of the origin, made here of the rows that are at hand."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pytest
from benchmarks.datasets.magic_wand import SETS as MAGIC_WAND
from benchmarks.datasets.magic_wand import MagicWandConfig

from edgewright.data.samples import cut
from edgewright.data.sets import activities, heartbeats, machines, media, texts
from edgewright.data.sets.heartbeats import read_annotations
from edgewright.schema.config import WindowConfig
from edgewright.schema.errors import InputError
from support import shared_data


def _numbers(path: Path, rows: np.ndarray[Any, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(" ".join(f"{v:g}" for v in row) for row in rows) + "\n", encoding="utf-8")


def test_hapt_knows_the_official_people(tmp_path: Path) -> None:
    for experiment, user in ((1, 1), (7, 4), (47, 24)):
        for kind in ("acc", "gyro"):
            _numbers(tmp_path / "RawData" / f"{kind}_exp{experiment:02}_user{user:02}.txt", np.ones((4, 3)))
    (tmp_path / "RawData" / "labels.txt").write_text("1 1 1 1 4\n7 4 4 1 4\n47 24 5 1 4\n")
    parts: tuple[Literal["train", "test", "both"], ...] = ("train", "test", "both")
    people = {
        part: [r.name for r in activities.SETS["hapt"].load(tmp_path, activities.HaptConfig(part=part)).recordings]
        for part in parts
    }
    assert people == {
        "train": ["exp01_user01"], "test": ["exp07_user04", "exp47_user24"],
        "both": ["exp01_user01", "exp07_user04", "exp47_user24"],
    }  # fmt: skip
    assert len(activities.TEST_PEOPLE) == 9


def test_hapt_says_who_is_there_instead_of_the_test_people() -> None:
    with pytest.raises(InputError, match=r"test: people 2, 4, 9.*people 1, 3, 5.*data get hapt"):
        activities.SETS["hapt"].load(shared_data("har-hapt"), activities.HaptConfig(part="test"))


@pytest.mark.parametrize("subset", ["FD001", "FD002", "FD003", "FD004"])
def test_cmapss_test_engines_stop_before_they_fail(
    tmp_path: Path, subset: Literal["FD001", "FD002", "FD003", "FD004"]
) -> None:
    rows = np.zeros((6, 26))
    rows[:, 0], rows[:, 1] = [1, 1, 1, 2, 2, 2], [1, 2, 3, 1, 2, 3]
    _numbers(tmp_path / "CMAPSSData" / f"train_{subset}.txt", rows)
    _numbers(tmp_path / "CMAPSSData" / f"test_{subset}.txt", rows)
    (tmp_path / "CMAPSSData" / f"RUL_{subset}.txt").write_text("112 \n98 \n")
    config = machines.CmapssConfig(subset=subset, part="test", cap=113)
    data = machines.SETS["cmapss"].load(tmp_path, config)
    assert [r.target.tolist() for r in data.recordings] == [[113, 113, 112], [100, 99, 98]]
    assert [r.name for r in data.recordings] == ["test-engine-1", "test-engine-2"]
    both = machines.SETS["cmapss"].load(tmp_path, msgspec.structs.replace(config, part="both"))
    groups = [str(r.groups[0]) for r in both.recordings if r.groups is not None]
    assert groups == ["engine-1", "engine-2", "test-engine-1", "test-engine-2"]
    (tmp_path / "CMAPSSData" / f"RUL_{subset}.txt").write_text("112\n")
    with pytest.raises(InputError, match="2 lines, one an engine"):
        machines.SETS["cmapss"].load(tmp_path, config)


def _beats(path: Path, *records: str) -> None:
    names = np.repeat(np.array(records), 3)
    np.savez(
        path, x=np.full((len(names), 200), 1124, np.int16), y=np.tile([0, 2, 0], len(records)), record=names,
        sample=np.tile([360, 720, 900], len(records)),
    )  # fmt: skip


def test_mitdb_reads_several_files_and_knows_when_beats_were(tmp_path: Path) -> None:
    _beats(tmp_path / "beats.npz", "101", "106")
    _beats(tmp_path / "beats_test.npz", "100", "103")
    first = heartbeats.SETS["mitdb"].load(tmp_path, heartbeats.MitdbConfig(part="DS1"))
    assert [r.name for r in first.recordings] == ["record-101", "record-106"]
    assert first.recordings[0].time is not None
    assert first.recordings[0].time.tolist() == [0.0, 1.0, 1.5]
    second = heartbeats.SETS["mitdb"].load(tmp_path, heartbeats.MitdbConfig(part="test"))
    assert [r.name for r in second.recordings] == ["record-100", "record-103"]
    assert second.recordings[0].target.tolist() == ["N", "V", "N"]
    _beats(tmp_path / "again.npz", "100")
    with pytest.raises(InputError, match=r"record 100 in one file \.npz"):
        heartbeats.SETS["mitdb"].load(tmp_path)


@pytest.mark.slow
def test_mitdb_tells_how_far_beats_lie_apart() -> None:
    folder = shared_data("mitdb") / "raw"
    plain = heartbeats.SETS["mitdb"].load(folder).recordings[0]
    with_intervals = heartbeats.SETS["mitdb"].load(folder, heartbeats.MitdbConfig(intervals=True))
    assert [c.name for c in with_intervals.columns[-3:]] == ["interval", "interval_share", "next_interval_share"]
    values = with_intervals.recordings[0].values
    assert plain.time is not None
    np.testing.assert_allclose(values[1:, 200], np.diff(plain.time), rtol=1e-5)
    np.testing.assert_allclose(values[20, 201], values[20, 200] / values[11:21, 200].mean(), rtol=1e-5)
    np.testing.assert_allclose(values[20, 202], values[21, 200] / values[11:21, 200].mean(), rtol=1e-5)
    np.testing.assert_array_equal(values[:, :200], plain.values)
    with pytest.raises(InputError, match="intervals with form 'table'"):
        heartbeats.SETS["mitdb"].load(folder, heartbeats.MitdbConfig(intervals=True, form="windows"))


@pytest.mark.slow
def test_mitdb_positions_are_those_of_the_annotations() -> None:
    folder = shared_data("mitdb")
    copied = {r.name: r for r in heartbeats.SETS["mitdb"].load(folder).recordings}
    for recording in heartbeats.SETS["mitdb"].load(folder / "raw", heartbeats.MitdbConfig(part="train")).recordings:
        assert recording.time is not None
        np.testing.assert_array_equal(recording.time, copied[recording.name].time)
        assert (np.diff(recording.time) > 0).all()


def test_fsdd_official_test_is_the_first_tenth(tmp_path: Path) -> None:
    with zipfile.ZipFile(shared_data("fsdd") / "recordings.zip") as archive:
        (wav,) = (name for name in archive.namelist() if name.endswith("7_theo_5.wav"))
        sound = archive.read(wav)
    path = tmp_path / "free-spoken-digit-dataset-master" / "recordings"
    path.mkdir(parents=True)
    for index in (0, 4, 5, 49):
        (path / f"7_theo_{index}.wav").write_bytes(sound)
    parts = {
        part: [r.name for r in media.SETS["fsdd"].load(tmp_path, media.FsddConfig(part=part)).recordings]
        for part in ("train", "test")
    }
    assert parts == {"train": ["7_theo_49", "7_theo_5"], "test": ["7_theo_0", "7_theo_4"]}
    with pytest.raises(InputError, match="of the part 'test'"):
        media.SETS["fsdd"].load(shared_data("fsdd"), media.FsddConfig(part="test"))


def test_sound_is_read_from_all_archives_of_a_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(shared_data("fsdd") / "recordings.zip") as whole:
        names = [n for n in whole.namelist() if n.endswith(".wav")][:2]
        for number, name in enumerate(names):
            with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as part:
                part.writestr(name, whole.read(name))
    assert len(media.SETS["fsdd"].load(tmp_path).recordings) == 2


def test_snips_has_the_part_that_validates(tmp_path: Path) -> None:
    folder = tmp_path / "nlu-benchmark-master" / "2017-06-custom-intent-engines" / "RateBook"
    folder.mkdir(parents=True)
    for name, text in (("train_RateBook", "a"), ("train_RateBook_full", "b"), ("validate_RateBook", "c")):
        sentence = {"data": [{"text": "rate "}, {"text": text, "entity": "object_name"}]}
        (folder / f"{name}.json").write_bytes(msgspec.json.encode({"RateBook": [sentence]}))
    rows = texts.SETS["snips"].load(tmp_path).rows
    assert {(part, text) for part, text, *_ in rows} == {
        ("small", "rate a"), ("full", "rate b"), ("validate", "rate c"),
    }  # fmt: skip


pytestmark = pytest.mark.needs_data


@pytest.mark.slow
def test_hapt_windows_are_the_official_ones() -> None:
    data = activities.SETS["hapt"].load(shared_data("har-hapt"))
    samples = cut(data, WindowConfig(samples=128, step=64))
    official = dict(zip(activities.HAPT_ACTIVITIES[:6], (1226, 1073, 987, 1293, 1423, 1413), strict=True))
    assert dict(zip(*np.unique(samples.y, return_counts=True), strict=True)) == official
    assert samples.X.shape == (7415, 6, 128)
    assert samples.groups is not None
    assert {int(user) for user in samples.groups} == {*range(1, 31)} - {*activities.TEST_PEOPLE}


@pytest.mark.slow
def test_mitdb_original_records_give_the_beats_of_the_copy() -> None:
    folder = shared_data("mitdb")
    copied = heartbeats.SETS["mitdb"].load(folder)
    original = heartbeats.SETS["mitdb"].load(folder / "raw")
    assert [r.name for r in original.recordings] == [f"record-{n}" for n in (101, 106, 119, 208, 223)]
    by_name = {r.name: r for r in copied.recordings}
    for recording in original.recordings:
        np.testing.assert_array_equal(recording.values, by_name[recording.name].values)
        np.testing.assert_array_equal(recording.target, by_name[recording.name].target)
    with pytest.raises(InputError, match="records of DS2"):
        heartbeats.SETS["mitdb"].load(folder, heartbeats.MitdbConfig(part="DS2"))


@pytest.mark.slow
def test_mitdb_windows_are_the_beats() -> None:
    folder = shared_data("mitdb") / "raw"
    table = heartbeats.SETS["mitdb"].load(folder)
    samples = cut(
        heartbeats.SETS["mitdb"].load(folder, heartbeats.MitdbConfig(form="windows")),
        WindowConfig(samples=200, step=200),
    )
    np.testing.assert_array_equal(samples.X[:, 0, :], np.concatenate([r.values for r in table.recordings]))
    np.testing.assert_array_equal(samples.y, np.concatenate([r.target for r in table.recordings]))


def test_annotations_that_stop_short_are_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    raw = (shared_data("mitdb") / "raw" / "101.atr").read_bytes()
    short = tmp_path_factory.mktemp("short") / "101.atr"
    short.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(InputError, match="the end of the file"):
        read_annotations(short)


@pytest.mark.slow
def test_fsdd_speakers_and_parts() -> None:
    folder = shared_data("fsdd")
    data = media.SETS["fsdd"].load(folder)
    speakers = {str(r.groups[0]) for r in data.recordings if r.groups is not None}
    assert speakers == {"george", "jackson", "lucas", "nicolas", "theo", "yweweler"}
    assert {str(r.target[0]) for r in data.recordings} == set("0123456789")
    with pytest.raises(InputError, match="none"):
        media.SETS["fsdd"].load(folder, media.FsddConfig(part="test"))


def test_strokes_of_a_wand_as_pictures_are_the_lines_that_were_drawn() -> None:
    folder = shared_data("magic-wand-digits")
    strokes = MAGIC_WAND["magic_wand"].load(folder).recordings
    pictures = MAGIC_WAND["magic_wand"].load(folder, MagicWandConfig(form="pictures", side=24)).recordings[0]
    assert pictures.values.shape == (670, 1, 24, 24)
    assert [stroke.target[0] for stroke in strokes] == pictures.target.tolist()
    for stroke, picture in zip(strokes, pictures.values, strict=True):
        columns, rows = ((stroke.values * (1, -1) + 0.6) / 1.2 * 24).astype(int).T
        assert (picture[0, rows, columns] > 0).mean() > 0.95  # upright, and its points on the line
        assert (picture > 0).mean() < 0.4


def test_cmapss_engines_run_to_failure() -> None:
    data = machines.SETS["cmapss"].load(shared_data("cmapss"))
    assert all(r.target[-1] == 0 for r in data.recordings)
    assert max(r.target.max() for r in data.recordings) == 125

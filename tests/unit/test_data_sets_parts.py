"""Official parts of public sets, in the layout of the origin, made here of the rows that are at hand."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from activities import HAPT_ACTIVITIES, TEST_PEOPLE
from edgewright.core.errors import InputError
from edgewright.core.records.config import WindowConfig
from edgewright.data.samples import cut
from example_sources import read_set
from heartbeats import read_annotations
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
    people = {part: [r.name for r in read_set("hapt", tmp_path, part=part).recordings] for part in parts}
    assert people == {
        "train": ["exp01_user01"], "test": ["exp07_user04", "exp47_user24"],
        "both": ["exp01_user01", "exp07_user04", "exp47_user24"],
    }  # fmt: skip
    assert len(TEST_PEOPLE) == 9


def test_hapt_says_who_is_there_instead_of_the_test_people() -> None:
    with pytest.raises(InputError, match=r"test: people 2, 4, 9.*people 1, 3, 5.*whole set"):
        read_set("hapt", shared_data("har-hapt"), part="test")


@pytest.mark.parametrize("subset", ["FD001", "FD002", "FD003", "FD004"])
def test_cmapss_test_engines_stop_before_they_fail(
    tmp_path: Path, subset: Literal["FD001", "FD002", "FD003", "FD004"]
) -> None:
    rows = np.zeros((6, 26))
    rows[:, 0], rows[:, 1] = [1, 1, 1, 2, 2, 2], [1, 2, 3, 1, 2, 3]
    _numbers(tmp_path / "CMAPSSData" / f"train_{subset}.txt", rows)
    _numbers(tmp_path / "CMAPSSData" / f"test_{subset}.txt", rows)
    (tmp_path / "CMAPSSData" / f"RUL_{subset}.txt").write_text("112 \n98 \n")
    config: dict[str, object] = {"subset": subset, "part": "test", "cap": 113}
    data = read_set("cmapss", tmp_path, **config)
    assert [r.target.tolist() for r in data.recordings] == [[113, 113, 112], [100, 99, 98]]
    assert [r.name for r in data.recordings] == ["test-engine-1", "test-engine-2"]
    both = read_set("cmapss", tmp_path, **{**config, "part": "both"})
    groups = [str(r.groups[0]) for r in both.recordings if r.groups is not None]
    assert groups == ["engine-1", "engine-2", "test-engine-1", "test-engine-2"]
    (tmp_path / "CMAPSSData" / f"RUL_{subset}.txt").write_text("112\n")
    with pytest.raises(InputError, match="2 lines, one an engine"):
        read_set("cmapss", tmp_path, **config)


def _beats(path: Path, *records: str) -> None:
    names = np.repeat(np.array(records), 3)
    np.savez(
        path, x=np.full((len(names), 200), 1124, np.int16), y=np.tile([0, 2, 0], len(records)), record=names,
        sample=np.tile([360, 720, 900], len(records)),
    )  # fmt: skip


def test_mitdb_reads_several_files_and_knows_when_beats_were(tmp_path: Path) -> None:
    _beats(tmp_path / "beats.npz", "101", "106")
    _beats(tmp_path / "beats_test.npz", "100", "103")
    first = read_set("mitdb", tmp_path, part="DS1")
    assert [r.name for r in first.recordings] == ["record-101", "record-106"]
    assert first.recordings[0].time is not None
    assert first.recordings[0].time.tolist() == [0.0, 1.0, 1.5]
    second = read_set("mitdb", tmp_path, part="test")
    assert [r.name for r in second.recordings] == ["record-100", "record-103"]
    assert second.recordings[0].target.tolist() == ["N", "V", "N"]
    _beats(tmp_path / "again.npz", "100")
    with pytest.raises(InputError, match=r"record 100 in one file \.npz"):
        read_set("mitdb", tmp_path)


@pytest.mark.slow
def test_mitdb_tells_how_far_beats_lie_apart() -> None:
    folder = shared_data("mitdb") / "raw"
    plain = read_set("mitdb", folder).recordings[0]
    with_intervals = read_set("mitdb", folder, intervals=True)
    assert [c.name for c in with_intervals.columns[-3:]] == ["interval", "interval_share", "next_interval_share"]
    values = with_intervals.recordings[0].values
    assert plain.time is not None
    np.testing.assert_allclose(values[1:, 200], np.diff(plain.time), rtol=1e-5)
    np.testing.assert_allclose(values[20, 201], values[20, 200] / values[11:21, 200].mean(), rtol=1e-5)
    np.testing.assert_allclose(values[20, 202], values[21, 200] / values[11:21, 200].mean(), rtol=1e-5)
    np.testing.assert_array_equal(values[:, :200], plain.values)
    with pytest.raises(InputError, match="intervals with form 'table'"):
        read_set("mitdb", folder, intervals=True, form="windows")


@pytest.mark.slow
def test_mitdb_positions_are_those_of_the_annotations() -> None:
    folder = shared_data("mitdb")
    copied = {r.name: r for r in read_set("mitdb", folder).recordings}
    for recording in read_set("mitdb", folder / "raw", part="train").recordings:
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
    parts = {part: [r.name for r in read_set("fsdd", tmp_path, part=part).recordings] for part in ("train", "test")}
    assert parts == {"train": ["7_theo_49", "7_theo_5"], "test": ["7_theo_0", "7_theo_4"]}
    with pytest.raises(InputError, match="of the part 'test'"):
        read_set("fsdd", shared_data("fsdd"), part="test")


def test_sound_is_read_from_all_archives_of_a_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(shared_data("fsdd") / "recordings.zip") as whole:
        names = [n for n in whole.namelist() if n.endswith(".wav")][:2]
        for number, name in enumerate(names):
            with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as part:
                part.writestr(name, whole.read(name))
    assert len(read_set("fsdd", tmp_path).recordings) == 2


pytestmark = pytest.mark.needs_data


@pytest.mark.slow
def test_hapt_windows_are_the_official_ones() -> None:
    data = read_set("hapt", shared_data("har-hapt"))
    samples = cut(data, WindowConfig(samples=128, step=64))
    official = dict(zip(HAPT_ACTIVITIES[:6], (1226, 1073, 987, 1293, 1423, 1413), strict=True))
    assert dict(zip(*np.unique(samples.y, return_counts=True), strict=True)) == official
    assert samples.X.shape == (7415, 6, 128)
    assert samples.groups is not None
    assert {int(user) for user in samples.groups} == {*range(1, 31)} - {*TEST_PEOPLE}


@pytest.mark.slow
def test_mitdb_original_records_give_the_beats_of_the_copy() -> None:
    folder = shared_data("mitdb")
    copied = read_set("mitdb", folder)
    original = read_set("mitdb", folder / "raw")
    assert [r.name for r in original.recordings] == [f"record-{n}" for n in (101, 106, 119, 208, 223)]
    by_name = {r.name: r for r in copied.recordings}
    for recording in original.recordings:
        np.testing.assert_array_equal(recording.values, by_name[recording.name].values)
        np.testing.assert_array_equal(recording.target, by_name[recording.name].target)
    with pytest.raises(InputError, match="records of DS2"):
        read_set("mitdb", folder, part="DS2")


@pytest.mark.slow
def test_mitdb_windows_are_the_beats() -> None:
    folder = shared_data("mitdb") / "raw"
    table = read_set("mitdb", folder)
    samples = cut(
        read_set("mitdb", folder, form="windows"),
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
    data = read_set("fsdd", folder)
    speakers = {str(r.groups[0]) for r in data.recordings if r.groups is not None}
    assert speakers == {"george", "jackson", "lucas", "nicolas", "theo", "yweweler"}
    assert {str(r.target[0]) for r in data.recordings} == set("0123456789")
    with pytest.raises(InputError, match="none"):
        read_set("fsdd", folder, part="test")


def test_cmapss_engines_run_to_failure() -> None:
    data = read_set("cmapss", shared_data("cmapss"))
    assert all(r.target[-1] == 0 for r in data.recordings)
    assert max(r.target.max() for r in data.recordings) == 125

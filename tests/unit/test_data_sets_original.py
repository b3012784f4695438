"""Loaders read the layout of the origin as well as that of a plain copy: small files in the original forms."""

from __future__ import annotations

import gzip
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from activities import HAPT_ACTIVITIES, WISDM_WATCH_ACTIVITIES
from edgewright.core.errors import DataError, InputError, UnknownNameError
from edgewright.core.records.config import WindowConfig
from edgewright.data.load import load_data
from edgewright.data.samples import cut
from edgewright.data.sources.basic_motions import carried_by_sktime
from example_sources import read_set
from machines import AI4I2020_READINGS, SKAB_READINGS
from support import left_out


def _lines(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _numbers(path: Path, rows: np.ndarray[Any, Any]) -> None:
    _lines(path, *(" ".join(f"{v:g}" for v in row) for row in rows))


def test_hapt_original_and_touching_stretches(tmp_path: Path) -> None:
    acc = np.arange(90.0).reshape(30, 3) / 100
    _numbers(tmp_path / "RawData" / "acc_exp01_user07.txt", acc)
    _numbers(tmp_path / "RawData" / "gyro_exp01_user07.txt", acc + 1)
    # Two walks that touch (samples 3-12 and 13-20), sitting, a transition, counted from 1 and inclusive.
    _lines(tmp_path / "RawData" / "labels.txt", "1 7 1 3 12", "1 7 1 13 20", "1 7 4 21 26", "1 7 8 27 28")
    data = read_set("hapt", tmp_path)
    (recording,) = data.recordings
    np.testing.assert_allclose(recording.values, np.concatenate([acc, acc + 1], axis=1), rtol=1e-6)
    assert recording.target.tolist() == [""] * 2 + ["walking"] * 18 + ["sitting"] * 6 + [""] * 4
    assert recording.groups is not None
    assert set(recording.groups) == {"7"}
    samples = cut(data, WindowConfig(samples=4, step=2))
    assert dict(zip(*np.unique(samples.y, return_counts=True), strict=True)) == {"walking": 4 + 3, "sitting": 2}
    every = read_set("hapt", tmp_path, activities=HAPT_ACTIVITIES)
    assert every.recordings[0].target[26] == "sit to stand"


def test_hapt_says_what_is_wrong(tmp_path: Path) -> None:
    _numbers(tmp_path / "acc_exp01_user07.txt", np.zeros((5, 3)))
    with pytest.raises(DataError):
        read_set("hapt", tmp_path)
    _lines(tmp_path / "labels.txt", "1 7 1 1 9")
    with pytest.raises(InputError, match=r"gyro_exp01_user07\.txt"):
        read_set("hapt", tmp_path)
    _numbers(tmp_path / "gyro_exp01_user07.txt", np.zeros((5, 3)))
    with pytest.raises(InputError, match="at least 9 rows"):
        read_set("hapt", tmp_path)
    _lines(tmp_path / "labels.txt", "1 7 walking 1 9")
    with pytest.raises(InputError, match=r"labels\.txt line 1"):
        read_set("hapt", tmp_path)
    with pytest.raises(UnknownNameError, match="Did you mean 'walking'"):
        read_set("hapt", tmp_path, activities=("waking",))


def test_basic_motions_both_parts(tmp_path: Path) -> None:
    case = ":".join(["1,2,3"] * 6)
    _lines(tmp_path / "BasicMotions_TEST.ts", "# words", "@classLabel true Running", "@data", case + ":Running")
    _lines(tmp_path / "BasicMotions_TRAIN.ts", "@data", case + ":Standing", case + ":Walking")
    data = read_set("basic_motions", tmp_path)
    assert [r.name for r in data.recordings] == ["train-01", "train-02", "test-01"]
    assert [str(r.target[0]) for r in data.recordings] == ["standing", "walking", "running"]
    assert data.recordings[0].values.shape == (3, 6)
    only = read_set("basic_motions", tmp_path, part="test")
    assert [r.name for r in only.recordings] == ["test-01"]


@pytest.mark.parametrize(
    ("line", "message"),
    [("1,2:1,2:1,2:1,2:1,2:1:Walking", "equal length"), ("1,2:Walking", "6 channels"), ("1,a:Walking", "line 2")],
)
def test_ts_files_that_are_wrong(tmp_path: Path, line: str, message: str) -> None:
    _lines(tmp_path / "BasicMotions_TRAIN.ts", "@data", line)
    with pytest.raises(DataError, match=message):
        read_set("basic_motions", tmp_path)


def test_basic_motions_carried_by_sktime() -> None:
    if importlib.util.find_spec("sktime") is None:
        left_out("sktime is not installed")
    data = read_set("basic_motions", carried_by_sktime())
    assert len(data.recordings) == 80
    assert data.rate == 10.0


def test_wisdm_watch_original(tmp_path: Path) -> None:
    _lines(
        tmp_path / "raw" / "watch" / "accel" / "data_1600_accel_watch.txt",
        "1600,A,90426708196641,7.1,-0.5,8.2;",
        "1600,F,90426757696641,4.9,-0.1,6.7;",
    )
    (recording,) = read_set("wisdm_watch", tmp_path).recordings
    np.testing.assert_allclose(recording.values, [[7.1, -0.5, 8.2], [4.9, -0.1, 6.7]], rtol=1e-6)
    assert recording.target.tolist() == ["walking", ""], "typing is not among the six"
    all_of_them = tuple(WISDM_WATCH_ACTIVITIES.values())
    assert read_set("wisdm_watch", tmp_path, activities=all_of_them).recordings[0].target.tolist() == [
        "walking",
        "typing",
    ]


def test_daphnet_original(tmp_path: Path) -> None:
    _lines(
        tmp_path / "S03R01.txt", "15 70 39 -970 0 0 0 0 0 0 0", "31 70 39 -970 1 2 3 4 5 6 2", "46 1 1 1 1 1 1 1 1 1 1"
    )
    (recording,) = read_set("daphnet", tmp_path).recordings
    assert recording.target.tolist() == ["", "freeze", "no freeze"]
    assert recording.groups is not None
    assert recording.groups[0] == "S03"
    assert recording.values[1].tolist() == [70, 39, -970, 1, 2, 3, 4, 5, 6]


def test_people_counts_original(tmp_path: Path) -> None:
    _lines(tmp_path / "CalIt2.data", "7,07/24/05,00:00:00,3", "9,07/24/05,00:00:00,1", "7,07/24/05,00:30:00,2",
           "9,07/24/05,00:30:00,0")  # fmt: skip
    (recording,) = read_set("people_counts", tmp_path).recordings
    assert recording.values.tolist() == [[1, 3], [0, 2]]
    assert recording.time is not None
    assert recording.time.tolist() == [0, 1800]


def test_nab_windows_and_patterns(tmp_path: Path) -> None:
    windows = {"real/a.csv": [["2014-01-01 00:05:00.000000", "2014-01-01 00:10:00.000000"]], "real/b.csv": []}
    _lines(tmp_path / "labels" / "combined_windows.json", json.dumps(windows))
    for name in ("a", "b"):
        rows = [f"2014-01-01 00:{m:02d}:00,{m}" for m in (0, 5, 10, 15)]
        _lines(tmp_path / "data" / "real" / f"{name}.csv", "timestamp,value", *rows)
    _lines(tmp_path / "results" / "other" / "real" / "a.csv", "timestamp,value", "no,stream")
    data = read_set("nab", tmp_path)
    assert [r.name for r in data.recordings] == ["real/a", "real/b"]
    assert data.recordings[0].target.tolist() == ["normal", "anomaly", "anomaly", "normal"]
    assert data.rate == 1 / 300
    only = read_set("nab", tmp_path, streams=("*/b",))
    assert [r.name for r in only.recordings] == ["real/b"]
    with pytest.raises(InputError, match=r"data\.streams"):
        read_set("nab", tmp_path, streams=("none",))


def test_cmapss_counts_down_and_caps(tmp_path: Path) -> None:
    rows = np.zeros((5, 26))
    rows[:, 0], rows[:, 1] = [1, 1, 1, 2, 2], [1, 2, 3, 1, 2]
    _numbers(tmp_path / "train_FD001.txt", rows)
    whole = read_set("cmapss", tmp_path, cap=0)
    assert [r.target.tolist() for r in whole.recordings] == [[2, 1, 0], [1, 0]]
    assert read_set("cmapss", tmp_path, cap=1).recordings[0].target.tolist() == [
        1,
        1,
        0,
    ]
    counted = read_set("cmapss", tmp_path, cycle=True)
    assert (counted.columns[0].name, len(counted.columns)) == ("cycle", 25)
    assert [r.values[:, 0].tolist() for r in counted.recordings] == [[1, 2, 3], [1, 2]]
    with pytest.raises(DataError):
        read_set("cmapss", tmp_path, subset="FD003")


def test_ecg200_writes_classes_one_way(tmp_path: Path) -> None:
    values = "\t".join(["0.5"] * 96)
    _lines(tmp_path / "ECG200_TRAIN.tsv", f"0\t{values}", f"1\t{values}")
    _lines(tmp_path / "ECG200_TEST.ts", "@data", ",".join(["0.5"] * 96) + ":-1")
    data = read_set("ecg200", tmp_path)
    assert [(r.name, str(r.target[0])) for r in data.recordings] == [
        ("train-001", "-1"), ("train-002", "1"), ("test-001", "-1"),
    ]  # fmt: skip


def test_skab_anomaly_free_is_unlabelled(tmp_path: Path) -> None:
    head = "datetime;" + ";".join(SKAB_READINGS)
    row = ";".join(["2020-03-09 10:14:33"] + ["1.5"] * 8)
    _lines(tmp_path / "anomaly-free" / "anomaly-free.csv", head, row)
    _lines(tmp_path / "valve1" / "0.csv", head + ";anomaly;changepoint", row + ";1.0;0.0")
    data = read_set("skab", tmp_path)
    assert [r.target is None for r in data.recordings] == [True, False]
    assert len(read_set("skab", tmp_path, anomaly_free=False).recordings) == 1
    (tmp_path / "valve1" / "0.csv").rename(tmp_path / "0.csv")
    (tmp_path / "anomaly-free").rename(tmp_path / "others")
    with pytest.raises(DataError, match=r"recordings of the public set.*Name the folder of the whole set"):
        load_data({"kind": "skab", "path": str(tmp_path)}, seed=0)


def test_ai4i2020_names_an_unknown_grade(tmp_path: Path) -> None:
    head = ",".join(["UDI", "Product ID", "Type", *AI4I2020_READINGS, "Machine failure"])
    _lines(tmp_path / "ai4i2020.csv", head, "1,M1,M,298.1,308.6,1551,42.8,0,0", "2,X2,X,298.2,308.7,1408,46.3,3,1")
    with pytest.raises(InputError, match="row 2, column Type"):
        read_set("ai4i2020", tmp_path)


def test_damaged_and_wrong_files_are_named(tmp_path: Path) -> None:
    packed = gzip.compress(b"subject,activity,x,y,z\n1600,A,1,2,3\n")
    path = tmp_path / "data_1600_accel_watch.csv.gz"
    path.write_bytes(packed[:-9])
    with pytest.raises(DataError):
        read_set("wisdm_watch", tmp_path)
    path.write_bytes(gzip.compress(b"subject,activity,x,y,z\n1600,A,1,two,3\n"))
    with pytest.raises(DataError, match=r"'two' - at .*row 1, column y"):
        read_set("wisdm_watch", tmp_path)
    path.write_bytes(gzip.compress(b"subject,activity,x,y\n1600,A,1,2\n"))
    with pytest.raises(DataError):
        read_set("wisdm_watch", tmp_path)

"""Facts of the real sets beyond their counts: windows, beats, speakers, pictures."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.data.samples import cut
from edgewright.data.sets import cmapss, ecg200, fsdd, hapt, mitdb, mlperf_tiny
from edgewright.data.sets._wfdb import read_annotations
from edgewright.schema.config import WindowConfig
from edgewright.schema.errors import InputError
from support import shared_data

pytestmark = pytest.mark.needs_data


def test_hapt_windows_are_the_official_ones() -> None:
    data = hapt.SET.load(hapt.Config(), shared_data("har-hapt"))
    samples = cut(data, WindowConfig(samples=128, step=64))
    official = dict(zip(hapt.ACTIVITIES[:6], (1226, 1073, 987, 1293, 1423, 1413), strict=True))
    assert dict(zip(*np.unique(samples.y, return_counts=True), strict=True)) == official
    assert samples.X.shape == (7415, 6, 128)
    assert samples.groups is not None
    assert sorted(map(int, np.unique(samples.groups)))[-5:] == [26, 27, 28, 29, 30]


def test_mitdb_original_records_give_the_beats_of_the_copy() -> None:
    folder = shared_data("mitdb")
    copied = mitdb.SET.load(mitdb.Config(), folder)
    original = mitdb.SET.load(mitdb.Config(), folder / "raw")
    assert [r.name for r in original.recordings] == [f"record-{n}" for n in (101, 106, 119, 208, 223)]
    by_name = {r.name: r for r in copied.recordings}
    for recording in original.recordings:
        np.testing.assert_array_equal(recording.values, by_name[recording.name].values)
        np.testing.assert_array_equal(recording.target, by_name[recording.name].target)
    with pytest.raises(InputError, match="records of DS2"):
        mitdb.SET.load(mitdb.Config(part="DS2"), folder)


def test_mitdb_windows_are_the_beats() -> None:
    folder = shared_data("mitdb") / "raw"
    table = mitdb.SET.load(mitdb.Config(), folder)
    samples = cut(mitdb.SET.load(mitdb.Config(form="windows"), folder), WindowConfig(samples=200, step=200))
    np.testing.assert_array_equal(samples.X[:, 0, :], np.concatenate([r.values for r in table.recordings]))
    np.testing.assert_array_equal(samples.y, np.concatenate([r.target for r in table.recordings]))


def test_annotations_that_stop_short_are_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    raw = (shared_data("mitdb") / "raw" / "101.atr").read_bytes()
    short = tmp_path_factory.mktemp("short") / "101.atr"
    short.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(InputError, match="the end of the file"):
        read_annotations(short)


def test_fsdd_speakers_and_parts() -> None:
    folder = shared_data("fsdd")
    data = fsdd.SET.load(fsdd.Config(), folder)
    speakers = {str(r.groups[0]) for r in data.recordings if r.groups is not None}
    assert speakers == {"george", "jackson", "lucas", "nicolas", "theo", "yweweler"}
    assert {str(r.target[0]) for r in data.recordings} == set("0123456789")
    with pytest.raises(InputError, match="none"):
        fsdd.SET.load(fsdd.Config(part="test"), folder)


def test_classes_of_cases() -> None:
    data = ecg200.SET.load(ecg200.Config(), shared_data("ecg200"))
    labels = [str(r.target[0]) for r in data.recordings]
    assert (labels.count("-1"), labels.count("1")) == (31, 69)


def test_mlperf_tiny_pictures() -> None:
    data = mlperf_tiny.SET.load(mlperf_tiny.Config(benchmark="images"), shared_data("mlperf-tiny"))
    assert data.recordings[0].values.shape == (500, 3072)
    assert set(data.recordings[0].target) <= set(mlperf_tiny.THINGS)


def test_cmapss_engines_run_to_failure() -> None:
    data = cmapss.SET.load(cmapss.Config(), shared_data("cmapss"))
    assert all(r.target[-1] == 0 for r in data.recordings)
    assert max(r.target.max() for r in data.recordings) == 125

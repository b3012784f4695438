"""The file of a detector: whole or refused, and watching a stream with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edgewright.core.archive import pack, unpack
from edgewright.core.errors import (
    DetectorSettingsError,
    FormatNewerError,
    MissingFileError,
    PackageDamagedError,
    SampleShapeError,
    TooFewRowsError,
)
from edgewright.core.records.data import Column
from edgewright.core.records.package import WindowSpec
from edgewright.monitor.detector_stream import (
    FEATURES,
    DetectorFile,
    Watch,
    detector_bytes,
    parse_detector,
    pause,
    read_detector,
    state_bytes,
    window_features,
    write_detector,
)
from edgewright.monitor.detectors import kind
from edgewright.monitor.records import DetectorSpec, Threshold
from edgewright.workflows.detection.threshold import episodes


def _spec(**changes: object) -> DetectorSpec:
    spec = DetectorSpec(
        kind="robust", config={}, columns=(Column(name="a"), Column(name="b")),
        threshold=Threshold(value=6.0, by="given"),
    )  # fmt: skip
    return msgspec.structs.replace(spec, **changes)


def _learnt(channels: int = 2, seed: int = 0) -> dict[str, Any]:
    values = np.random.default_rng(seed).standard_normal((200, channels)).astype(np.float32)
    part = kind("robust")
    return part.fit(part.config(), values, np.arange(200.0))


def test_the_same_detector_gives_the_same_bytes(tmp_path: Path) -> None:
    data = detector_bytes(_spec(), _learnt())
    assert data == detector_bytes(_spec(), _learnt())
    path = tmp_path / "a.detector"
    assert write_detector(path, _spec(), _learnt()) == len(data)
    read = read_detector(path)
    assert read.spec.kind == "robust"
    np.testing.assert_array_equal(read.learnt["centre"], _learnt()["centre"])
    assert b"pickle" not in data


def test_damage_is_refused_wherever_it_is() -> None:
    data = detector_bytes(_spec(), _learnt())
    for index in range(0, len(data), 37):
        broken = data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]
        with pytest.raises(PackageDamagedError):
            parse_detector(broken, "x.detector")
    for length in (0, 1, 30, len(data) - 1):
        with pytest.raises(PackageDamagedError, match="detector"):
            parse_detector(data[:length], "x.detector")


def test_newer_and_forged_files_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such file"):
        read_detector(tmp_path / "none.detector")
    with pytest.raises(FormatNewerError):
        parse_detector(detector_bytes(_spec(version=99), _learnt()), "x.detector")
    files = unpack(detector_bytes(_spec(), _learnt()), "x")
    without = {name: content for name, content in files.items() if not name.endswith("unit.npy")}
    with pytest.raises(PackageDamagedError, match="unit"):
        parse_detector(pack(without), "x.detector")
    with pytest.raises(PackageDamagedError):
        parse_detector(pack({**files, "detector.json": b'{"version": 1}'}), "x.detector")
    with pytest.raises(DetectorSettingsError):
        parse_detector(detector_bytes(_spec(window=WindowSpec(samples=0, step=1, rate=None)), _learnt()), "x")
    # Sealed again by somebody, with other arrays than this detector learns.
    wrong = DetectorFile(_spec(), {"centre": np.zeros(3)})
    with pytest.raises(DetectorSettingsError):
        Watch(wrong)
    # Arrays that start and then do not go together, and a ring that no memory holds.
    with pytest.raises(SampleShapeError):
        Watch(DetectorFile(_spec(), _learnt(3)))
    with pytest.raises(DetectorSettingsError):
        Watch(DetectorFile(_spec(), {**_learnt(), "unit": np.ones((1, 5))}))
    with pytest.raises(DetectorSettingsError):
        Watch(DetectorFile(_spec(), {**_learnt(), "mean": 1 << 60}))
    with pytest.raises(TooFewRowsError, match="own_past"):
        Watch(DetectorFile(_spec(kind="own_past"), {"channels": 2, "config": {"bins": 1 << 40}}))


def test_alarms_begin_once_and_name_the_channel() -> None:
    values = np.zeros((12, 2), np.float32)
    values[3:6, 1] = 50
    values[8, 0] = -50
    judgements = Watch(DetectorFile(_spec(), _learnt())).push(values, np.arange(12.0))
    assert [j.row for j in judgements if j.odd] == [3, 4, 5, 8]
    assert [(j.row, j.channel) for j in judgements if j.alarm] == [(3, 1), (8, 0)]
    assert judgements[0].channel == -1
    assert judgements[3].time == 3.0


def test_within_the_refractory_rows_no_other_alarm_is_raised() -> None:
    values = np.zeros((20, 2), np.float32)
    values[2:15, 0] = 50
    judgements = Watch(DetectorFile(_spec(refractory=5), _learnt())).push(values, np.arange(20.0))
    assert [j.row for j in judgements if j.alarm] == [2, 8, 14]


def test_a_pause_may_be_a_share_of_the_rows_seen() -> None:
    values = np.zeros((130, 2), np.float32)
    values[9:, 0] = 50
    judgements = Watch(DetectorFile(_spec(refractory=0.5), _learnt())).push(values, np.arange(130.0))
    # Ten rows were seen, then 16, 25, 38 and so on: half of them keep quiet.
    assert [j.row for j in judgements if j.alarm] == [9, 15, 24, 37, 57, 87]
    odd = np.array([j.odd for j in judgements])
    assert [row for row, _ in episodes(odd, 0.5)] == [9, 15, 24, 37, 57, 87]
    # A stream of a year is not deaf for weeks.
    assert [pause(0.05, rows) for rows in (20, 20_000, 31_536_000)] == [1, 1000, 1000]


def test_a_share_of_windows_and_a_pause_below_nothing_are_refused() -> None:
    window = WindowSpec(samples=8, step=3, rate=None)
    for wrong in (_spec(refractory=-1.0), _spec(refractory=0.5, window=window)):
        with pytest.raises(TooFewRowsError):
            parse_detector(detector_bytes(wrong, _learnt()), "pump.detector")


def test_a_watch_goes_on_from_its_state_in_the_middle_of_a_window_and_of_an_alarm() -> None:
    spec = _spec(window=WindowSpec(samples=8, step=3, rate=None), refractory=2)
    file = DetectorFile(spec, _learnt(2 * len(FEATURES)))
    values = np.random.default_rng(1).standard_normal((60, 2)).astype(np.float32)
    values[30:] += 9
    whole = Watch(file).push(values, np.arange(60.0))
    assert [j.row for j in whole[:3]] == [7, 10, 13]
    assert any(j.alarm for j in whole)
    for cut in (1, 5, 31, 33, 40):
        first = Watch(file)
        early = first.push(values[:cut], np.arange(60.0)[:cut])
        again = Watch(file, first.state())
        assert early + again.push(values[cut:], np.arange(60.0)[cut:]) == whole
        assert state_bytes(first.state()) < 1000


def test_no_window_crosses_a_gap_in_time() -> None:
    spec = _spec(window=WindowSpec(samples=4, step=2, rate=1.0), rate=1.0)
    file = DetectorFile(spec, _learnt(2 * len(FEATURES)))
    time = np.concatenate([np.arange(5.0), 100 + np.arange(6.0)])
    values = np.random.default_rng(0).standard_normal((11, 2)).astype(np.float32)
    whole = Watch(file).push(values, time)
    assert [j.row for j in whole] == [3, 8, 10]
    first = Watch(file)
    early = first.push(values[:5], time[:5])
    assert early + Watch(file, first.state()).push(values[5:], time[5:]) == whole


def test_features_of_a_window_and_missing_values() -> None:
    window = np.array([[[1, 2, 4, 1], [np.nan] * 4, [5, 5, np.nan, 5]]], np.float32)
    mean, deviation, step, span = window_features(window)[0].reshape(3, 4).T
    assert mean[0] == 2
    assert deviation[0] == pytest.approx(np.std([1, 2, 4, 1]), rel=1e-6)
    assert (step[0], span[0]) == (2, 3)
    assert np.isnan([mean[1], deviation[1], step[1], span[1]]).all()
    assert (mean[2], deviation[2], step[2], span[2]) == (5, 0, 0, 0)


def test_rows_of_other_columns_are_refused() -> None:
    with pytest.raises(SampleShapeError):
        Watch(DetectorFile(_spec(), _learnt())).push(np.zeros((1, 3), np.float32), np.zeros(1))

"""Recordings of several sampling rates are averaged to the lowest, and every command says so."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from cli_runner import Cli
from edgewright.core.errors import ConfigError, DataWarning, RateDiffersError
from edgewright.core.records.config import WindowConfig
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.data.load import load_data
from edgewright.data.resampling import at_one_rate, lowest_rate, one_rate, resampled
from edgewright.data.samples import cut
from edgewright.data.table_proposal import choose_framing
from odd_files.judge import odd_file

Array = NDArray[np.float64]


def _dataset(*recordings: Recording, rate: float | None = None) -> DataSet:
    return DataSet(name="d", columns=(Column(name="x"),), recordings=recordings, target_name="y", rate=rate)


def _recording(time: Array, values: Array | None = None, **more: object) -> Recording:
    x = np.sin(time) if values is None else values
    return Recording(name="r", values=x.astype(np.float32)[:, None], time=time, **more)  # type: ignore[arg-type]


def _even(rate: float, rows: int = 100) -> Array:
    return np.arange(rows) / rate


@pytest.mark.parametrize(("fast", "slow", "parts"), [(100.0, 50.0, 2), (100.0, 25.0, 4), (1 / 10, 1 / 60, 6)])
def test_each_step_is_the_mean_of_its_rows(fast: float, slow: float, parts: int) -> None:
    values = np.random.default_rng(0).normal(size=60 * parts)
    one = resampled(_dataset(_recording(_even(fast, 60 * parts), values)), slow).recordings[0]
    np.testing.assert_allclose(one.values[:, 0], values.reshape(-1, parts).mean(1), rtol=1e-5, atol=1e-6)
    assert one.time is not None
    np.testing.assert_allclose(one.time, _even(slow, 60))


def test_a_ratio_that_is_no_whole_number_keeps_how_long_it_lasted() -> None:
    one = resampled(_dataset(_recording(_even(104, 1040))), 50).recordings[0]
    assert len(one.values) == pytest.approx(500, abs=1)
    assert one.time is not None
    np.testing.assert_allclose(one.values[:, 0], np.sin(one.time + 0.5 / 50 - 0.5 / 104), atol=0.01)


def test_missing_values_labels_and_amounts() -> None:
    values = np.array([1, 3, np.nan, 5, np.nan, np.nan, 7, 7, 1, 1, 1, 1.0])
    labels = np.array(["a", "a", "b", "a", "", "b", "", "", "", "", "", "a"])
    whole = _recording(_even(100, 12), values, target=labels)
    one = resampled(_dataset(whole), 50).recordings[0]
    np.testing.assert_array_equal(one.values[:, 0], np.array([2, 5, np.nan, 7, 1, 1], np.float32))
    assert one.target.tolist() == ["a", "b", "b", "", "", "a"]
    amounts = msgspec.structs.replace(whole, target=2.5 * values)
    np.testing.assert_array_equal(
        resampled(_dataset(amounts), 50).recordings[0].target, [5, 12.5, np.nan, 17.5, 2.5, 2.5]
    )


def test_a_label_is_that_of_most_rows() -> None:
    labels = np.array(["b", "a", "a", "a", "b", "b", "b", "a"])
    one = resampled(_dataset(_recording(_even(100, 8), target=labels)), 25).recordings[0]
    assert one.target.tolist() == ["a", "b"]


def test_labels_written_as_numbers_stay_classes() -> None:
    codes = np.repeat([0.0, 1, 2, 1, np.nan], 9)
    fast, slow = _recording(_even(100, 45), target=codes), _recording(_even(50, 45), target=codes)
    one = resampled(_dataset(fast, slow), 50).recordings[0]
    np.testing.assert_array_equal(np.unique(one.target), [0, 1, 2, np.nan])
    assert one.target[:5].tolist() == [0, 0, 0, 0, 0]
    counts = _recording(_even(100, 45), target=np.repeat([3, 0, 7], 15))
    assert np.unique(resampled(_dataset(counts), 50).recordings[0].target).tolist() == [0, 3, 7]


def test_amounts_in_one_recording_are_amounts_in_all() -> None:
    few = _recording(_even(100, 6), target=np.array([0.0, 1, 1, 2, 2, 3]))
    many = _recording(_even(50, 6), target=np.linspace(0, 1, 6))
    assert resampled(_dataset(few, many), 50).recordings[0].target.tolist() == [0.5, 1.5, 2.5]
    whole = _recording(_even(100, 60), target=np.arange(60))
    assert resampled(_dataset(whole), 50).recordings[0].target[:2].tolist() == [0.5, 2.5]


def test_times_in_whole_seconds_keep_their_rows() -> None:
    slow, fast = (_recording(np.floor(_even(rate, round(40 * rate))), np.arange(40.0 * rate)) for rate in (25, 50))
    with pytest.warns(DataWarning):
        one = at_one_rate(_dataset(slow, fast))
    assert one.rate == pytest.approx(25, rel=0.03)
    assert one.recordings[0] == slow
    assert len(one.recordings[1].values) == pytest.approx(1000, abs=1)
    np.testing.assert_allclose(one.recordings[1].values[:-1, 0], np.arange(999) * 2 + 0.5, atol=1)


def test_a_label_that_is_lost_is_named() -> None:
    labels = np.full(400, "walk")
    labels[50:390:17] = "fall"
    fast, slow = _recording(_even(100, 400), target=labels), _recording(_even(25, 40), target=labels[:40])
    lost = r"d: no row has the label 'fall' \(20 rows\) any more, because rows are averaged to 25 rows a second; mark"
    with pytest.warns(DataWarning, match=lost):
        one = resampled(_dataset(fast, slow), 25)
    assert set(one.recordings[0].target) == {"walk"}


def test_a_stray_slow_recording_is_refused_unless_the_rate_is_set() -> None:
    stray = msgspec.structs.replace(_recording(_even(1 / 480, 30)), name="stray")
    usual = msgspec.structs.replace(_recording(_even(50, 1000)), name="usual")
    wrong = (
        "at most 4, to average recordings to one, got a row every 480 s in stray, 50 rows a second in usual - at d. "
        "Leave recordings of one of these rates out. Set resample in .data. to"
    )
    with pytest.raises(RateDiffersError, match=wrong):
        at_one_rate(_dataset(usual, stray, usual))
    assert len(resampled(_dataset(usual, stray), 1 / 480).recordings[0].values) == 1
    few = _recording(np.array([0.0, 0.001, 0.002]))
    with pytest.warns(DataWarning, match="averaged to 25 rows"):
        at_one_rate(_dataset(_recording(_even(25)), _recording(_even(100)), few))


@pytest.mark.parametrize("decision", ["", "2 s"])
def test_a_stray_slow_recording_does_not_turn_a_stream_into_rows(decision: str) -> None:
    labels = np.repeat(["a", "b"], 500)
    stream, log = _recording(_even(50, 1000), target=labels), _recording(_even(1 / 480, 30), target=np.full(30, "a"))
    with pytest.raises(RateDiffersError):
        choose_framing(_dataset(stream, stream, log), decision)
    assert choose_framing(_dataset(stream, stream, log), "row").kind == "row"
    assert choose_framing(_dataset(_recording(_even(50, 300), target=labels[400:700]), log, log)).kind == "row"


def test_texts_are_those_of_most_rows() -> None:
    columns = tuple(Column(name=name) for name in ("x", "mode=a", "mode=b", "mode=c", "k=1", "k=2"))
    values = np.zeros((12, 6), np.float32)
    values[:, 0], values[:, 4] = np.arange(12), 0.5
    values[np.arange(8), [1, 2, 2, 3, 3, 1, 1, 1]] = 1
    values[:8, 5] = 3
    recording = Recording(name="r", values=values, time=_even(100, 12))
    dataset = msgspec.structs.replace(_dataset(recording), columns=columns)
    got = resampled(dataset, 25).recordings[0].values
    assert got[:, 0].tolist() == [1.5, 5.5, 9.5]
    assert got[:, 1:4].tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    assert got[:, 4:].tolist() == [[0.5, 3], [0.5, 3], [0.5, 0]]


def test_events_at_uneven_times_are_not_averaged() -> None:
    generator = np.random.default_rng(6)
    events = [_recording(np.cumsum(generator.exponential(step, 400))) for step in (0.1, 0.1, 0.2)]
    wrong = (
        r"times at even steps, .*got uneven times: \d+% of the steps are within 10% of the median - at d, r. Set res"
    )
    with pytest.raises(RateDiffersError, match=wrong):
        at_one_rate(_dataset(*events))
    jitter = _recording(np.cumsum(np.abs(generator.normal(0.01, 0.002, 400))))
    lossy = _recording(_even(50, 3000)[generator.random(3000) < 0.4])
    with pytest.warns(DataWarning, match="faster recordings"):
        at_one_rate(_dataset(jitter, lossy, _recording(_even(50))))


def test_averages_cross_no_recording_person_or_gap() -> None:
    parts = [_even(100, 21), _even(100, 19), 5 + _even(100, 11), _even(100, 9)]
    lengths = [len(part) for part in parts]
    sessions = np.repeat(["1", "2", "2", "2"], lengths)  # a gap, and a clock that begins again
    values = np.repeat(np.arange(4.0), lengths)
    groups = np.repeat(["ann"], sum(lengths))
    one = resampled(_dataset(_recording(np.concatenate(parts), values, sessions=sessions, groups=groups)), 50)
    (got,) = one.recordings
    assert got.values[:, 0].tolist() == [0.0] * 11 + [1.0] * 10 + [2.0] * 6 + [3.0] * 5
    assert got.sessions is not None
    assert got.sessions.tolist() == ["1"] * 11 + ["2"] * 21


def test_machines_whose_rows_alternate_are_averaged_apart() -> None:
    time = np.repeat(_even(100, 40), 2)
    groups = np.tile(["m0", "m1"], 40)
    one = resampled(_dataset(_recording(time, (groups == "m1").astype(float), groups=groups)), 50).recordings[0]
    assert one.groups is not None
    assert one.groups.tolist() == ["m0"] * 20 + ["m1"] * 20
    assert one.values[:, 0].tolist() == [0.0] * 20 + [1.0] * 20


def test_lost_rows_and_jitter_leave_the_clock_right() -> None:
    generator = np.random.default_rng(4)
    time = _even(100, 2000) + generator.normal(0, 0.001, 2000)
    kept = np.sort(time[generator.random(2000) < 0.9])
    one = resampled(_dataset(_recording(kept)), 50).recordings[0]
    assert one.time is not None
    assert one.time[-1] - one.time[0] == pytest.approx(kept[-1] - kept[0], abs=0.03)
    np.testing.assert_allclose(one.values[:, 0], np.sin(one.time), atol=0.03)


def test_recordings_of_the_rate_stay_as_they_are_and_slower_ones_are_refused() -> None:
    usual, drifting = _recording(_even(50)), _recording(_even(51.5))
    got = resampled(_dataset(usual, drifting, _recording(_even(100))), 50)
    assert got.recordings[:2] == (usual, drifting)
    assert got.rate == 50
    with pytest.raises(
        RateDiffersError, match=r"at least 50 rows a second.*got 25 rows a second - at d, r. Lower resample"
    ):
        resampled(_dataset(usual, _recording(_even(25))), 50)
    with pytest.raises(RateDiffersError, match="times of rows, to average them, got none - at d, r"):
        resampled(_dataset(Recording(name="r", values=np.zeros((9, 1), np.float32))), 50)


def test_the_lowest_rate_is_none_of_a_lossy_recorder_or_of_a_few_rows() -> None:
    generator = np.random.default_rng(5)
    lossy = _even(100, 3000)[generator.random(3000) < 0.5]
    few = _recording(np.array([0.0, 7.0, 15.0]))
    same = _dataset(_recording(_even(100)), _recording(lossy), few)
    assert one_rate(same.recordings) == 100
    assert lowest_rate(same) is None
    mixed = _dataset(*same.recordings, _recording(_even(49.5)), _recording(_even(50.5)))
    assert one_rate(mixed.recordings) is None
    assert lowest_rate(mixed) == pytest.approx(50, rel=0.01)
    with pytest.warns(DataWarning, match="d: faster recordings are averaged to 50 rows a second .resample = 50 in"):
        assert at_one_rate(mixed).rate == lowest_rate(mixed)
    assert at_one_rate(msgspec.structs.replace(mixed, rate=100.0)).recordings == mixed.recordings


def test_windows_of_two_rates_are_windows_of_the_lowest() -> None:
    time = (_even(50, 200), _even(100, 400))
    parts = [_recording(t, target=np.where(t < 2, "a", "b")) for t in time]
    with pytest.warns(DataWarning):
        samples = cut(_dataset(*parts), WindowConfig(samples=25, step=25))
    assert samples.rate == 50
    assert len(samples.X) == 16
    np.testing.assert_allclose(samples.X[:8], samples.X[8:], atol=0.011)


@pytest.mark.parametrize("value", ["'fifty'", "0", "-5"])
def test_a_wrong_value_is_named(value: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("t,x\n0,1\n1,2\n")
    table = {"kind": "csv", "path": str(path), "time": "t", **tomllib.loads(f"resample = {value}")}
    with pytest.raises(ConfigError, match="resample"):
        load_data(table, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("folder", [False, True])
def test_a_file_of_two_rates_from_init_to_predict(
    folder: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    monkeypatch.chdir(tmp_path)
    file = odd_file("two_rates", 1, tmp_path)
    slow, fast = file.truth.rate_hz or (0.0, 0.0)
    data = file.path
    if folder:
        head, *lines = file.path.read_text().splitlines()
        data = tmp_path / "recordings"
        data.mkdir()
        column = head.split(",").index(file.truth.session)
        for name in ("r0", "r1", "r2", "r3", "r4", "r5"):
            own = [line for line in lines if line.split(",")[column] == name]
            (data / f"{name}.csv").write_text("\n".join([head, *own]) + "\n")
    cli("init", data, "--yes", "--budget", "1s", "--out", "first")
    reason = f"faster recordings are averaged to {slow:g} rows a second"
    assert f"Rate: {slow:g} rows a second, because {reason}" in cli.err
    table = tomllib.loads(Path("first/pipeline.toml").read_text())["data"]
    assert table["resample"] == slow
    cli("run", "first/pipeline.toml", "--out", "runs")
    (run,) = Path("runs").iterdir()
    trace = (run / "trace.json").read_text()
    assert reason in trace
    cli("score", run, "--data", data)
    cli("prove", run, "--rows", "20")
    cli("trace", run, "--row", "1")
    error = cli("predict", run, "--csv", data / "r1.csv" if folder else data, code=2)
    assert f"expected {slow:g} rows a second, as in training, got {fast:g} rows a second by" in error
    if folder:
        cli("predict", run, "--csv", data / "r0.csv")

"""Rows at another rate than a package was trained with are refused, and what real recorders write is not."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from cli_runner import Cli
from edgewright.cli.main import run as command
from edgewright.core.clocks.units import RateGuard, rate_of
from edgewright.core.errors import RateDiffersError, TimeFormatError
from edgewright.core.input.samples import to_samples
from edgewright.core.neighbours import read_samples
from edgewright.core.package import package_bytes, parse_package, read_package
from edgewright.core.prediction_input import answer_rows
from edgewright.core.predictor import Predictor
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.core.records.package import RecordingColumns
from edgewright.data.resampling import lowest_rate, one_rate, refuse_other_rates
from runtime_example import window_parts
from small_pipeline import run_small

COLUMNS = RecordingColumns(session="take", time="t", rate=50.0)
Times = NDArray[np.float64]


def _predictor(columns: RecordingColumns | msgspec.UnsetType = COLUMNS) -> Predictor:
    manifest, files = window_parts()
    return Predictor(parse_package(package_bytes(msgspec.structs.replace(manifest, recordings=columns), files), "p"))


def _csv(*takes: Times, header: str = "take,t,x,y") -> str:
    rows = [f"{number},{t:.6f},{np.sin(t):.4f},1" for number, times in enumerate(takes) for t in times]
    return "\n".join([header, *rows]) + "\n"


def _even(rate: float, rows: int = 60) -> Times:
    return np.arange(rows) / rate


def _answers(text: str, columns: RecordingColumns | msgspec.UnsetType = COLUMNS) -> int:
    return len(list(answer_rows(_predictor(columns), io.StringIO(text), "new.csv")))


@pytest.mark.parametrize(
    ("rate", "got", "do"),
    [
        (100, "100 rows a second by 't'", "Average every 2 rows into one, or"),
        (25, "25 rows a second by 't'", "Resample the rows, or train on recordings of 25 rows a second"),
        (60, "60 rows a second by 't'", "Resample the rows, or"),
        (0.05, "a row every 20 s by 't'", "If the times are wrong, remove the column 't'"),
    ],
)
def test_rows_at_another_rate_are_refused_before_any_answer(rate: float, got: str, do: str) -> None:
    answers = answer_rows(_predictor(), io.StringIO(_csv(_even(rate))), "new.csv")
    with pytest.raises(TimeFormatError) as error:
        next(answers)
    assert error.value.expected == "50 rows a second, as in training"
    assert error.value.got == got
    assert error.value.where == "new.csv, take '0'"
    assert do in error.value.do


def test_the_recording_at_another_rate_is_named() -> None:
    with pytest.raises(TimeFormatError, match=r"new\.csv, take '1'"):
        _answers(_csv(_even(50), _even(100), _even(50)))


def test_arrays_frames_and_examples_are_refused_alike(tmp_path: Path) -> None:
    path, manifest = tmp_path / "new.csv", _predictor().manifest
    path.write_text(_csv(_even(100)))
    with pytest.raises(TimeFormatError, match="100 rows a second by 't'"):
        read_samples(path, manifest)
    frame = {"t": _even(100), "x": np.ones(60), "y": np.ones(60)}
    with pytest.raises(TimeFormatError, match="100 rows a second by 't'"):
        to_samples(frame, manifest)
    assert len(to_samples({**frame, "t": _even(50)}, manifest))


def _jittered() -> Times:
    return np.sort(_even(50, 2000) + np.random.default_rng(1).normal(0, 0.004, 2000))


def _lossy() -> Times:
    return _even(50, 2000)[np.random.default_rng(2).random(2000) < 0.6]


@pytest.mark.parametrize(
    "times",
    [
        _even(52),
        _even(47.5, 2000),
        _jittered(),
        _lossy(),
        np.round(_even(50, 2000), 2),
        np.floor(_even(50, 3000)),
        np.concatenate([_even(50, 30), 100 + _even(50, 30), 900 + _even(50, 30)]),
        np.concatenate([_even(50, 30), _even(50, 30)]),
        _even(100, 15),
    ],
    ids=["another_sensor", "drift", "jitter", "lost_rows", "hundredths", "seconds", "gaps", "again", "too_few"],
)
def test_what_recorders_write_is_answered(times: Times) -> None:
    assert _answers(_csv(times)) > 0


@pytest.mark.parametrize("rate", [25, 100])
@pytest.mark.parametrize("written", ["seconds", "jitter", "lost_rows"])
def test_another_rate_shows_in_coarse_and_shaken_times(rate: float, written: str) -> None:
    times, generator = _even(rate, 3000), np.random.default_rng(3)
    if written == "seconds":
        times = np.floor(times)
    elif written == "jitter":
        times = np.sort(times + generator.normal(0, 0.1 / rate, len(times)))
    else:
        times = times[generator.random(len(times)) < 0.95]
    with pytest.raises(TimeFormatError):
        _answers(_csv(times))


def test_packages_whose_times_say_no_rate_take_any() -> None:
    columns = (msgspec.UNSET, RecordingColumns(session="take", time="t"), RecordingColumns(rate=50.0))
    assert [_answers(_csv(_even(100)), one) for one in columns] == [_answers(_csv(_even(50)))] * 3
    assert _answers(_csv(_even(100)).replace("take,t", "take,u"))  # a file without times


def test_a_line_of_units_below_the_header_counts() -> None:
    text = _csv(1000 * _even(50), header="take,t,x,y\n,ms,g,g")
    assert _answers(text) == _answers(_csv(_even(50)))
    with pytest.raises(TimeFormatError, match="100 rows a second"):
        _answers(_csv(1000 * _even(100), header="take,t,x,y\n,ms,g,g"))


@pytest.mark.parametrize("block", [1, 7, 500])
def test_a_stream_is_refused_once_its_steps_show_the_rate(block: int) -> None:
    guard, steps, passed = RateGuard(50.0, "t"), np.diff(_even(100, 400)), 0
    with pytest.raises(TimeFormatError):
        for at in range(0, len(steps), block):
            guard.push(steps[at : at + block])
            passed += block
    assert passed < 20 + block


def test_a_session_that_trains_is_one_that_is_answered() -> None:
    generator = np.random.default_rng(5)
    trained = refused = 0
    for _ in range(80):
        takes = [_even(rate, 200) for rate in generator.uniform(45, 55, 3)]
        sessions = np.repeat(["0", "1", "2"], 200)
        one = Recording(name="r", values=np.zeros((600, 1), np.float32), sessions=sessions, time=np.concatenate(takes))
        rate = one_rate([one])
        if rate is None:
            refused += 1
            continue
        trained += 1
        for file in (0.98, 1.0, 1.02):  # as far as files of a folder may differ
            columns = msgspec.structs.replace(COLUMNS, rate=file * rate)
            assert _answers(_csv(*takes), columns)
    assert min(trained, refused) > 8


def test_gaps_and_sessions_do_not_move_the_rate_of_coarse_times() -> None:
    seconds = np.floor(_even(10, 300))
    assert rate_of(seconds) == pytest.approx(10, rel=0.04)
    assert rate_of(np.concatenate([seconds, 500 + seconds])) == pytest.approx(10, rel=0.04)
    assert rate_of(np.concatenate([seconds, seconds])) == pytest.approx(10, rel=0.04)


def test_rows_that_were_lost_are_scored_as_they_are_predicted() -> None:
    times = _even(50, 4000)[np.random.default_rng(2).random(4000) < 0.4]
    values = np.zeros((len(times), 1), np.float32)
    dataset = DataSet(
        name="d", columns=(Column(name="x"),), rate=rate_of(times),
        recordings=(Recording(name="r", values=values, time=times),),
    )  # fmt: skip
    assert dataset.rate == pytest.approx(32, rel=0.02)
    assert _answers(_csv(times)) > 0
    refuse_other_rates(dataset, 50.0)
    refuse_other_rates(dataset, None)
    for other in (
        msgspec.structs.replace(dataset, rate=100.0),  # as the configuration states it
        msgspec.structs.replace(dataset, rate=100.0, recordings=(Recording(name="r", values=values),)),
        msgspec.structs.replace(
            dataset, rate=100.0, recordings=(Recording(name="r", values=values, time=_even(100, len(values))),)
        ),
    ):
        with pytest.raises(TimeFormatError, match="expected 50 rows a second, as in training, got 100 rows a second"):
            refuse_other_rates(other, 50.0)


def _file(path: Path, rate: float, seconds: float = 40.0, header: str = "t,take,x,y,label") -> Path:
    """Write two people who stand and shake a sensor in turn."""
    generator, time = np.random.default_rng(7), _even(rate, int(rate * seconds))
    rows = [header]
    for take in range(6):
        shakes = (time // 5 + take).astype(int) % 2 == 1
        x = np.where(shakes, np.sin(20 * time), 0) + generator.normal(0, 0.1, len(time))
        y = generator.normal(0, 1, len(time))
        rows += [
            f"{100 * take + t:.3f},s{take},{a:.4f},{b:.4f},{'shake' if s else 'rest'}"
            for t, a, b, s in zip(time, x, y, shakes, strict=True)
        ]
    path.write_text("\n".join(rows) + "\n")
    return path


TOML = """\
name = "shaken"
seed = 3
refit = false

[data]
kind = "csv"
path = "{path}"
target = "label"
session = "take"
time = "t"
{more}

[window]
samples = 50
step = 25

[[stages]]
kind = "statistics"

[[stages]]
kind = "scale"

[[model.layers]]
kind = "dense"
units = 8

[training]
epochs = 2
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rates")
    toml = folder / "shaken.toml"
    toml.write_text(TOML.format(path=_file(folder / "at_50.csv", 50), more=""))
    _file(folder / "at_100.csv", 100)
    result = run_small(toml, folder / "runs")
    return Path(result.folder)


COMMANDS = (
    ("predict", "{run}", "--csv", "{file}"),
    ("trace", "{run}", "--csv", "{file}"),
    ("trace", "{run}", "--row", "1", "--data", "{file}"),
    ("prove", "{run}", "--data", "{file}", "--rows", "20"),
    ("score", "{run}", "--data", "{file}"),
    ("drift", "{run}", "--csv", "{file}"),
    ("drift", "{run}", "--csv", "{file}", "--confidence"),
    (
        "detect",
        "fit",
        "{file}",
        "--package",
        "{run}",
        "--time",
        "t",
        "--detector",
        "pca",
        "--out",
        "new.detector",
        "--force",
    ),
    ("detect", "run", "at_50.detector", "--csv", "{file}"),
    ("detect", "run", "past.detector", "--csv", "{file}"),
)


@pytest.mark.slow
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: "_".join(words[:2]).replace("{run}", "").strip("_"))
def test_commands_refuse_another_rate_and_take_the_one_of_the_training(
    words: tuple[str, ...], run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    monkeypatch.chdir(tmp_path)
    data = run.parent.parent
    files = {name: data / f"{name}.csv" for name in ("at_50", "at_100")}
    if words[:2] == ("detect", "run"):
        kind, window = ("own_past", ()) if "past" in words[2] else ("pca", ("--window", "50"))
        fit = ("--detector", kind, "--time", "t", "--ignore", "take", "--ignore", "label", "--out", words[2])
        cli("detect", "fit", files["at_50"], *fit, *window)
    arguments = {name: [word.format(run=run, file=file) for word in words] for name, file in files.items()}
    assert command(arguments["at_50"]) in (0, 1)
    error = cli(*arguments["at_100"], code=2)
    assert "expected 50 rows a second, as in training, got 100 rows a second" in error
    assert "at_100" in error
    assert "Average every 2 rows into one" in error
    assert ", or train on recordings of 100 rows a second" in error


@pytest.mark.slow
def test_a_score_of_faster_rows_averages_them_where_it_is_told_to(run: Path, cli: Cli) -> None:
    data = run.parent.parent
    (package,) = run.glob("*.edge")
    for model in (run, package):
        scored = [
            cli.json("score", model, "--data", data / file, *words)["samples"]
            for file, words in (("at_50.csv", ()), ("at_100.csv", ("--set", "resample=50")))
        ]
        assert scored[0] == scored[1]


@pytest.mark.slow
def test_a_score_takes_rows_that_were_lost_as_predict_does(run: Path, tmp_path: Path, cli: Cli) -> None:
    header, *rows = (run.parent.parent / "at_50.csv").read_text().splitlines()
    kept = np.random.default_rng(3).random(len(rows)) < 0.4
    lossy = tmp_path / "lossy.csv"
    lossy.write_text("\n".join([header, *(row for row, keep in zip(rows, kept, strict=True) if keep)]) + "\n")
    cli("predict", run, "--csv", lossy)
    assert cli.json("score", run, "--data", lossy)["samples"] > 50
    assert "averaged" not in cli.err


@pytest.mark.slow
def test_a_rate_that_was_set_says_nothing_of_the_times(run: Path, tmp_path: Path, cli: Cli) -> None:
    data = run.parent.parent
    toml = tmp_path / "set.toml"
    toml.write_text(TOML.format(path=data / "at_100.csv", more="rate = 50.0"))
    folder = Path(run_small(toml, tmp_path / "runs").folder)
    (package,) = folder.glob("*.edge")
    assert read_package(package).manifest.recordings == RecordingColumns(session="take", time="t")
    for name in ("at_50", "at_100"):
        cli("predict", folder, "--csv", data / f"{name}.csv")


def _recording(rates: Sequence[float], *, named: str, rows: int = 100) -> Recording:
    """Return people or sessions of several rates in one file."""
    names = np.repeat([f"{number:03}" for number in range(len(rates))], rows)
    time = np.concatenate([1000 * number + _even(rate, rows) for number, rate in enumerate(rates)])
    values = np.zeros((len(time), 1), np.float32)
    return Recording(name="r", values=values, time=time, **{named: names})  # type: ignore[arg-type]


@pytest.mark.parametrize("named", ["groups", "sessions"])
@pytest.mark.parametrize("rates", [(50, 100, 50), (50, 50, 100), (100, 50, 50), (100,) * 298 + (50, 50)])
def test_people_and_sessions_of_one_file_may_have_several_rates(named: str, rates: tuple[float, ...]) -> None:
    recording = _recording(rates, named=named)
    assert one_rate([recording]) is None
    assert lowest_rate(DataSet(name="d", columns=(Column(name="x"),), recordings=(recording,))) == 50


def test_the_same_session_name_of_two_people_is_two_sessions() -> None:
    recording = msgspec.structs.replace(
        _recording((50, 100, 50), named="groups"), sessions=np.tile(np.repeat(["1", "2"], 50), 3)
    )
    assert one_rate([recording]) is None
    alike = msgspec.structs.replace(recording, time=np.concatenate([_even(50, 100)] * 3))
    assert one_rate([alike]) == 50


def test_people_whose_rows_take_turns_have_the_rate_of_each() -> None:
    time = np.repeat(_even(50, 100), 3)
    recording = Recording(
        name="r", values=np.zeros((300, 1), np.float32), time=time, groups=np.tile(["ann", "bob", "cid"], 100)
    )
    assert one_rate([recording]) == 50


@pytest.mark.parametrize("parts", [((50, 1200), (100, 4000)), ((100, 4000), (50, 1200)), ((50, 1005), (100, 1000))])
def test_a_rate_that_changes_within_a_recording_is_refused_at_training(parts: tuple[tuple[float, int], ...]) -> None:
    steps = np.concatenate([np.full(rows, 1 / rate) for rate, rows in parts])
    recording = Recording(name="r", values=np.zeros((len(steps), 1), np.float32), time=np.cumsum(steps))
    dataset = DataSet(name="d", columns=(Column(name="x"),), recordings=(recording,))
    assert one_rate([recording]) is None
    with pytest.raises(RateDiffersError) as error:
        lowest_rate(dataset)
    assert error.value.where == "d, r"
    assert "Set session in [data]" in error.value.do
    named = msgspec.structs.replace(recording, sessions=np.repeat(["a", "b"], [rows for _, rows in parts]))
    assert lowest_rate(msgspec.structs.replace(dataset, recordings=(named,))) == 50


def test_random_times_lost_rows_and_coarse_clocks_have_no_rate_that_changes() -> None:
    generator = np.random.default_rng(11)
    kept = generator.random(20_000) < np.repeat([0.95, 0.5, 0.95, 0.6], 5000)
    for time in (
        np.cumsum(generator.exponential(0.02, 50_000)),
        np.sort(_even(50, 20_000) + generator.normal(0, 0.004, 20_000)),
        _even(50, 20_000)[kept],
        np.floor(_even(50, 20_000)),
        np.concatenate([_even(50, 3000), 900 + _even(50, 3000)]),
    ):
        assert one_rate([Recording(name="r", values=np.zeros((len(time), 1), np.float32), time=time)]) is not None

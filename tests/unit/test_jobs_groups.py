"""Steps of jobs that judge people or machines: with and without the worst, each left out, gates and events."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent_example import RATE, event_lines, given, package, packets, signal
from cli_runner import Cli
from edgewright.jobs.alarm_figures import alarm_figures, timed, truth_of, within
from edgewright.jobs.catalogue import examples
from edgewright.jobs.group_figures import GroupAnswers, error_figures, share_figures
from edgewright.monitor.detector_stream import read_detector, write_detector
from edgewright.monitor.detectors.limits import LimitsConfig, fit
from edgewright.schema.data import Column, DataSet, Recording
from edgewright.schema.detector import DetectorSpec, Threshold
from edgewright.schema.trace import GroupRow, Interval
from edgewright.workflows.tuning.grid import Tally
from edgewright.workflows.tuning.recordings import Labelled, Tape
from support import shared_data

GROUP_ANSWERS = GroupAnswers(
    ("away", "there"), ("a", "b", "c"), np.array([[[9, 1], [0, 10]], [[2, 8], [5, 5]], [[10, 0], [0, 10]]])
)  # fmt: skip
PIPELINE = """
name = "mine"
refit = false
[data]
kind = "csv"
target = "state"
group = "person"
time = "t"
[split]
test_groups = ["p3"]
[model]
kind = "threshold"
"""


def line(person: int, row: int) -> str:
    """Return a row of a sensor on a person, who is odd for half a second of eight."""
    odd = row % 400 > 370
    level = np.sin(row / 8) * (1 + person / 10) + 0.1 * np.sin(row * row) + 6 * odd
    return f"{row / 50},{level:.4f},{'odd' if odd else 'ok'},p{person}"


SIGNAL = "\n".join(["t,level,state,person", *(line(person, row) for person in range(4) for row in range(1200))])


def test_the_worst_group_is_left_out_of_every_figure() -> None:
    figures = {figure.name: figure for figure in share_figures(GROUP_ANSWERS, ("accuracy", "macro_f1", "f1_there"))}
    assert figures["accuracy"].value == pytest.approx(46 / 60)
    without = figures["accuracy_without_worst"]
    assert without.value == pytest.approx(39 / 40)
    assert without.title == "accuracy without the worst, b"
    assert without.interval is not None
    assert without.interval.low < 39 / 40 < without.interval.high
    # All of 20 there are found, and one of 20 away is taken for there.
    assert figures["f1_there_without_worst"].value == pytest.approx(2 * 20 / (20 + 21))
    assert figures["macro_f1_without_worst"].value > figures["macro_f1"].value


def test_figures_leave_out_the_best_and_the_worst_where_two_groups_stay() -> None:
    matrices = np.concatenate([GROUP_ANSWERS.matrices, [[[8, 2], [0, 10]]]])
    four = GroupAnswers(GROUP_ANSWERS.labels, ("a", "b", "c", "d"), matrices)
    figures = {figure.name: figure for figure in share_figures(four, ("accuracy",), extremes=True)}
    middle = figures["accuracy_without_best_and_worst"]
    assert middle.value == pytest.approx(37 / 40)
    assert middle.title.endswith("without the best and the worst, c and b")
    assert len(share_figures(GROUP_ANSWERS, ("accuracy",), extremes=True)) == 2
    equal = GroupAnswers(GROUP_ANSWERS.labels, ("a", "b", "c", "d"), np.array([[[10, 0], [0, 10]]] * 4))
    assert share_figures(equal, ("accuracy",), extremes=True)[-1].title.endswith("the best and the worst, d and a")


def test_errors_of_amounts_leave_out_the_largest() -> None:
    rows = [GroupRow(group=name, samples=n, regression={"mae": e, "rmse": 2 * e}) for name, n, e in (
        ("a", 10, 1.0), ("b", 30, 2.0), ("c", 5, 9.0))]  # fmt: skip
    figures = {figure.name: figure for figure in error_figures(rows)}
    assert figures["mae_without_worst"].value == pytest.approx((10 + 60) / 40)
    assert figures["rmse_without_worst"].value == pytest.approx(((10 * 4 + 30 * 16) / 40) ** 0.5)
    assert "without the worst, c" in figures["rmse_without_worst"].title
    assert error_figures(rows[:1]) == []


def job(folder: Path, steps: str) -> Path:
    """Return a folder with a job of some steps, a pipeline and a signal."""
    folder.mkdir()
    head = 'title = "t"\nshows = "s"\nminutes = 0.1\nlimits = ["x"]\n'
    (folder / "job.toml").write_text(head + steps)
    (folder / "signal.csv").write_text(SIGNAL)
    (folder / "pipeline.toml").write_text(PIPELINE)
    return folder


def figures_of(record: dict[str, Any]) -> dict[str, float]:
    return {figure["name"]: figure["value"] for step in record["steps"] for figure in step["figures"]}


DATA = 'data = { kind = "csv", target = "state", group = "person", time = "t" }\n'


@pytest.mark.slow
def test_every_group_is_left_out_once(tmp_path: Path, cli: Cli) -> None:
    steps = '[[steps]]\nkind = "run"\n[[steps]]\nkind = "folds"\nfolds = 2\nclasses = ["odd"]\n'
    folder = job(tmp_path / "mine", steps)
    record = cli.json("jobs", "run", folder, "--data", folder / "signal.csv", "--out", tmp_path / "runs")
    figures = figures_of(record)
    assert "4 groups in 2 folds" in record["steps"][1]["says"][0]
    assert {"f1_odd", "f1_odd_without_worst", "accuracy_without_worst"} <= figures.keys()
    assert figures["accuracy_without_worst"] >= figures["accuracy"] - 1e-9
    (folder / "job.toml").write_text((folder / "job.toml").read_text().replace('["odd"]', '["odb"]'))
    err = cli("jobs", "run", folder, "--data", folder / "signal.csv", "--out", tmp_path / "again", code=1)
    assert "no class 'odb'" in (tmp_path / "again" / "mine" / "job.json").read_text() + err


ALARMS = """
[[steps]]
kind = "run"
[[steps]]
kind = "folds"
folds = 4
[steps.alarms]
decision = { alarms = ["odd"] }
rows = 20
"""


@pytest.mark.slow
def test_alarms_are_judged_on_whole_recordings_of_groups_left_out(tmp_path: Path, cli: Cli) -> None:
    folder = job(tmp_path / "mine", ALARMS)
    record = cli.json("jobs", "run", folder, "--data", folder / "signal.csv", "--out", tmp_path / "runs")
    figures = figures_of(record)
    # Three events of each of four people; the odd level is far above all others, at once.
    assert figures["events"] == 12
    assert figures["missed"] == figures["false_alarms"] == 0
    assert figures["delay"] == pytest.approx(0, abs=0.1)
    assert "p1 0 of 3 events missed" in record["steps"][1]["says"][1]
    # Events are 29 rows long: no such event is longer.
    (folder / "job.toml").write_text((folder / "job.toml").read_text().replace("rows = 20", "rows = 30"))
    cli("jobs", "run", folder, "--data", folder / "signal.csv", "--out", tmp_path / "again", code=1)
    assert "events of odd of at least two groups" in (tmp_path / "again" / "mine" / "job.json").read_text()


def walk(person: int) -> list[str]:
    """Return lines of Daphnet: a minute outside of the experiment, steps, and eight seconds of trembling a minute."""
    rng = np.random.default_rng(person)
    time = np.arange(7 * 60 * 64) / 64
    frozen = (time % 60 > 40) & (time % 60 < 48) & (time > 60)
    steps, trembling = np.sin(2 * np.pi * (1.6 + person / 20) * time), np.sin(2 * np.pi * 6 * time)
    moved = 900 * np.where(frozen, 0.3 * trembling, steps)
    readings = moved[:, None] * np.linspace(1, 0.3, 9) + 40 * rng.standard_normal((len(time), 9))
    marks = np.where(time < 60, 0, 1 + frozen)
    rows = zip(time, readings.astype(int), marks, strict=True)
    return [" ".join(map(str, (round(1000 * moment), *values, mark))) for moment, values, mark in rows]


@pytest.mark.slow
def test_freezes_of_patients_left_out_are_alarms_and_a_record_without_any_is_refused(tmp_path: Path, cli: Cli) -> None:
    folder, data = tmp_path / "freezing", tmp_path / "daphnet-fog"
    shutil.copytree(examples() / "health" / "freezing", folder)
    table = (folder / "job.toml").read_text()
    (folder / "job.toml").write_text(table.replace("folds = 10", "folds = 2"))
    data.mkdir()
    for person in range(4):
        (data / f"S0{person}R01.txt").write_text("\n".join(walk(person)))
    record = cli.json("jobs", "run", folder, "--data", data, "--out", tmp_path / "runs")
    figures = figures_of(record)
    assert figures["events"] == 4 * 6
    assert figures["missed"] < 0.3
    # The minute before the experiment is no time that alarms are counted in.
    assert figures["hours"] < 4 * 6 / 60
    assert "S03" in " ".join(record["steps"][1]["says"])
    shutil.rmtree(data)
    data.mkdir()
    shutil.copy(shared_data("daphnet-fog") / "S06R02E0.csv.gz", data)
    err = cli("jobs", "run", folder, "--data", data, "--out", tmp_path / "again", code=2)
    assert "expected" in err


def recordings(labels: str, seconds: list[float]) -> DataSet:
    """Return a data set of one recording of ann, a letter a row; a dot is no label."""
    target = np.array(["" if letter == "." else letter for letter in labels])
    mine = Recording(
        name="r", values=np.zeros((len(target), 1), np.float32), target=target, groups=np.full(len(target), "ann"),
        time=np.array(seconds),
    )  # fmt: skip
    return DataSet(name="d", columns=(Column(name="x"),), recordings=(mine,), target_name="beat")


def test_events_are_rows_in_a_row_and_unlabelled_time_judges_nothing() -> None:
    dataset = recordings("NVVNVVVN..N", [0, 1, 2, 3, 4, 4.5, 5, 7, 8, 9, 12])
    truth = truth_of(dataset, ("V",), 3)["r", "ann"]
    assert truth.events == (Labelled("V", 4.0, 5.0),)
    assert truth.unknown.tolist() == [[8.0, 9.0]]
    assert within(np.array([7.0, 8.0, 8.5, 9.5]), truth.unknown).tolist() == [False, True, True, False]
    assert within(np.array([0.5, 2.5, 5.0]), np.array([[0.0, 3.0], [1.0, 2.0]])).tolist() == [True, True, False]
    # Rows without a rate are numbers of a tape; they become their own seconds.
    tape = Tape("r", "ann", ((np.zeros((2, 2), np.float32), np.array([4.0, 10.0])),), 1.0, ())
    (moved,) = timed([tape], dataset)
    assert moved.pieces[0][1].tolist() == [4.0, 12.0]
    assert moved.step == pytest.approx(1.2)


def test_alarms_tell_each_group_and_how_late_they_come() -> None:
    late = {"ann": [Tally(4, 1, 0, 0, 1800.0, (1.0, 2.0, 9.0))], "bob": [Tally(0, 0, 3, 0, 1800.0, ())],
            "eve": [Tally(0, 0, 0, 0, 3600.0, ())]}  # fmt: skip
    figures, each = alarm_figures(late, ("V",), "noise_", "noise: ")
    values = {figure.name: figure.value for figure in figures}
    assert values["noise_missed"] == pytest.approx(0.25)
    assert values["noise_false_alarms"] == pytest.approx(1.5)
    assert values["noise_delay"] == pytest.approx(2.0)
    assert 2.0 < values["noise_delay_long"] < 9.0
    assert each.startswith("ann 1 of 4 events missed, 0 false alarms in 30 min; bob")
    assert each.endswith("no event and no false alarm: eve, 1 hours")


def test_false_alarms_of_few_people_have_an_interval_over_people() -> None:
    def interval(counts: list[int]) -> Interval:
        tallies = {f"p{row}": [Tally(0, 0, count, 0, 1800.0, ())] for row, count in enumerate(counts)}
        figures = {figure.name: figure for figure in alarm_figures(tallies, ("V",))[0]}
        limits = figures["false_alarms"].interval
        assert limits is not None
        return limits

    assert interval([19]).method == "Byar"
    assert interval([0] * 22).high > 0.3, "no false alarm in eleven hours is not none an hour"
    # Eleven of nineteen are one person's: as though they were independent, it was 1.04 to 2.7 an hour.
    clustered = interval([11, 3, 2, 1, 1, 1, *[0] * 16])
    assert clustered.low == 0
    assert clustered.high == pytest.approx(3.85, abs=0.1)
    assert "by group" in clustered.method


@pytest.mark.slow
def test_a_gate_is_judged_on_groups_left_out(tmp_path: Path, cli: Cli) -> None:
    folder = job(tmp_path / "mine", f'[[steps]]\nkind = "quality"\n{DATA}samples = 50\nrefused = 0.01\n')
    record = cli.json("jobs", "run", folder, "--data", folder / "signal.csv", "--out", tmp_path / "runs")
    figures = figures_of(record)
    assert figures["flat"] == figures["noise"] == 1.0
    assert figures["refused"] <= 0.3
    assert figures["refused_without_worst"] <= figures["refused"]
    gate = read_detector(tmp_path / "runs" / "mine" / "quality.detector")
    assert gate.spec.kind == "limits"
    assert gate.spec.window is not None
    assert gate.spec.window.samples == 50


@pytest.mark.slow
@pytest.mark.parametrize("alone", [False, True])
def test_events_are_found_by_a_detector_that_has_not_seen_them(tmp_path: Path, cli: Cli, alone: bool) -> None:
    steps = f'[[steps]]\nkind = "detect"\n{DATA}normal = ["ok"]\ndetector = "limits"\n'
    folder = job(tmp_path / "mine", steps)
    if alone:
        lines = SIGNAL.splitlines()
        (folder / "signal.csv").write_text("\n".join(lines[:1201]))
    record = cli.json("jobs", "run", folder, "--data", folder / "signal.csv", "--out", tmp_path / "runs")
    figures = figures_of(record)
    # Every 400 rows have an event: three of each of four people, or those of the second half of one.
    assert figures["events"] == (2 if alone else 12)
    assert ("found_without_worst" in figures) is not alone
    assert figures["false_alarms"] >= 0.0
    assert (tmp_path / "runs" / "mine" / "detect.detector").is_file()


@pytest.mark.slow
def test_what_a_gate_calls_odd_is_not_answered(tmp_path: Path) -> None:
    package(tmp_path / "switch.edge")
    values = signal(60.0, period=4.0)
    broken = values.copy()
    # Half a minute of a sensor far away, within the range that it declares.
    broken[1500:, 0] = 9.0 + 0.05 * (broken[1500:, 1] - 20)
    learnt = fit(LimitsConfig(), values, np.arange(len(values)) / RATE)
    spec = DetectorSpec(
        kind="limits", config={}, columns=(Column(name="level"), Column(name="heat")), rate=RATE,
        threshold=Threshold(value=1.5, by="given"), refractory=500,
    )  # fmt: skip
    write_detector(tmp_path / "bad.detector", spec, learnt)
    entry = {"path": "bad.detector"}
    answered: dict[bool, list[float]] = {}
    summed = {}
    for gate in (False, True):
        folder = tmp_path / str(gate)
        folder.mkdir()
        for name in ("switch.edge", "bad.detector"):
            (folder / name).write_bytes((tmp_path / name).read_bytes())
        events = given(folder, packets(broken), settings={"detectors": [{**entry, "gate": gate}]})[0]
        answered[gate] = [
            time for time, kind, _ in event_lines(events, "decision") if kind == "decision" and time > 30.2
        ]
        summed[gate] = [event.detail for event in events if event.kind == "summary"][-1]
        assert event_lines(events, "anomaly")
    assert not answered[True]
    assert summed[True]["doubted"] > 280
    assert summed[False].get("doubted", 0) == 0
    assert json.dumps(summed[True]) != json.dumps(summed[False])

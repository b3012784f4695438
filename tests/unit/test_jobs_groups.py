"""Steps of jobs that judge people or machines: with and without the worst, each left out, gates and events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent_example import RATE, event_lines, given, package, packets, signal
from cli_runner import Cli
from edgewright.jobs.group_figures import GroupAnswers, error_figures, share_figures
from edgewright.monitor.detector_stream import read_detector, write_detector
from edgewright.monitor.detectors.limits import LimitsConfig, fit
from edgewright.schema.data import Column
from edgewright.schema.detector import DetectorSpec, Threshold
from edgewright.schema.trace import GroupRow

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

"""The figure that leads is one everywhere: page of the run, list of runs, comparison in both forms, and quiz."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from scipy import stats

from cli_runner import Cli
from edgewright.core.records.trace import EvaluationRecord, GroupRow, Interval, LeftOutRecord
from edgewright.studio.jobs import Runs
from edgewright.trace.questions import quiz
from edgewright.trace.sentences.opening import headline
from edgewright.trace.sentences.readiness import verdict
from studio_example import Client, client, record
from trace_example import evaluation, trace

METHOD = "t interval by person, 2 degrees of freedom, 95 %"


def of_people() -> EvaluationRecord:
    """Three people left out in turn, worse than the test samples of the split: 71.2 % against 87.9 %."""
    rows = tuple(GroupRow(group=f"p{i}", accuracy=0.6 + 0.1 * i, samples=100) for i in range(3))
    left = LeftOutRecord(
        groups=rows, known=3, by="person",
        score=Interval(value=0.712, low=0.243, high=0.951, method=METHOD),
        majority=Interval(value=0.3, low=0.2, high=0.4, method=""),
    )  # fmt: skip
    return msgspec.structs.replace(evaluation(), left_out=left)


def of_an_amount() -> EvaluationRecord:
    rows = tuple(GroupRow(group=f"p{i}", samples=100, regression={"mae": 2.0 + i, "rmse": 3.0 + i}) for i in range(3))
    left = LeftOutRecord(
        groups=rows, known=3, by="person", r2=0.61,
        score=Interval(value=4.25, low=3.125, high=5.375, method="Student's t"),
        majority=Interval(value=0.3, low=0.2, high=0.4, method=""),
    )  # fmt: skip
    regression = {"mae": 1.111, "rmse": 1.222, "r2": 0.93}
    return EvaluationRecord(samples=400, split_by="group", regression=regression, left_out=left)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    for name in ("first", "second"):
        record(folder, name, evaluation=of_people(), verdict=verdict(evaluation=of_people()))
    record(folder, "split")
    amount = of_an_amount()
    assert amount.left_out is not None
    record(folder, "amount", task="regression", evaluation=amount, compression=None, device=None)
    larger = msgspec.structs.replace(amount.left_out, score=Interval(value=8.5, low=7.5, high=9.5, method=""))
    changed = msgspec.structs.replace(amount, left_out=larger)
    record(folder, "amount-2", task="regression", evaluation=changed, compression=None, device=None)
    return folder


def summary_text(page: str) -> str:
    """Return the text with which the summary of a run begins on its page."""
    return re.sub(r"<[^>]+>|\s+", " ", page[page.index('id="summary"') :][:1500])


def row_of(page: str, name: str) -> str:
    return re.search(rf'<tr>(?:(?!</tr>).)*href="/page/{name}".*?</tr>', page, re.DOTALL)[0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "figure", "span"),
    [
        ("first", "71.2 %", "24.3 % to 95.1 %"),
        ("split", "87.9 %", "84.2 % to 91.1 %"),
        ("amount", "4.250", "3.125 to 5.375"),
    ],
)
def test_the_list_leads_with_the_figure_of_the_page(runs: Path, name: str, figure: str, span: str) -> None:
    studio = client(runs)
    shown = " ".join(summary_text(studio.get(f"/page/{name}").text).split())
    assert figure in shown
    assert span in shown
    line = row_of(studio.get("/").text, name)
    assert figure in line
    assert span in line
    other = "87.9 %" if name == "first" else "1.222"
    assert name == "split" or other not in line
    assert ("by person, 3 groups" in line) == (name != "split")


def test_the_list_sorts_by_the_figure_that_it_shows(runs: Path) -> None:
    scores = {run.location: run.score for run in Runs(runs).finished()}
    assert scores == {"first": 0.712, "second": 0.712, "split": 0.8795, "amount": 0.61, "amount-2": 0.61}


def test_the_int8_form_is_a_change_beside_people_left_out(runs: Path) -> None:
    """Its own accuracy is of the split's test samples, higher here than the figure beside it."""
    page = client(runs).get("/").text
    assert "87.8 %" in row_of(page, "split")
    assert "87.8 %" not in row_of(page, "first")
    assert "-0.2 points" in row_of(page, "first")


def test_a_comparison_leads_with_it(runs: Path, cli: Cli) -> None:
    page = client(runs).get("/compare?run=first&run=second").text
    assert page.index("accuracy, each person left out once") < page.index("71.2 % (24.3 % to 95.1 %)")
    assert page.index("71.2 % (24.3 % to 95.1 %)") < page.index("accuracy, one split")
    assert "accuracy, int8, one split" in page
    printed = cli("compare", runs / "first", runs / "second")
    assert printed.index("71.2 % (24.3") < printed.index("87.9 % (84.2")
    results = cli.json("compare", runs / "first", runs / "split")["results"]
    assert (results[0]["name"], results[0]["differences"]) == (
        "accuracy, each person left out once", ["", "not comparable"],
    )  # fmt: skip
    assert (results[1]["name"], results[1]["differences"]) == ("accuracy, one split", ["", "same"])
    assert cli.json("compare", runs / "split", runs / "split")["results"][0]["name"] == "accuracy"


def test_a_comparison_of_amounts_leads_with_the_error_of_people_left_out(runs: Path, cli: Cli) -> None:
    first, *others = cli.json("compare", runs / "amount", runs / "amount-2")["results"]
    assert first["name"] == "rmse, each person left out once"
    assert first["texts"] == ["4.250 (3.125 to 5.375)", "8.500 (7.500 to 9.500)"]
    assert first["differences"] == ["", "2 times as much; intervals apart"]
    assert {"mae, one split", "r2, one split", "rmse, one split"} <= {row["name"] for row in others}


def _quiz(studio: Client, run: str) -> str:
    moved = studio.get(f"/quiz/{run}").headers["location"]
    assert moved == f"/page/{run}#quiz"
    return studio.get(f"/page/{run}").text.partition('id="quiz"')[2]


def test_the_quiz_asks_about_it(runs: Path) -> None:
    studio = client(runs)
    quiz_page = _quiz(studio, "first")
    assert "71.2 % right (95 % CI 24.3 % to 95.1 %)" in quiz_page
    assert "71.2 % of the answers on 3 people or machines, each left out of training once, are right" in quiz_page
    assert "41.2 %" in quiz_page  # 71.2 % less a gain of 30 points over the most frequent class
    assert "87.9 %" not in quiz_page
    assert "87.9 % right (95 % CI 84.2 % to 91.1 %)" in _quiz(studio, "split")
    reasons = [option.reason for question in quiz(trace()) for option in question.options]
    assert any("87.9 % of the answers are still right" in reason for reason in reasons)
    of_left = msgspec.structs.replace(trace(), evaluation=of_people())
    reasons = [option.reason for question in quiz(of_left) for option in question.options]
    assert any("71.2 % of the answers are still right" in reason for reason in reasons)
    amount = _quiz(studio, "amount")
    assert "What does r2 = .610 mean" in amount
    assert "The mean absolute error is 3, the root mean squared error 4.250" in amount


def test_so_few_say_little() -> None:
    line = headline(None, of_people().left_out)
    assert line is not None
    assert (line.figure, line.little, line.source) == ("71.2 %", True, "by person, 3 groups: says little")
    assert headline(None, None) is None


def test_scores_of_other_data_or_targets_are_not_compared(tmp_path: Path, cli: Cli) -> None:
    recorded = record(tmp_path, "first", config={"data": {"target": "state"}})
    other = msgspec.structs.replace(recorded.provenance, data_hash="0" * 64)
    record(tmp_path, "elsewhere", config={"data": {"target": "state"}}, provenance=other)
    record(tmp_path, "other-target", config={"data": {"target": "person"}})
    record(tmp_path, "same", config={"data": {"target": "state"}})
    folders = [tmp_path / name for name in ("first", "elsewhere", "other-target", "same")]
    compared = cli.json("compare", *folders)
    rows = {row["name"]: row["differences"] for row in compared["results"]}
    for score in ("accuracy", "macro-F1", "accuracy, int8"):
        assert rows[score] == ["", "not comparable: other data", "not comparable: other targets", "same"]
    assert rows["weights, int8"] == ["", "same", "same", "same"]
    cut = {"data": {"target": "state"}, "window": {"samples": 64}}
    record(tmp_path, "cut", config=cut, provenance=other)
    compared_cut = cli.json("compare", tmp_path / "first", tmp_path / "cut")
    assert compared_cut["results"][0]["differences"] == ["", "same"]
    assert compared_cut["notes"] == ["the samples are cut differently: accuracies compare only roughly"]
    assert compared["notes"] == [
        "elsewhere has other data than first: their scores are not compared",
        "other-target has other targets than first: their scores are not compared",
    ]


def test_runs_on_the_same_people_are_compared_person_by_person(tmp_path: Path, cli: Cli) -> None:
    base, gains = (
        evaluation(),
        {"first": [0.0] * 5, "better": [0.03, 0.04, 0.03, 0.04, 0.03], "odd": [0.3, -0.2, 0, 0, 0]},
    )
    assert base.accuracy is not None
    for name, gain in gains.items():
        pairs = zip(base.groups, gain, strict=True)
        groups = tuple(msgspec.structs.replace(row, accuracy=(row.accuracy or 0.0) + more) for row, more in pairs)
        accuracy = msgspec.structs.replace(base.accuracy, value=base.accuracy.value + sum(gain) / 5)
        record(tmp_path, name, evaluation=msgspec.structs.replace(base, groups=groups, accuracy=accuracy))
    compared = cli.json("compare", *(tmp_path / name for name in gains))["results"]
    ends = {
        name: " to ".join(f"{100 * end:+.1f}" for end in stats.t.interval(0.95, 4, np.mean(gain), stats.sem(gain)))
        for name, gain in gains.items() if any(gain)
    }  # fmt: skip
    assert next(row for row in compared if row["name"] == "accuracy")["differences"] == [
        "", f"up 3.4 points; paired by group, 95 % CI {ends['better']} points",
        f"up 2 points; paired by group, 95 % CI {ends['odd']} points, may be chance",
    ]  # fmt: skip
    assert "paired by group" in client(tmp_path).get("/compare?run=first&run=better").text
    by_row = msgspec.structs.replace(base, split_by="row")
    record(tmp_path, "drawn", evaluation=by_row)
    assert "paired" not in cli("compare", tmp_path / "better", tmp_path / "drawn")

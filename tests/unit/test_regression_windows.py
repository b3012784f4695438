"""What a window of amounts is to tell, and how sure its errors are, by engine or person."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console, Group

from edgewright.core.package import read_package
from edgewright.core.records.config import WindowConfig, WindowTarget
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.core.records.trace import EvaluationRecord
from edgewright.data.samples import cut
from edgewright.pipeline.config import parse
from edgewright.pipeline.evaluation.evaluate import evaluate_numbers
from edgewright.pipeline.run import RunResult, run_pipeline
from edgewright.pipeline.run_folder.store import INDEX, load_fitted
from edgewright.trace.blocks.terminal import blocks_parts
from edgewright.trace.page import Page
from edgewright.trace.page_model import parse_trace
from edgewright.trace.sections.results import evaluation_blocks
from edgewright.trace.sentences.facts import span

TEXT = """
name = "wear"
refit = false
task = "regression"
[data]
kind = "numpy"
[window]
samples = 8
step = 4
[[stages]]
kind = "statistics"
[model]
kind = "linear"
[compression]
int8 = false
[device]
profile = "x86-64"
"""


def _wear(rows: int = 40) -> DataSet:
    """Six machines whose only reading is the cycles that they still run, with a little noise."""
    noise = np.random.default_rng(0)
    recordings = []
    for index in range(6):
        left = np.arange(rows, 0, -1, dtype=np.float64) + 0.5
        values = (left + noise.normal(0, 0.3 + 0.2 * index, rows))[:, None].astype(np.float32)
        name = f"machine-{index}"
        recordings.append(Recording(name=name, values=values, target=left, groups=np.full(rows, name)))
    return DataSet(name="wear", columns=(Column(name="a"),), recordings=tuple(recordings), target_name="left")


@pytest.mark.parametrize(
    ("target", "wanted"), [("last", [1.0, 7.0]), ("first", [9.0, 7.0]), ("mean", [6.0, 7.0]), ("max", [9.0, 7.0])]
)
def test_a_window_of_amounts_tells_that_of_the_row_asked_for(target: WindowTarget, wanted: list[float]) -> None:
    """The second window has one labelled half: unlabelled rows have no say."""
    y = np.asarray([9.0, 8.0, 6.0, 1.0, np.nan, 7.0, 7.0, np.nan, 0.5, 1.5])
    data = DataSet(
        name="s", columns=(Column(name="a"),), target_name="y",
        recordings=(Recording(name="r", values=np.zeros((10, 1), np.float32), target=y),),
    )  # fmt: skip
    window = WindowConfig(samples=4, step=4, within="recording", target=target)
    assert cut(data, window).y.tolist() == wanted


def test_a_stream_predicts_now_unless_told_otherwise() -> None:
    assert WindowConfig(samples=4).target == "last"


@pytest.mark.parametrize("target", ["last", "mean"])
def test_what_a_window_tells_is_learned_and_stands_in_the_package(tmp_path: Path, target: str) -> None:
    """The reading is the amount: whatever a window is to tell is a combination of its statistics."""
    result = _run(tmp_path, target)
    package = read_package(tmp_path / "runs" / "wear" / "wear.edge")
    assert package.manifest.window is not None
    assert package.manifest.window.target == target
    assert result.trace.evaluation is not None
    assert result.trace.evaluation.regression["mae"] < 1.0


def _run(folder: Path, target: str) -> RunResult:
    data = _wear()
    np.savez(
        folder / "wear.npz",
        X=np.concatenate([r.values for r in data.recordings]),
        y=np.concatenate([r.target for r in data.recordings]),
        groups=np.concatenate([r.groups for r in data.recordings if r.groups is not None]),
    )
    config = parse(TEXT, "wear.toml", (f"window.target={target}", "split.test=0.5"))
    return run_pipeline(config, data=str(folder / "wear.npz"), out=folder / "runs")


def test_runs_from_before_the_key_meant_the_mean(tmp_path: Path) -> None:
    folder = _run(tmp_path, "last").folder
    stored = msgspec.json.decode((folder / "pipeline" / INDEX).read_bytes())
    record = msgspec.json.decode((folder / "trace.json").read_bytes())
    for config in (stored["config"], record["config"]):
        assert config["window"].pop("target") == "last"
    (folder / "pipeline" / INDEX).write_bytes(msgspec.json.encode(stored))
    index, _ = load_fitted(folder / "pipeline")
    assert index.config.window is not None
    assert index.config.window.target == "mean"
    window: Any = parse_trace(msgspec.json.encode(record), "trace.json").config["window"]
    assert window["target"] == "mean"


def _errors() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.str_]]:
    """Ten engines of a hundred windows, whose errors differ by engine much more than by window."""
    noise = np.random.default_rng(3)
    groups = np.repeat([f"engine-{i}" for i in range(10)], 100)
    truth = np.tile(np.arange(100.0), 10)
    return truth, truth + np.repeat(np.arange(10) * 2.0, 100) + noise.normal(0, 1, 1000), groups


def test_errors_have_intervals_by_group_and_a_row_a_group() -> None:
    truth, answer, groups = _errors()
    evaluation = evaluate_numbers(truth, answer, groups, split_by="group")
    alone = evaluate_numbers(truth, answer, None, split_by="row")
    for name in ("mae", "rmse"):
        by_group, by_sample = evaluation.intervals[name], alone.intervals[name]
        assert by_group.value == evaluation.regression[name] == by_sample.value
        assert by_group.low < by_group.value < by_group.high
        assert by_group.method.startswith("t interval by group, 9 degrees")
        assert by_sample.method.startswith("t interval by sample, 100 blocks")
        # Errors of one engine are alike, so leaving engines out says how little ten of them tell.
        assert by_group.high - by_group.low > 4 * (by_sample.high - by_sample.low)
    assert [row.group for row in evaluation.groups][:2] == ["engine-9", "engine-8"]
    worst = evaluation.groups[0]
    mine = (answer - truth)[groups == "engine-9"]
    assert worst.regression == pytest.approx({"mae": np.abs(mine).mean(), "rmse": np.sqrt((mine**2).mean())})
    assert (worst.samples, worst.accuracy) == (100, None)


def _shown(evaluation: EvaluationRecord) -> str:
    console = Console(width=110, record=True, file=io.StringIO())
    console.print(Group(*blocks_parts(evaluation_blocks(evaluation), Page(110, unicode=True, terminal=False))))
    return console.export_text()


def test_the_terminal_shows_both() -> None:
    truth, answer, groups = _errors()
    evaluation = evaluate_numbers(truth, answer, groups, split_by="group")
    text = _shown(evaluation)
    assert "t interval by group" in text
    assert span(evaluation.intervals["rmse"]) in text
    assert "engine-9" in text
    assert "2 groups with smaller errors" in text


def test_the_page_shows_both(tmp_path: Path) -> None:
    result = _run(tmp_path, "last")
    assert result.page is not None
    page = result.page.read_text()
    assert "t interval by group" in page
    assert "By group, the worst first" in page
    assert page.count("machine-") >= 3

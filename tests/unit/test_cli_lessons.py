"""`learn`, `compare` and `trace` on a small run: what they print, and what they say to bad input."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import trace_example as example
from cli_runner import Cli
from edgewright.export.answering import load
from edgewright.pipeline.config import read_config
from edgewright.pipeline.pipeline import Pipeline
from edgewright.pipeline.run import RunResult
from edgewright.pipeline.run_folder.journal import Journalling, Listener, journalled
from edgewright.trace.journal import journals
from edgewright.trace.modes import modes
from edgewright.trace.page_model import read_trace, write_trace
from small_pipeline import ROWS, rows, run_small, write_rows, write_toml

CHANGES = ("training.epochs=20", "training.learning_rate=0.02", "compression.max_drop=0.5")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    folder = tmp_path_factory.mktemp("lessons")
    toml = write_toml(folder / "small.toml", write_rows(folder / "rows.csv"))
    return run_small(toml, folder / "runs", *CHANGES)


@pytest.mark.parametrize(
    "mode", ["trace", "summary", "steps", "formulas", "code", "what-if", "compare", "quiz", "glossary"]
)
def test_every_mode_prints_text_and_json(mode: str, finished: RunResult, cli: Cli) -> None:
    text = cli("learn", finished.folder, "--mode", mode)
    assert len(text.splitlines()) > 4
    record = cli.json("learn", finished.folder, "--mode", mode)
    assert record["mode"] == mode
    assert record["blocks"]
    assert all(block["block"] for block in record["blocks"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--mode", "quizz"), "Did you mean 'quiz'?"),
        (("--mode", "quiz", "--set", "epochs=3"), "--set with --mode what-if"),
        (("--mode", "what-if", "--set", "epochs"), "expected NAME=VALUE"),
        (("--mode", "what-if", "--set", "epochs=0"), "a whole number above zero"),
        (("--mode", "what-if", "--set", "bits=4"), "expected 8 or 32"),
        (("--mode", "what-if", "--set", "layers=8,x"), "a whole number above zero"),
        (("--mode", "what-if", "--set", "features=1"), "no change 'features'. Known: bits, epochs, layers"),
        (("--mode", "what-if", "--set", "training.epoch=1"), "Did you mean 'epochs'?"),
        (("--mode", "what-if", "--set", "epochs=20"), "what the run has already"),
    ],
)
def test_learn_says_what_was_wrong(arguments: tuple[str, ...], expected: str, finished: RunResult, cli: Cli) -> None:
    assert expected in cli("learn", finished.folder, *arguments, code=2)
    assert [p.name for p in finished.folder.parent.iterdir() if p.is_dir() and not p.name.startswith(".")] == ["small"]


def test_a_folder_without_a_run_names_the_runs_beside_it(finished: RunResult, cli: Cli) -> None:
    assert "Runs there: small" in cli("learn", finished.folder.parent / "smal", code=2)
    assert "Runs there: small" in cli("compare", finished.folder, finished.folder.parent, code=2)
    assert "no such folder" in cli("trace", "/nowhere/at/all", "--row", "1", code=2)


@pytest.mark.slow
def test_what_if_runs_again_beside_and_compares(finished: RunResult, tmp_path: Path, cli: Cli) -> None:
    text = cli("learn", finished.folder, "--mode", "what-if", "--set", "layers=4", "--out", tmp_path)
    assert "model.layers.0.units" in text
    assert f"run folder {tmp_path / 'small'}" in text
    trace = read_trace(tmp_path / "small" / "trace.json")
    assert trace.layers[0].shape_out == (4,)
    assert trace.provenance.data_hash == finished.trace.provenance.data_hash
    record = cli.json("learn", finished.folder, "--mode", "what-if", "--set", "bits=32", "--out", tmp_path)
    assert record["run"] == str(tmp_path / "small-2")
    changed = {one["key"]: one["values"] for one in record["comparison"]["settings"]}
    assert changed == {"compression.int8": ["true", "false"]}
    without = read_trace(tmp_path / "small-2" / "trace.json").compression
    assert without is None or [form.name for form in without.variants] == ["float"]


@pytest.mark.slow
def test_compare_lists_configuration_data_and_result(finished: RunResult, tmp_path: Path, cli: Cli) -> None:
    config = read_config(
        str(finished.folder.parent.parent / "small.toml"), (*CHANGES[1:], "training.epochs=3", "seed=4")
    )
    assert config.seed == 4
    other = run_small(
        finished.folder.parent.parent / "small.toml", tmp_path, *CHANGES[1:], "training.epochs=3", "seed=4"
    )
    text = cli("compare", finished.folder, other.folder, finished.folder)
    assert "training.epochs" in text
    assert max(len(line) for line in text.splitlines()) <= 80
    record = cli.json("compare", finished.folder, other.folder)
    assert {one["key"]: one["values"] for one in record["settings"]} == {
        "seed": ["3", "4"], "training.epochs": ["20", "3"]
    }  # fmt: skip
    rows_ = {row["name"]: row for row in record["results"]}
    assert rows_["epochs"]["values"] == [20.0, 3.0]
    assert "intervals" in rows_["accuracy"]["differences"][1] or rows_["accuracy"]["differences"][1] == "same"
    assert rows_["parameters"]["differences"] == ["", "same"]
    assert "two runs or more, got 1" in cli("compare", finished.folder, code=2)


def test_an_old_record_takes_its_configuration_from_the_stored_pipeline(
    finished: RunResult, tmp_path: Path, cli: Cli
) -> None:
    old, bare = tmp_path / "old", tmp_path / "bare"
    for folder in (old, bare):
        folder.mkdir()
        write_trace(msgspec.structs.replace(finished.trace, version=1, config={}), folder / "trace.json")
    (old / "pipeline").symlink_to(finished.folder / "pipeline")
    record = cli.json("compare", finished.folder, old)
    assert (record["settings"], record["notes"]) == ([], [])
    assert "has no configuration" in cli("compare", finished.folder, bare)
    assert "layers" in cli("learn", old, "--mode", "what-if")
    assert "with its configuration" in cli("learn", bare, "--mode", "what-if", "--set", "epochs=2", code=2)


def test_a_row_is_the_row_that_every_page_names(finished: RunResult, cli: Cli) -> None:
    shown = finished.trace.predictions[0]
    text = cli("trace", finished.folder, "--row", shown.row + 1)
    assert text.startswith(f"Prediction of row {shown.row + 1} of the data")
    record = cli.json("trace", finished.folder, "--row", shown.row + 1)
    assert msgspec.convert(record["predictions"][0]["prediction"], type(shown)) == shown
    lesson = cli("learn", finished.folder, "--mode", "trace")
    assert f"Row {shown.row + 1}" in lesson


@pytest.mark.parametrize("row", ["0", "-3", str(ROWS + 1)])
def test_a_row_that_is_not_there(row: str, finished: RunResult, cli: Cli) -> None:
    assert f"a row from 1 to {ROWS}" in cli("trace", finished.folder, "--row", row, code=2)


def test_rows_of_a_file_answer_as_predict_does(finished: RunResult, tmp_path: Path, cli: Cli) -> None:
    file = write_rows(tmp_path / "new.csv", rows()[:12])
    record = json.loads(cli("trace", finished.folder, "--csv", file, "--json"))
    assert (record["traced"], record["rows"]) == (10, 12)
    assert record["predictions"][0]["place"] == "new.csv line 2"
    assert record["predictions"][0]["prediction"]["right"] is None
    X = np.array([[float(a), float(b)] for a, b, _ in rows()[:10]], np.float32)
    answers = load(finished.folder, form="float").predict(X)
    for one, probabilities in zip(record["predictions"], answers.probabilities, strict=True):
        assert [p for _, p in one["prediction"]["probabilities"]] == pytest.approx(list(probabilities), abs=1e-5)
    text = cli("trace", finished.folder, "--csv", file)
    assert "10 of 12 are traced" in text
    assert "new.csv line 3" in text


def test_trace_says_what_was_wrong(finished: RunResult, tmp_path: Path, cli: Cli) -> None:
    assert "one of --row N and --csv FILE, got none" in cli("trace", finished.folder, code=2)
    lacking = write_rows(tmp_path / "lacking.csv", [["1", "2"]], header="a,c")
    assert "no b - at lacking.csv" in cli("trace", finished.folder, "--csv", lacking, code=2)
    assert "no such file" in cli("trace", finished.folder, "--csv", tmp_path / "absent.csv", code=2)
    text = write_rows(tmp_path / "text.csv", [["1", "two"]], header="a,b")
    assert "'two'" in cli("trace", finished.folder, "--csv", text, code=2)
    empty = tmp_path / "empty.csv"
    empty.write_text("a,b\n")
    assert "row" in cli("trace", finished.folder, "--csv", empty, code=2)
    bare = tmp_path / "bare"
    bare.mkdir()
    write_trace(finished.trace, bare / "trace.json")
    assert "its fitted pipeline" in cli("trace", bare, "--row", "1", code=2)


def test_pipelines_runs_and_predictions_show_themselves(finished: RunResult) -> None:
    fitted = Pipeline.load(finished.folder)
    html = fitted._repr_html_()
    assert html is not None
    assert "<td>impute</td>" in html
    assert "parameters" in html
    shown = finished._repr_html_()
    assert shown is not None
    assert finished.trace.verdict.split(":")[0] in shown
    assert finished.trace.verdict.split(":")[0] in finished.trace._repr_html_()
    assert finished.package is not None
    assert repr(load(finished.package, engine="numpy")).startswith(f"Predictor({finished.trace.name}, ")
    explanation = fitted.explain([0.5, float("nan")])
    cell = explanation._repr_html_()
    assert cell is not None
    assert explanation.record.prediction.answer in cell
    for text in (html, shown, cell):
        assert "://" not in text
        assert "<script" not in text
    assert Pipeline([("impute", fitted.steps[0][1])])._repr_html_() is not None


WINDOWED = """\
name = "windowed"
refit = false

[data]
kind = "csv"
path = "{path}"
target = "label"

[window]
samples = 8

[[stages]]
kind = "statistics"
features = ["mean", "std"]

[training]
epochs = 2

[compression]
max_drop = 1.0
"""


@pytest.mark.slow
def test_windows_are_counted_and_cut_as_predict_does(tmp_path: Path, cli: Cli) -> None:
    X = np.random.default_rng(1).normal(size=(400, 2))
    table = [[f"{a:.4f}", f"{b:.4f}", "on" if i // 40 % 2 else "off"] for i, (a, b) in enumerate(X)]
    write_rows(tmp_path / "rows.csv", table)
    toml = tmp_path / "windowed.toml"
    toml.write_text(WINDOWED.format(path=tmp_path / "rows.csv"))
    result = run_small(toml, tmp_path / "runs")
    total = result.trace.stages[0].shape_out[0]
    text = cli("trace", result.folder, "--row", total)
    assert text.startswith(f"Prediction of window {total} of the data")
    assert f"a window from 1 to {total}" in cli("trace", result.folder, "--row", total + 1, code=2)
    file = write_rows(tmp_path / "new.csv", table[:20])
    record = cli.json("trace", result.folder, "--csv", file)
    assert [one["place"] for one in record["predictions"]] == [
        "new.csv rows 1 to 8", "new.csv rows 5 to 12", "new.csv rows 9 to 16", "new.csv rows 13 to 20"
    ]  # fmt: skip
    window = np.array([[float(a), float(b)] for a, b, _ in table[:8]], np.float32).T
    answers = load(result.folder, form="float").predict(window[np.newaxis])
    shares = [p for _, p in record["predictions"][0]["prediction"]["probabilities"]]
    assert shares == pytest.approx(list(answers.probabilities[0]), abs=1e-5)
    short = write_rows(tmp_path / "short.csv", table[:5])
    assert "at least 8 rows, one window" in cli("trace", result.folder, "--csv", short, code=2)


@pytest.mark.slow
def test_a_regression_is_traced_compared_and_asked_about(tmp_path: Path, cli: Cli) -> None:
    table = [[a, b, f"{float(a) * 2 + float(b):.4f}"] for a, b, _ in rows()]
    toml = write_toml(tmp_path / "small.toml", write_rows(tmp_path / "rows.csv", table))
    result = run_small(toml, tmp_path / "runs", "task=regression", *CHANGES)
    assert result.trace.task == "regression"
    assert len(cli.json("learn", result.folder, "--mode", "quiz")["blocks"]) >= 3
    assert "truth" in cli("trace", result.folder, "--row", "5")
    text = cli("learn", result.folder, "--mode", "what-if", "--set", "epochs=2")
    assert "rmse" in text
    assert "small-2 against small:" in text
    for name in ("formulas", "code", "summary"):
        assert cli("learn", result.folder, "--mode", name)


def test_a_run_that_broke_off_is_told_as_far_as_it_went(finished: RunResult, tmp_path: Path, cli: Cli) -> None:
    config = read_config("activity")
    listener = Journalling(tmp_path, config, "edgewright run activity")
    with pytest.raises(KeyboardInterrupt), journalled(listener, Listener()) as listening:
        listening.start("activity", "", "")
        for record in example.stages()[:3]:
            listening.stage(record)
        listening.training_started(20, 3)
        for epoch in example.epochs(6):
            listening.epoch(epoch)
        raise KeyboardInterrupt
    (journal,) = journals(tmp_path).iterdir()
    assert "This run is cancelled: interrupted." in cli("learn", journal, "--mode", "summary")
    for mode in modes():
        assert cli("learn", journal, "--mode", mode)
    assert cli.json("learn", journal, "--mode", "quiz")["blocks"]
    assert "is cancelled: its figures are incomplete" in " ".join(cli("compare", finished.folder, journal).split())
    for command in (("learn", journal, "--mode", "what-if", "--set", "epochs=2"), ("trace", journal, "--row", "1")):
        assert "finished run" in cli(*command, code=2)


@pytest.mark.slow
def test_the_quiz_is_answered_on_a_real_terminal(finished: RunResult) -> None:
    """Keys through a pseudo-terminal: the first letter for every question."""
    ours, theirs = pty.openpty()
    code = "import sys; from edgewright.cli.main import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "learn", str(finished.folder), "--mode", "quiz"]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    text = _talk(ours, process)
    assert process.wait(timeout=30) == 0
    assert " right\r\n" in text
    assert "a: " in text


def _talk(ours: int, process: subprocess.Popen[Any]) -> str:
    """Presses a whenever nothing comes for a while; a key pressed before the question waits for it may get lost."""
    text = ""
    for _ in range(200):
        if not select.select([ours], [], [], 0.3)[0]:
            os.write(ours, b"a")
            continue
        try:
            text += os.read(ours, 65536).decode(errors="replace")
        except OSError:
            return text
    process.kill()
    return text

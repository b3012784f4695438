"""Commands that are printed to go on with work as they stand, and give what was shown."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import msgspec
import numpy as np
import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.cli.options import command_line
from edgewright.schema.advice import Advice
from edgewright.schema.trace import Trace
from ladder_problems import table

Capture = pytest.CaptureFixture[str]


def _advice(folder: Path) -> Advice:
    return msgspec.json.decode((folder / "advice.json").read_bytes(), type=Advice)


def _stream(path: Path, *, even: bool, first_day: int = 1) -> Path:
    """Five-minute readings of ten days with a daily season; where uneven, every third comes a minute late."""
    rng, minutes = np.random.default_rng(2), np.arange(2880) * 5
    late = np.where((minutes // 5) % 3 == 1, 2, 0) * (not even)
    values = 20 + 5 * np.sin(minutes / 1440 * 2 * np.pi) + rng.normal(0, 0.4, len(minutes))
    times = np.datetime64(f"2024-05-{first_day:02d}T00:00:00") + (minutes + late).astype("timedelta64[m]")
    path.write_text("wann,value\n" + "".join(f"{t},{v:.3f}\n" for t, v in zip(times, values, strict=True)))
    return path


@pytest.mark.slow
def test_the_printed_ladder_command_is_whole_and_gives_the_shown_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    monkeypatch.chdir(tmp_path)
    table(tmp_path / "my rows.csv")
    requested = ["ladder", "my rows.csv", "--target", "y", "--by", "row", "--patience", "1", "--metric", "macro-f1"]
    out = cli(*requested, "--seed", "3")
    command = out.split("create a run from it: ")[1].splitlines()[0]
    assert sorted(shlex.split(command)[1:]) == sorted([*requested, "--run", "threshold", "--seed", "3"])
    assert run(shlex.split(command)[1:]) == 0
    [folder] = (tmp_path / "runs").iterdir()
    trace = msgspec.json.decode((folder / "trace.json").read_bytes(), type=Trace)
    assert trace.evaluation is not None
    [shown] = trace.evaluation.scores.values()
    assert f"macro-F1 {shown.value:.4f}" in out
    assert trace.provenance.command == command


@pytest.mark.slow
def test_commands_of_an_advice_mean_the_new_run_where_an_older_one_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table(tmp_path / "rows.csv")
    requested = ["advise", "rows.csv", "--target", "y", "--by", "row", "--no-curve"]
    assert run([*requested, "--out", "first"]) == 0
    old = shlex.split(_advice(tmp_path / "first").commands[1])[-1]
    (tmp_path / old).mkdir(parents=True)
    assert run([*requested, "--out", "second"]) == 0
    commands = _advice(tmp_path / "second").commands
    assert shlex.split(commands[1])[-1] == f"{old}-2"
    for command in commands[:2]:
        assert run(shlex.split(command)[1:]) == 0, command


@pytest.mark.slow
@pytest.mark.parametrize(("task", "even"), [("anomaly", True), ("forecasting", True), ("forecasting", False)])
def test_commands_for_rows_without_labels_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, even: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    _stream(tmp_path / "stream.csv", even=even)
    _stream(tmp_path / "live.csv", even=True, first_day=11)
    assert run(["advise", "stream.csv", "--task", task, "--target" if task == "forecasting" else "--ignore",
                "value" if task == "forecasting" else "wann", "--out", "advice"]) == 0  # fmt: skip
    commands = _advice(tmp_path / "advice").commands
    assert ("--resample" in commands[0]) == (not even)
    for command in commands:
        assert run(shlex.split(command)[1:]) == 0, command


def test_a_command_is_written_as_it_was_typed() -> None:
    lines: list[str] = []

    @click.command()
    @click.argument("data")
    @click.option("--column", multiple=True)
    @click.option("--rows", type=int, default=5)
    @click.option("--all", "everything", is_flag=True)
    @click.option("--out", type=click.Path(path_type=Path), default=Path("runs"))
    def look(**_: object) -> None:
        lines.append(command_line())
        lines.append(command_line(rows=9, everything=True, column=()))

    look.main(["my data", "--column", "a", "--column", "b c", "--rows", "7"], prog_name="look", standalone_mode=False)
    assert lines == ["look 'my data' --column a --column 'b c' --rows 7", "look 'my data' --rows 9 --all"]

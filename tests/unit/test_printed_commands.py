"""Commands that are printed to go on with work as they stand, and give what was shown."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import msgspec
import numpy as np
import pytest

from edgewright.advice.records import Advice
from edgewright.cli.main import run
from edgewright.cli.options import command_line
from race_problems import table


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
def test_commands_of_an_advice_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table(tmp_path / "my rows.csv")
    (tmp_path / "new.csv").write_text("a,b\n1.2,1.1\n")
    assert run(["advise", "my rows.csv", "--target", "y", "--out", "first"]) == 0
    commands = _advice(tmp_path / "first").commands
    assert [command.split()[1] for command in commands] == ["run", "curve", "prove", "export", "predict"]
    for command in commands:
        assert run(shlex.split(command)[1:]) == 0, command


@pytest.mark.slow
@pytest.mark.parametrize("task", ["anomaly", "forecasting"])
def test_commands_for_rows_without_labels_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str) -> None:
    monkeypatch.chdir(tmp_path)
    _stream(tmp_path / "stream.csv", even=True)
    target = ("--target", "value") if task == "forecasting" else ()
    assert run(["advise", "stream.csv", "--task", task, *target, "--out", "advice"]) == 0
    command = _advice(tmp_path / "advice").commands[0]
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

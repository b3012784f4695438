"""The table [data] that commands without a pipeline read files with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cli_runner import Cli
from edgewright.core.errors import UnknownNameError
from edgewright.data.load import load_data
from edgewright.data.table_proposal import ProposedTable, propose_table
from edgewright.workflows.own_data.proposal import OwnDataRequest, look
from edgewright.workflows.tuning.recordings import tune_data
from odd_files.judge import odd_file
from odd_files.readers import COMMANDS, Reading, reading_of

ROWS = [
    f"{n},{n / 50:.2f},p{n // 100},{n % 7}.5,{'A' if n % 3 else 'B'},{'walk' if n // 40 % 2 else 'run'},"
    for n in range(600)
]


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "rows.csv"
    path.write_text("nr,time,subject,x,kind,label,notes\n" + "\n".join(ROWS) + "\n")
    return str(path)


def inputs(proposed: ProposedTable) -> list[str]:
    return [column.name for column in load_data(proposed.table, seed=0).columns]


def test_columns_are_what_they_are_for_init(file: str) -> None:
    proposed = propose_table(file, {"target": "label"})
    assert inputs(proposed) == [column.name for column in look(OwnDataRequest(path=file)).dataset.columns]
    assert inputs(proposed) == ["x", "kind=A", "kind=B"]
    assert proposed.sentence == (
        "columns: group = subject; time = time; nr left out (counts the rows); notes left out (empty)"
    )


def test_what_a_person_names_goes_first(file: str) -> None:
    named = propose_table(file, {"target": "label", "group": "kind", "time": "none", "ignore": ("nr", "subject")})
    assert (named.table["group"], named.table.get("time")) == ("kind", None)
    assert inputs(propose_table(file, {"target": "label", "columns": ["nr", "x"]})) == ["nr", "x"]
    assert "nr" in inputs(propose_table(file, {"target": "label"}, kept=["nr"]))
    with pytest.raises(UnknownNameError, match="lable"):
        propose_table(file, {"target": "lable"})


def test_signals_have_no_texts_and_no_target(file: str) -> None:
    assert inputs(propose_table(file, {}, texts=False)) == ["x"]


def test_a_check_looks_at_every_column_of_numbers(file: str) -> None:
    looked_at = propose_table(file, {"target": "label"}).with_numbers()
    assert inputs(looked_at) == ["nr", "x", "kind=A", "kind=B"]
    assert "nr" not in looked_at.sentence


def test_a_column_that_counts_is_better_than_none(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("x,label\n" + "\n".join(f"{n},{'ab'[n % 2]}" for n in range(60)) + "\n")
    assert inputs(propose_table(str(path), {"target": "label"})) == ["x"]


def test_a_public_set_knows_its_own_columns(tmp_path: Path) -> None:
    assert propose_table(str(tmp_path), {"target": ""}, "hapt").table == {"kind": "hapt", "path": str(tmp_path)}


def test_a_command_says_what_columns_it_found(file: str, cli: Cli) -> None:
    assert "columns: group = subject; time = time; notes left out (empty)" in cli("check", file, "--target", "label")


@pytest.mark.parametrize("command", ["check", "curve", "advise", "init"])
def test_a_clock_of_two_meanings_is_a_question_that_an_option_answers(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = odd_file("clock_of_two_meanings", 0, tmp_path)
    assert reading_of(command, file, monkeypatch) == Reading(None, 2)
    monkeypatch.setitem(COMMANDS, command, (*COMMANDS[command], "--time-unit", "ms"))
    dataset = reading_of(command, file, monkeypatch).dataset
    assert dataset is not None
    assert dataset.rate == 100.0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_rows_that_are_judged_alone_may_have_different_rates(kind: str, tmp_path: Path, cli: Cli) -> None:
    rng = np.random.default_rng(0)
    lines = {
        name: [f"{number * step},{name},{a:.3f},{'on' if a + b > 0 else 'off'}" for number, (a, b) in enumerate(column)]
        for name, step, column in zip("pqrs", (40, 10, 40, 10), rng.normal(size=(4, 80, 2)).tolist(), strict=True)
    }
    path, head = tmp_path / "rows.csv", "time_s,session,a,y"
    if kind == "file":
        path.write_text("\n".join([head, *(line for part in lines.values() for line in part)]) + "\n")
    else:
        path = tmp_path / "rows"
        path.mkdir()
        for name, part in lines.items():
            (path / f"{name}.csv").write_text("\n".join([head, *part]) + "\n")
    data_report = look(OwnDataRequest(path=str(path), target="y"))
    assert (data_report.framing.kind, data_report.dataset.rate, data_report.roles.time) == ("row", None, "time_s")
    cli("run", path, "--target", "y", "--budget", "1s", "--out", tmp_path / "runs")
    cli("check", path, "--target", "y")  # each session has a clock from zero
    assert "320 rows" in cli.out
    cli("check", path, "--target", "y", "--window", "8", code=2)  # labels change from row to row
    assert "faster recordings are averaged to a row every 40 s (resample = 0.025 in [data])" in cli.err


def test_commands_on_labels_and_alarms_say_what_they_understood(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "rows.csv"
    lines = [f"p{i // 40};{i / 10:.1f};{i * 37 % 101},5;{'on' if i % 40 > 20 else 'off'}" for i in range(400)]
    path.write_text("\n".join(["session;time_s;a;y", *lines]).replace(".", ",") + "\n")
    read = "read as a semicolon between cells, decimal comma (time_s, a)"
    cli("label", "suggest", path, "--target", "y", "--window", "20", "--out", tmp_path / "rows.labelling")
    assert cli.err.startswith(read) and "columns: session = session; time = time_s" in cli.err
    (note,) = tune_data(tmp_path / "model.edge", str(path), target="y").notes
    assert note.startswith(read)

"""`edgewright ladder`: the table, JSON, a run of a rung, wrong input, Ctrl-C."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.predictor import Predictor
from edgewright.race.race import Standing
from edgewright.schema.race import LADDER_VERSION, LadderRecord
from edgewright.search.ladder import measurement
from ladder_problems import table
from small_pipeline import write_rows

Capture = pytest.CaptureFixture[str]
QUICK = ["--by", "row", "--patience", "1"]


def test_the_table_says_what_is_enough(tmp_path: Path, cli: Cli) -> None:
    file = table(tmp_path / "rows.csv")
    out = cli("ladder", file, "--target", "y", *QUICK)
    assert "threshold " in out
    assert "The rung 'threshold' is enough: accuracy" in out
    assert "not tried" in out
    assert "--run threshold" in out


@pytest.mark.slow
def test_the_chosen_rung_becomes_a_package(tmp_path: Path, cli: Cli) -> None:
    file, out = table(tmp_path / "rows.csv"), tmp_path / "runs"
    requested = ["ladder", str(file), "--target", "y", *QUICK, "--json", "--run", "chosen", "--out", str(out)]
    record = msgspec.json.decode(cli(*requested), type=LadderRecord)
    assert (record.version, record.chosen) == (LADDER_VERSION, "threshold")
    folder = out / "rows-threshold"
    kept = msgspec.json.decode((folder / "ladder.json").read_bytes(), type=LadderRecord)
    assert kept == record
    answers = Predictor(folder / "rows-threshold.edge").predict([[1.9, 1.0], [1.1, 1.0]])
    assert list(answers.labels) == ["on", "off"]


def test_wrong_input_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    rows = [[f"{n % 10}", "7", "x" if n % 10 < 5 else "y"] for n in range(60)]
    few = str(write_rows(tmp_path / "few.csv", rows[:12], header="a,b,y"))
    one = str(write_rows(tmp_path / "one.csv", [[*r[:2], "x"] for r in rows], header="a,b,y"))
    good = str(write_rows(tmp_path / "good.csv", rows, header="a,b,y"))
    for requested, message in (
        ([few], "at least 30 labelled samples, got 12"),
        ([one], "at least two different values in the target"),
        ([str(tmp_path / "none.csv")], "no such file"),
        ([good, "--step", "4"], "--window with --step"),
        ([str(tmp_path), "--kind", "occupancy"], "expected no --target with data of kind 'occupancy'"),
        ([good, "--by", "row", "--metric", "rmse"], "no metric 'rmse'"),
        ([good, "--by", "row", "--device", "pdp-11"], "no device profile 'pdp-11'"),
        ([good, "--by", "row", "--run", "tre"], "Did you mean 'tree'?"),
        ([good, "--by", "row", "--run", "state_machine"], "it needs the time order of the samples"),
    ):
        assert run(["ladder", *requested, "--target", "y"]) == 2
        captured = capsys.readouterr()
        assert message in captured.err
        assert "Traceback" not in captured.err


def test_what_was_measured_stands_when_it_is_interrupted(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(table(tmp_path / "rows.csv"))
    whole = measurement.Ladder.measure

    def pressed(self: measurement.Ladder, standing: Standing, *others: object) -> object:
        if standing.entrant.name == "rules":
            raise KeyboardInterrupt
        return whole(self, standing, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(measurement.Ladder, "measure", pressed)
    assert run(["ladder", file, "--target", "y", *QUICK]) == 130
    out = capsys.readouterr().out
    assert "The rung 'threshold' is chosen so far" in out
    assert "Interrupted: the results so far are valid" in out
    stopped = {line.split("  ")[0] for line in out.splitlines() if line.endswith(" interrupted")}
    assert {"rule list", "linear", "large network"} <= stopped and not {"majority", "state machine"} & stopped


@pytest.mark.parametrize(("cell", "why"), [("7", "always 7"), ("", "empty"), ("word", "always word")])
def test_a_column_that_never_changes_is_left_out(tmp_path: Path, cli: Cli, cell: str, why: str) -> None:
    rows = [[f"{n % 10}", cell, "x" if n % 10 < 5 else "y"] for n in range(60)]
    file = str(write_rows(tmp_path / "constant.csv", rows, header="a,b,y"))
    printed = cli("ladder", file, "--target", "y", *QUICK)
    assert f"columns: b left out ({why})" in " ".join(printed.split())

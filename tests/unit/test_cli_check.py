"""`edgewright check`: what it says of data, and its exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.pipeline import check
from edgewright.pipeline.check import check_data
from small_pipeline import rows, write_rows

Capture = pytest.CaptureFixture[str]


def people(path: Path) -> Path:
    """Twelve people whose offsets say more about the label than the measurement does."""
    generator = np.random.default_rng(5)
    table = []
    for person in range(12):
        label = "on" if person % 2 else "off"
        offset = generator.normal(size=2) * 5
        for a, b in offset + generator.normal(size=(25, 2)) * 0.1:
            table.append([f"{a:.4f}", f"{b:.4f}", label, f"p{person:02}"])
    return write_rows(path, table, header="a,b,label,person")


@pytest.mark.slow
def test_a_random_split_of_people_flatters_and_the_price_is_measured(tmp_path: Path, cli: Cli) -> None:
    file = people(tmp_path / "people.csv")
    out = cli("check", file, "--target", "label", "--group", "person")
    assert "300 rows, 2 columns" in out
    assert "12 groups" in out
    assert "classes: off 150, on 150" in out
    assert "leakage in a random split of the samples" in out
    assert "inflation by a random split" in out
    assert "split by group, because a random split overstates accuracy on the device" in out


@pytest.mark.slow
def test_json_says_the_same(tmp_path: Path, cli: Cli) -> None:
    file = people(tmp_path / "people.csv")
    report: dict[str, Any] = cli.json("check", file, "--target", "label", "--group", "person")
    assert report["quality"]["groups"] == 12
    assert report["task"] == "classification"
    assert report["inflation"]["random"] > report["inflation"]["kept"] + 0.2
    assert report["inflation"]["difference"]["low"] > 0


@pytest.mark.slow
def test_a_given_split_that_shares_people_is_a_no(tmp_path: Path, capsys: Capture) -> None:
    file = people(tmp_path / "people.csv")
    head, *lines = file.read_text().splitlines()
    mixed = [f"{line},{'test' if number % 5 == 0 else 'train'}" for number, line in enumerate(lines)]
    file.write_text("\n".join([f"{head},side", *mixed]) + "\n")
    arguments = ["check", str(file), "--target", "label", "--group", "person", "--split", "side"]
    assert run(arguments) == 1
    out = capsys.readouterr().out
    assert "leakage in the column 'side'" in out
    assert "  x " in out
    kept = [f"{line},{'test' if 'p11' in line or 'p10' in line else 'train'}" for line in lines]
    file.write_text("\n".join([f"{head},side", *kept]) + "\n")
    assert run(arguments) == 0


def test_missing_values_constants_and_repeated_rows_are_found(tmp_path: Path, capsys: Capture) -> None:
    table = [[a, "" if number % 3 == 0 else b, "7", label] for number, (a, b, label) in enumerate(rows())]
    file = write_rows(tmp_path / "poor.csv", table + table[:30], header="a,b,flat,label")
    run(["check", str(file), "--target", "label"])
    out = capsys.readouterr().out
    assert "  ! b: 50 values are missing (33.3 %)" in out
    assert "  ! flat is 7 in every row" in out
    assert "  ! 30 rows are copies of another row (20.0 %)" in out
    assert "test rows are also in training, identical" in out


def test_without_a_target_leakage_is_not_looked_for(tmp_path: Path, cli: Cli) -> None:
    file = write_rows(tmp_path / "bare.csv", [row[:2] for row in rows()], header="a,b")
    assert "no target is set, so leakage was not checked" in cli("check", file)


@pytest.mark.slow
def test_numbers_as_target_are_a_regression(tmp_path: Path, cli: Cli) -> None:
    table = [[a, b, f"{float(a) + float(b):.4f}", f"p{number // 10}"] for number, (a, b, _) in enumerate(rows())]
    file = write_rows(tmp_path / "numbers.csv", table, header="a,b,y,person")
    assert "R²" in cli("check", file, "--target", "y", "--group", "person")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "labl"], "no column 'labl'. Known: a, b, label. Did you mean 'label'?"),
        (["--target", "label", "--group", "who"], "no column 'who'"),
        (["--target", "label", "--kind", "csvv"], "no kind of data 'csvv'"),
        (["--target", "label", "--window", "500"], "at least 500"),
        (["--target", "label", "--split", "a", "--session", "b"], "either --session or --split"),
    ],
)
def test_wrong_names_are_one_line(tmp_path: Path, arguments: list[str], message: str, capsys: Capture) -> None:
    file = write_rows(tmp_path / "rows.csv")
    assert run(["check", str(file), *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["timestamp", "Time", "date", "time_s"])
def test_a_column_of_times_is_known_by_its_name(tmp_path: Path, capsys: Capture, name: str) -> None:
    hours = np.cumsum(np.where(np.arange(200) % 50 == 49, 4 * 3600, 60))
    start = np.datetime64("2024-05-01T00:00:00")
    cells = [str(h) if name.endswith("_s") else str(start + np.timedelta64(int(h), "s")) for h in hours]
    table = [[cell, f"{i % 7}", f"{i % 11}", "ab"[i % 2]] for i, cell in enumerate(cells)]
    file = write_rows(tmp_path / "rows.csv", table, header=f"{name},a,b,label")
    run(["check", str(file), "--target", "label"])
    out = capsys.readouterr().out
    assert "200 rows, 2 columns" in out
    assert "4 gaps in time, 15 h 56 min in all; the longest is 4 h" in out


def test_a_column_of_that_name_can_be_ignored(tmp_path: Path, cli: Cli, capsys: Capture) -> None:
    table = [[f"day {i}", f"{i % 7}", "ab"[i % 2]] for i in range(40)]
    file = write_rows(tmp_path / "rows.csv", table, header="date,a,label")
    run(["check", str(file), "--target", "label"])
    report = capsys.readouterr().out
    assert "columns: date left out (a different text in every row)" in report
    run(["check", str(file), "--target", "label", "--ignore", "date"])
    assert "rows have no time" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("swapped", [True, False])
def test_a_person_whose_labels_are_swapped_is_named(tmp_path: Path, cli: Cli, swapped: bool) -> None:
    generator = np.random.default_rng(2)
    table = []
    for person in range(6):
        for index in range(60):
            label = ("rest", "walk", "run")[index % 3]
            a, b = {"rest": (0, 0), "walk": (4, 0), "run": (0, 4)}[label] + generator.normal(size=2)
            if swapped and person == 4:
                label = {"walk": "run", "run": "walk"}.get(label, label)
            table.append([f"{a:.4f}", f"{b:.4f}", label, f"p{person}"])
    file = write_rows(tmp_path / "rows.csv", table, header="a,b,label,person")
    findings = cli.json("check", file, "--target", "label", "--group", "person")["labels"]
    assert [("'run'" in f["sentence"], "'walk' of p4" in f["sentence"]) for f in findings] == [(True, True)] * swapped


@pytest.mark.slow
def test_labels_and_people_from_the_names_of_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label, level in (("sit", 0.0), ("run", 3.0)):
        for person in ("anna", "bert", "carl", "dora"):
            rows = [f"{i / 50:.2f},{v:.3f}" for i, v in enumerate(level + rng.normal(size=200))]
            (tmp_path / f"{label}_{person}.csv").write_text("\n".join(["time,ax", *rows]) + "\n", encoding="utf-8")
    data_report = check_data(str(tmp_path), time="time", window=50, pattern="{label}_{person}")
    assert data_report.task == "classification"
    assert data_report.quality.classes == {"run": 800, "sit": 800}
    assert (data_report.quality.groups, data_report.quality.rate, data_report.quality.columns) == (4, 50.0, 1)
    assert any(finding.kind == "same-group" for finding in data_report.leakage)
    rate = next(finding.sentence for finding in data_report.quality.findings if finding.kind == "rate")
    assert "e-" not in rate


def test_leaks_are_looked_for_in_some_of_many_recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "people"
    folder.mkdir()
    for number in range(6):
        rows = "".join(f"{row},{row % 7},{'ab'[row // 20 % 2]},p{number}\n" for row in range(100))
        (folder / f"part-{number}.csv").write_text(f"reading,other,state,person\n{rows}")
    every = check_data(str(folder), target="state", group="person")
    assert every.split == "a random split of the samples"
    assert any("6 of 6 test groups" in finding.sentence for finding in every.leakage)
    monkeypatch.setattr(check, "_MOST_ROWS", 350)
    some = check_data(str(folder), target="state", group="person")
    assert some.split == "a random split of the samples of 3 of 6 recordings, drawn by chance"
    assert some.quality.rows == 600
    assert any("3 of 3 test groups" in finding.sentence for finding in some.leakage)

"""A day in one column and a time of day in another are one clock, wherever rows are read."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cli_runner import Cli
from edgewright.core.clocks.reader import joined, parts_of
from edgewright.core.csv.rows import read_csv
from edgewright.core.errors import UnknownNameError
from edgewright.core.input.samples import to_samples
from edgewright.core.package import read_package
from edgewright.data.load import load_data

START = datetime(2024, 4, 28, 21, 0, tzinfo=UTC)


def _write(path: Path, rows: int = 600, every_s: int = 60, two_columns: bool = True, lost: range = range(0)) -> Path:
    generator = np.random.default_rng(1)
    lines = ["Date,Time,x,y,state" if two_columns else "Stamp,x,y,state"]
    for number in range(rows):
        moment = START + timedelta(seconds=every_s * (number + len(lost) * (number >= lost.start > 0)))
        state = "on" if number // 40 % 2 else "off"
        time = f"{moment:%d/%m/%Y},{moment:%I:%M:%S %p}" if two_columns else f"{moment:%Y-%m-%d %H:%M:%S}"
        lines.append(f"{time},{generator.normal() + 3 * (number // 40 % 2):.2f},{generator.normal():.2f},{state}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_name_stands_for_two_columns_that_are_there() -> None:
    assert parts_of("Date + Time", ["x", "Time", "Date"]) == ("Date", "Time")
    assert parts_of("Date + Time", ["Date + Time", "Time", "Date"]) == ()
    assert parts_of("Date + Time", ["Date"]) == parts_of("Date", ["Date"]) == parts_of("", ["Date"]) == ()


def test_cells_of_both_make_one_text() -> None:
    days = ["2024-05-01", " 2024-05-01 00:00:00", "2024-05-01T00:00:00", "", "2024-05-01"]
    times = ["10:15", "10:15 PM", "10:15:30", "10:15", ""]
    assert joined(days, times).tolist() == ["2024-05-01 10:15", "2024-05-01 10:15 PM", "2024-05-01 10:15:30", "", ""]


def test_rows_of_a_file_have_the_clock_in_place_of_its_halves(tmp_path: Path) -> None:
    path = _write(tmp_path / "rows.csv", 3)
    rows = read_csv(path, name="rows.csv", time_columns=["Date + Time"], only_columns=["x", "Date + Time"])
    assert rows.names == ("x",)
    assert list(rows.text) == ["Date + Time"]
    assert rows.text["Date + Time"][1] == "28/04/2024 09:01:00 PM"
    both = read_csv(path, name="rows.csv", time_columns=["Date + Time"], text_columns=["Date", "state"])
    assert sorted(both.text) == ["Date", "Date + Time", "state"]


def test_csv_parquet_and_a_folder_are_read_alike(tmp_path: Path) -> None:
    path, folder = _write(tmp_path / "rows.csv"), tmp_path / "folder"
    folder.mkdir()
    _write(folder / "a.csv")
    frame = pl.read_csv(path)
    frame.write_parquet(tmp_path / "rows.parquet")
    table = {"time": "Date + Time", "time_unit": "dmy", "target": "state"}
    places = (("csv", path), ("folder", folder), ("parquet", tmp_path / "rows.parquet"))
    read = [load_data({**table, "kind": kind, "path": str(path)}, seed=0) for kind, path in places]
    assert [dataset.rate for dataset in read] == [pytest.approx(1 / 60)] * 3
    assert [[column.name for column in dataset.columns] for dataset in read] == [["x", "y"]] * 3
    frame = frame.with_columns(pl.col("Date").str.to_date("%d/%m/%Y"), pl.col("Time").str.to_time("%I:%M:%S %p"))
    frame.write_parquet(tmp_path / "typed.parquet")
    typed = load_data({**table, "kind": "parquet", "path": str(tmp_path / "typed.parquet")}, seed=0)
    assert typed.rate == pytest.approx(1 / 60)
    with pytest.raises(UnknownNameError, match="Date \\+ Clock"):
        load_data({**table, "time": "Date + Clock", "kind": "csv", "path": str(path)}, seed=0)


@pytest.mark.slow
def test_commands_of_a_package_read_both_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    monkeypatch.chdir(tmp_path)
    data = _write(tmp_path / "rows.csv", 1200)
    cli("init", data, "--yes", "--budget", "1s", "--decision", "8 rows", "--out", "first")
    assert "Time: Date + Time, the day of a row in one column and the time of day in the other" in cli.err
    table = tomllib.loads(Path("first/pipeline.toml").read_text())["data"]
    assert (table["time"], table["time_unit"]) == ("Date + Time", "dmy")
    cli("run", "first/pipeline.toml", "--out", "runs")
    (run,) = Path("runs").iterdir()
    (package,) = run.glob("*.edge")
    whole, gap = _write(tmp_path / "whole.csv", 40), _write(tmp_path / "gap.csv", 40, lost=range(20, 40))
    counted = [len(cli("predict", run, "--csv", file, "--json").splitlines()) for file in (whole, gap)]
    assert counted == [9, 8]
    manifest = read_package(package).manifest
    assert len(to_samples(pl.read_csv(gap), manifest)) == 8
    for model in (run, package):
        assert cli.json("score", model, "--data", whole)["samples"]
    cli("trace", run, "--csv", gap)
    cli("prove", run, "--data", gap, "--rows", "9")
    fast = _write(tmp_path / "fast.csv", 99, every_s=1)
    for words in (("predict", run, "--csv", fast), ("score", package, "--data", fast), ("trace", run, "--csv", fast)):
        assert "expected a row every 60 s, as in training" in cli(*words, code=2)

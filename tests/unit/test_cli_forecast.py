"""`edgewright forecast`: fit and run, what `score` says of one, and the files that it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from cli_runner import Cli
from edgewright.cli.main import run

Capture = pytest.CaptureFixture[str]
START = datetime(2024, 1, 1, tzinfo=UTC)


def write(path: Path, values: Sequence[float | str], *, first: int = 0, skip: tuple[int, ...] = ()) -> Path:
    """Return rows an hour apart, less those that are skipped."""
    lines = ["time,load,note"]
    for row, value in enumerate(values):
        if row not in skip:
            lines.append(f"{(START + timedelta(hours=first + row)).isoformat()},{value},x")
    path.write_text("\n".join(lines) + "\n")
    return path


def load(rows: int, first: int = 0) -> list[float | str]:
    """Return a day's rhythm with noise."""
    t = np.arange(first, first + rows)
    noise = np.random.default_rng(first).normal(size=rows)
    return [round(float(v), 4) for v in 50 + 10 * np.sin(2 * np.pi * t / 24) + noise]


def fitted(folder: Path, capsys: Capture, *options: str) -> dict[str, Any]:
    """Return what `forecast DATA --json` says of 600 rows."""
    data = write(folder / "load.csv", load(600))
    path = folder / "load.forecaster"
    assert run(["forecast", str(data), "--column", "load", "--horizon", "24", "--out", str(path), "--json",
                *options]) == 0  # fmt: skip
    record: dict[str, Any] = msgspec.json.decode(capsys.readouterr().out)
    return record


def refused(cli: Cli, *command: str) -> str:
    """Return what a command that ends with 2 says."""
    text = cli("forecast", *command, code=2)
    assert "Traceback" not in text
    return text


def test_a_file_is_fitted_run_and_scored(tmp_path: Path, cli: Cli, capsys: Capture) -> None:
    record = fitted(tmp_path, capsys)
    assert record["seasons"] == [24, 168], "the times say that rows come every hour"
    assert record["forecast"][0]["time"] == "2024-01-26T00:00:00Z"
    assert {one["name"] for one in record["tried"]} >= {"Theta", "naive (the last value)"}
    file = str(tmp_path / "load.forecaster")
    new = write(tmp_path / "new.csv", load(100, 600), first=600, skip=(10, 11))
    lines = [
        msgspec.json.decode(line)
        for line in cli("forecast", "run", file, "--csv", new, "--horizon", "3", "--every", "50", "--json").splitlines()
    ]
    assert [line["rows"] for line in lines] == [50, 100]
    assert [(line["missing"], line["stale"]) for line in lines] == [(2, 0), (2, 0)], "rows that are not there are told"
    assert "after 100 new rows; 2 had no value and use the forecast" in cli(
        "forecast", "run", file, "--csv", new, "--horizon", "1"
    )
    assert len(lines[-1]["forecast"]) == 3
    score = cli.json("score", file, "--data", new)
    assert score["figures"]["mase"]["value"] < 1.2
    assert score["samples"] == 77
    assert "edgewright score FORECASTER" in cli("forecast", "score", file, "--csv", new, code=2), "where it went"
    assert "low_80" in cli("forecast", "run", file)


def test_rows_that_the_forecaster_knows_are_passed_over(tmp_path: Path, cli: Cli, capsys: Capture) -> None:
    fitted(tmp_path, capsys)
    whole = write(tmp_path / "whole.csv", load(605))
    assert cli.json("forecast", "run", tmp_path / "load.forecaster", "--csv", whole)["rows"] == 5


def test_the_terminal_says_backtest_coverage_and_forecast(tmp_path: Path, cli: Cli) -> None:
    data = write(tmp_path / "load.csv", load(600))
    text = cli("forecast", data, "--column", "load", "--horizon", "12")
    assert "season of the calendar: 24 and 168 rows (every 3600 s)" in text
    assert "80 % interval covered" in text
    assert "rows from the last one" in text


def test_gaps_are_filled_and_said(tmp_path: Path, cli: Cli) -> None:
    values = load(600)
    values[100], values[200:210] = "", [""] * 10
    data = write(tmp_path / "gaps.csv", values, skip=(300, 301, 302))
    record = cli.json("forecast", data, "--column", "load", "--horizon", "24")
    assert record["missing"] == 14
    assert any("3 rows are absent" in note for note in record["notes"])
    assert any("14 rows without a value were filled" in note for note in record["notes"])


def test_of_a_series_with_a_long_hole_the_rows_after_it_are_used(tmp_path: Path, cli: Cli) -> None:
    values = load(700)
    values[100:450] = [""] * 350
    data = write(tmp_path / "hole.csv", values)
    record = cli.json("forecast", data, "--column", "load", "--horizon", "24")
    assert record["rows"] == 250
    assert any("after a gap of 350 rows" in note for note in record["notes"])


def test_uneven_times_are_averaged_only_when_asked(tmp_path: Path, cli: Cli) -> None:
    rng = np.random.default_rng(0)
    seconds = np.cumsum(rng.uniform(10, 200, 900))
    data = tmp_path / "uneven.csv"
    data.write_text("time,v\n" + "".join(f"{s:.1f},{np.sin(s / 3000):.4f}\n" for s in seconds))
    assert "--resample" in refused(cli, str(data), "--horizon", "10")
    record = cli.json("forecast", data, "--horizon", "10", "--resample", "300")
    assert any("steps of 300 s (--resample)" in note for note in record["notes"])


def test_what_a_file_may_be_wrong_in_is_said(tmp_path: Path, cli: Cli) -> None:
    data = str(write(tmp_path / "load.csv", load(60)))
    assert "--column" in refused(cli, data, "--horizon", "4")
    assert "no column 'lod'" in refused(cli, data, "--column", "lod", "--horizon", "4")
    assert "--horizon 20" in refused(cli, data, "--column", "load", "--horizon", "48")
    assert "24,168" in refused(cli, data, "--column", "load", "--horizon", "4", "--season", "a day")
    assert "a number" in refused(cli, data, "--column", "note", "--horizon", "4")
    assert "no such file" in refused(cli, str(tmp_path / "none.csv"), "--horizon", "4")
    short = str(write(tmp_path / "short.csv", load(12)))
    assert "--horizon 4" in refused(cli, short, "--column", "load", "--horizon", "48")
    empty = str(write(tmp_path / "empty.csv", [""] * 60))
    assert "numbers" in refused(cli, empty, "--column", "load", "--horizon", "4")
    huge = str(write(tmp_path / "huge.csv", [*load(60), "-1e300"]))
    assert "row 61" in refused(cli, huge, "--column", "load", "--horizon", "4")
    odd = tmp_path / "odd.csv"
    odd.write_text("date,v\n" + "".join(f"the {d}th,{d}\n" for d in range(1, 29)))
    assert "date" in refused(cli, str(odd), "--horizon", "3")
    back = tmp_path / "back.csv"
    back.write_text("time,v\n" + "".join(f"{100 - k},{k}\n" for k in range(50)))
    assert "a step back" in refused(cli, str(back), "--horizon", "3")


def test_parquet_gives_the_same_forecaster_as_csv(tmp_path: Path, cli: Cli, capsys: Capture) -> None:
    record = fitted(tmp_path, capsys)
    frame = pl.read_csv(tmp_path / "load.csv", try_parse_dates=True)
    frame.write_parquet(tmp_path / "load.parquet")
    other = cli.json("forecast", tmp_path / "load.parquet", "--column", "load", "--horizon", "24")
    assert other["forecast"] == record["forecast"]


def test_another_forecasters_recursion_is_used_without_fitting(tmp_path: Path, cli: Cli, capsys: Capture) -> None:
    fitted(tmp_path, capsys)
    values = [round(float(v) * 7, 3) for v in load(400, 50)]
    data = str(write(tmp_path / "other.csv", values))
    pooled = str(tmp_path / "load.forecaster")
    record = cli.json("forecast", data, "--column", "load", "--horizon", "24", "--pooled", pooled)
    assert record["name"].endswith("not fitted here")
    assert record["tried"][0]["mase"] < 2

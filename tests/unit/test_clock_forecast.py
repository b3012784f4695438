"""A forecaster reads the clock of its rows as every other command does, and those that come by the same unit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgewright.cli.main import run
from edgewright.core.errors import TimeFormatError
from edgewright.language.forecasting.series import read_series

ROWS, STEP_S = 400, 10


def written(path: Path, header: str, cell: str, first: int = 0, below: str = "") -> Path:
    t = np.arange(first, first + ROWS)
    values = 20 + 5 * np.sin(2 * np.pi * t / 24) + np.random.default_rng(first).normal(size=ROWS)
    rows = [f"{cell.format(1000 * STEP_S * row)},{value:.3f}\n" for row, value in zip(t, values, strict=True)]
    path.write_text(f"{header},temperature\n{below}" + "".join(rows))
    return path


@pytest.mark.parametrize(
    ("header", "cell", "below"),
    [("time", "{}", "ms,°C\n"), ("time", "{} ms", ""), ("time [ms]", "{}", ""), ("time", "{}", ""), ("t", "{}", "")],
)
def test_a_series_has_the_unit_of_its_clock(header: str, cell: str, below: str, tmp_path: Path) -> None:
    series = read_series(str(written(tmp_path / "rows.csv", header, cell, below=below)))
    assert (series.time, series.step) == (header, STEP_S)


def test_rows_that_come_count_in_the_unit_of_the_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = written(tmp_path / "rows.csv", "time", "{}", below="ms,°C\n")
    fit = ["forecast", "fit", str(before), "--horizon", "5", "--out", str(tmp_path / "f.forecaster")]
    assert run(fit) == 0
    after = written(tmp_path / "more.csv", "time", "{}", first=ROWS)  # which does not say its unit
    capsys.readouterr()
    assert run(["forecast", "run", str(tmp_path / "f.forecaster"), "--csv", str(after), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_a_clock_of_two_meanings_is_asked_about(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", "t", "{}")
    path.write_text(path.read_text().replace("temperature", "b").replace("000,", ","))
    with pytest.raises(TimeFormatError):
        read_series(str(path))
    assert read_series(str(path), time_unit="ms").step == pytest.approx(STEP_S / 1000)
    path.write_text(
        "Date,Time,b\n" + "".join(f"2024-05-01,{row // 60:02d}:{row % 60:02d},{row % 7}\n" for row in range(300))
    )
    series = read_series(str(path))
    assert (series.time, series.column, series.step) == ("Date + Time", "b", 60.0)

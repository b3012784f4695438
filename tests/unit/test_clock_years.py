"""Months and years are times: 1949-01, 01/1949, 1821 and 1949.083."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from edgewright.core.clocks.reader import ClockReader, is_time_text, seconds_of
from edgewright.core.clocks.units import SCALE, unit_of_numbers
from edgewright.core.formatting import is_date
from edgewright.data.clock import choose_unit, find_time_column
from edgewright.data.load import load_data
from edgewright.data.table_proposal import propose_table

YEARS = [str(year) for year in range(1821, 1935)]
VALUES = [str(i * 37 % 100) for i in range(len(YEARS))]


@pytest.mark.parametrize(("cell", "year", "month"), [("1949-01", 1949, 1), ("1949/2", 1949, 2), ("12/2024", 2024, 12)])
def test_a_month_is_its_first_day(cell: str, year: int, month: int) -> None:
    assert is_time_text(cell)
    assert seconds_of(cell) == datetime(year, month, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("cell", ["1949-13", "1949-00", "13/2024", "49-01", "1949"])
def test_other_numbers_with_a_dash_are_no_month(cell: str) -> None:
    assert not is_time_text(cell)


def test_a_cell_of_a_month_is_a_date_of_our_time() -> None:
    assert is_date("1949-01")
    assert not is_date("1234-12")
    assert not is_date("1949-01x")


@pytest.mark.parametrize("name", ["Year", "year", "Jahr", "YEAR"])
def test_years_by_their_name_are_the_time(name: str) -> None:
    assert find_time_column({"value": VALUES, name: YEARS}) == name
    assert choose_unit(np.array(YEARS, float), name, ["value"]).units == ("y",)
    ticks = ClockReader(name).seconds(YEARS)
    assert np.allclose(np.diff(ticks), SCALE["y"])


@pytest.mark.parametrize(
    "cells",
    [
        ["1998", "1998", "1999", "1999"],  # several rows a year
        ["2003", "1999", "2010", "1990"],  # years of birth
        ["3", "4", "5", "6"],  # years of age
    ],
)
def test_years_that_do_not_rise_are_no_time(cells: list[str]) -> None:
    assert find_time_column({"year": cells * 10}) == ""


def test_parts_of_a_year_are_years_under_a_usual_name_of_times() -> None:
    months = np.round(1949 + np.arange(144) / 12, 3)
    assert unit_of_numbers(months, "time") == "y"
    assert unit_of_numbers(np.arange(1821.0, 1935.0), "date") == "y"
    assert unit_of_numbers(np.arange(0.0, 12.0, 1 / 12), "time") == "s"
    assert unit_of_numbers(np.arange(1821.0, 1935.0), "time") == "s"


def test_whole_years_under_a_name_of_times_may_be_seconds() -> None:
    assert choose_unit(np.arange(1821.0, 1935.0), "time", ["value"]).units == ("s", "y")
    assert choose_unit(np.arange(0.0, 100.0), "time", ["value"]).units == ("s",)


@pytest.mark.parametrize(
    ("name", "cells"), [("Year", YEARS), ("Month", [f"{1900 + i // 12}-{i % 12 + 1:02}" for i in range(114)])]
)
def test_files_of_years_and_months_have_a_rate(name: str, cells: list[str], tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text(f"{name},value\n" + "\n".join(map(",".join, zip(cells, VALUES, strict=True))) + "\n")
    proposed = propose_table(str(path), {})
    assert proposed.roles.time == name
    data = load_data(proposed.table, seed=0)
    step = SCALE["y"] / (12 if name == "Month" else 1)
    assert data.rate is not None
    assert 1 / data.rate == pytest.approx(step, rel=0.02)
    assert [column.name for column in data.columns] == ["value"]

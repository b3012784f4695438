"""The unit of times in numbers, by name, magnitude, step and what is measured; times of a day, local dates, wraps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.clocks.units import unit_in_name
from edgewright.core.errors import TimeFormatError
from edgewright.data.clock import UnitChoice, choose_unit, read_clock
from edgewright.data.load import load_data
from edgewright.data.table_file import write_table_file
from edgewright.data.table_proposal import propose_table
from edgewright.data.tabular import SAMPLES
from edgewright.workflows.own_data.proposal import OwnDataRequest, look

Values = NDArray[np.float64]
Names = tuple[str, ...]
MOTION, ROOM, UNKNOWN = ("acc_x", "acc_y", "acc_z"), ("temperature", "humidity"), ("a", "b")


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("t_ms", "ms"), ("millis", "ms"), ("time [us]", "us"), ("micros", "us"), ("elapsed_seconds", "s"),
        ("t (ns)", "ns"), ("tick_ms", "ms"), ("t [µs]", "us"), ("time", ""), ("status", ""), ("ms", "ms"),
        ("Time [min]", "min"), ("time_hours", "h"), ("Zeit (h)", "h"), ("min", ""), ("h", ""), ("speed", ""),
    ],
)  # fmt: skip
def test_names_say_units(name: str, unit: str) -> None:
    assert unit_in_name(name) == unit


@pytest.mark.parametrize(
    ("step", "others", "units"),
    [
        (10, MOTION, ("ms",)),
        (50, MOTION, ("ms",)),
        (50, ("ecg",), ("ms", "us")),
        (20_000, MOTION, ("us",)),
        (1e7, MOTION, ("ns",)),
        (0.02, MOTION, ("s",)),
        (1, MOTION, ("s", "ms")),
        (1, (*MOTION, *ROOM), ("s",)),
        (60, (*MOTION, *ROOM), ("s",)),
        (10, ROOM, ("s",)),
        (300, ROOM, ("s",)),
        (1, UNKNOWN, ("s",)),
        (60, UNKNOWN, ("s",)),
        (3600, UNKNOWN, ("s",)),
        (10, UNKNOWN, ("s", "ms")),
        (17, UNKNOWN, ("s", "ms")),
        (6_000, ROOM, ("ms",)),
        (60_000, ROOM, ("ms",)),
        (36_000, ROOM, ("ms",)),
        (66_000, ROOM, ("s", "ms")),
        (3_600, ROOM, ("s",)),
        (14_400, ROOM, ("s",)),
    ],
)
def test_a_step_means_what_the_sensors_allow(step: float, others: tuple[str, ...], units: tuple[str, ...]) -> None:
    assert choose_unit(np.arange(50, dtype=np.float64) * step, "t", others).units == units


@pytest.mark.parametrize(
    ("name", "numbers", "others", "units"),
    [
        ("time", 36_000 + np.arange(300) / 60, MOTION, ("s",)),
        ("time", 36_000 + np.arange(300) / 60, UNKNOWN, ("s",)),
        ("time", np.round(36_000 + np.arange(300) / 120, 3), MOTION, ("s",)),
        ("time", 36_000 + np.arange(300) / 120, UNKNOWN, ("d", "s")),
        ("time", np.round(45_413.5 + np.arange(300) / 1440, 6), ROOM, ("d",)),
        ("time", np.round(45_413.5 + np.arange(300) / 1440, 9), UNKNOWN, ("d",)),
        ("time", 45_413 + np.arange(300) / 4, ROOM, ("d", "s")),
        ("time", 40_000 + np.arange(300) / 8, MOTION, ("d", "s")),
        ("time", np.arange(300) * 105.3, UNKNOWN, ("s",)),
        ("time", np.arange(300) * 105.3, MOTION, ("ms",)),
        ("Date", 45_413.0 + np.arange(30), ROOM, ("d",)),
        ("Date", np.round(45_413.5 + np.arange(300) / 1440, 6), UNKNOWN, ("d",)),
    ],
)
def test_seconds_of_a_day_are_no_days(name: str, numbers: Values, others: Names, units: Names) -> None:
    assert choose_unit(np.asarray(numbers), name, others).units == units


def test_a_unit_below_or_beside_the_name_is_the_one() -> None:
    assert choose_unit(np.arange(50.0) * 10, "time", ROOM, "ms").units == ("ms",)
    assert choose_unit(np.arange(50.0) * 10, "time_ms", ROOM, "s").units == ("s", "ms")


TABLES = {
    "line of units": ("time,temperature", "ms,°C", "{}"),
    "line below a name with a unit": ("time_ms,temperature", "ms,°C", "{}"),
    "cells": ("time,temperature", None, "{} ms"),
    "name": ("time [ms],temperature", None, "{}"),
}


def written(folder: Path, header: str, below: str | None, cell: str, step: float = 10_000) -> Path:
    rows = [f"{cell.format(step * row)},{20 + np.sin(row / 9):.3f}" for row in range(200)]
    path = folder / "rows.csv"
    path.write_text("\n".join([header, *([below] if below else []), *rows, ""]))
    return path


@pytest.mark.parametrize("kind", TABLES)
def test_the_file_states_the_unit_of_its_clock(kind: str, tmp_path: Path) -> None:
    header, below, cell = TABLES[kind]
    proposed = propose_table(str(written(tmp_path, header, below, cell)), {})
    time = header.partition(",")[0]
    assert proposed.roles.time == time
    assert load_data(proposed.table, seed=0).rate == pytest.approx(0.1)
    # A table that a person writes without a unit is read the same way.
    by_hand = {"kind": "csv", "path": proposed.table["path"], "time": time}
    assert load_data(by_hand, seed=0).rate == pytest.approx(0.1)


@pytest.mark.parametrize(("name", "seconds_a_unit"), [("Time [min]", 60), ("time_h", 3600), ("Zeit (h)", 3600)])
def test_minutes_and_hours_are_a_clock(name: str, seconds_a_unit: int, tmp_path: Path) -> None:
    path = written(tmp_path, f"{name},temperature", None, "{}", 0.5)
    proposed = propose_table(str(path), {})
    assert proposed.roles.time == name
    data = load_data(proposed.table, seed=0)
    assert [column.name for column in data.columns] == ["temperature"]
    assert data.rate == pytest.approx(2 / seconds_a_unit)


def test_a_smallest_time_is_no_clock(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("time_min,time_max\n" + "".join(f"{row % 7},{row % 7 + row % 5}\n" for row in range(60)))
    assert propose_table(str(path), {}).roles.time == ""


def test_a_unit_that_the_file_states_otherwise_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "time,temperature", "ms,°C", "{}")
    with pytest.raises(TimeFormatError, match="milliseconds by its line of units"):
        load_data({"kind": "csv", "path": str(path), "time": "time", "time_unit": "s"}, seed=0)


def seconds(*cells: str, column: str = "t") -> list[float]:
    clock = read_clock(np.array(cells), column=column, unit="auto", row_name=lambda row: f"row {row + 1}")
    return [round(float(second), 6) for second in clock.seconds]


def test_times_of_a_day_go_on_after_midnight() -> None:
    assert seconds("23:59:59.5", "00:00:00.0", "00:00:00.5") == [0.0, 0.5, 1.0]
    assert seconds("7:05", "07:06") == [0.0, 60.0]
    with pytest.raises(TimeFormatError, match="row 2"):
        seconds("07:05:00", "25:00:00")


def test_local_dates_have_the_day_first() -> None:
    assert seconds("31.12.2023 23:59:50", "01.01.2024 00:00:00", "1.1.24 00:00:10") == [0.0, 10.0, 20.0]
    with pytest.raises(TimeFormatError, match="row 1"):
        seconds("12.31.2023 00:00:00", "31.12.2023 00:00:00")


def test_days_of_a_spreadsheet_are_days() -> None:
    assert seconds("45413.5", "45413.5006944444", "45413.5013888889", column="Date") == [0.0, 59.999996, 120.000001]


def test_a_counter_that_wraps_goes_on_and_one_that_begins_again_does_not() -> None:
    assert seconds("65500", "65520", "4", "24", column="t_ms") == [0.0, 0.02, 0.04, 0.06]
    assert seconds("0", "20", "40", "0", "20", column="t_ms") == [0.0, 0.02, 0.04, 0.0, 0.02]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "rate"), [("motion", 1.0), ("machine", 1 / 60), ("room", 1 / 600)])
def test_samples_keep_the_rate_that_they_are_made_with(name: str, rate: float, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.csv"
    write_table_file(load_data(SAMPLES[name], seed=0), path)
    assert look(OwnDataRequest(path=str(path))).dataset.rate == pytest.approx(rate)


SPLIT = "Date,Time,temperature\n" + "".join(
    f"{1 + row // 144:02d}.05.2024,{row // 6 % 24:02d}:{row % 6 * 10:02d},{20 + np.sin(row / 9):.3f}\n"
    for row in range(400)
)


@pytest.mark.parametrize(("day", "time"), [("Date", "Time"), ("Datum", "Time"), ("day", "clock")])
def test_a_day_and_a_time_in_two_columns_are_one_clock(day: str, time: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(SPLIT.replace("Date", day).replace("Time", time))
    proposed = propose_table(str(path), {})
    assert proposed.table["time"] == f"{day} + {time}"
    assert "ignore" not in proposed.table
    assert load_data(proposed.table, seed=0).rate == pytest.approx(1 / 600)


def test_one_of_a_day_and_a_time_is_the_clock_where_a_person_says_so(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(SPLIT)
    for named, time in (({"time": "Time"}, "Time"), ({"time": "Date + Time"}, "Date + Time"), ({"time": "none"}, "")):
        proposed = propose_table(str(path), named)
        assert proposed.roles.time == time
        assert proposed.table.get("ignore", []) == ([] if "+" in time else [n for n in ("Date", "Time") if n != time])
        assert len(load_data(proposed.table, seed=0).columns) == 1
    assert propose_table(str(path), {"ignore": ("Date",)}).roles.time == "Time"


def test_a_day_beside_a_counter_is_not_the_clock(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("Date,Time,temperature\n" + "".join(f"2024-05-01,{row * 2},{row % 9}\n" for row in range(200)))
    assert propose_table(str(path), {}).roles.time == "Time"


@pytest.mark.parametrize(("name", "gone"), [("time", ""), ("time", "soon"), ("t", "")])
def test_a_row_without_a_time_is_an_error(name: str, gone: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    rows = [f"{gone if row == 40 else 2 * row},{row % 9},{row % 7}\n" for row in range(200)]
    path.write_text(f"{name},temperature,humidity\n" + "".join(rows))
    with pytest.raises(TimeFormatError, match=r"rows.csv line 42, column t.*remove the row"):
        load_data(propose_table(str(path), {}).table, seed=0)


@pytest.mark.parametrize(
    ("step", "unit", "pace"),
    [
        (10.0, "ms", "milliseconds (ms), 100 Hz"),
        (10.0, "s", "seconds (s), a row every 10 s"),
        (1.0, "s", "seconds (s), a row every 1 s"),
        (800.0, "ms", "milliseconds (ms), 1.25 Hz"),
    ],
)
def test_a_unit_says_how_often_rows_come(step: float, unit: str, pace: str) -> None:
    assert UnitChoice(unit, step=step).pace(unit) == pace

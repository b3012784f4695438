"""The unit of times in numbers, by name, magnitude, step and what is measured; times of a day, local dates, wraps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewright.data.clock import read_clock
from edgewright.data.clock_units import choose_unit, unit_in_name
from edgewright.data.load import load_data
from edgewright.data.small_tables import SAMPLES
from edgewright.data.table_file import write_table_file
from edgewright.schema.errors import InputError
from edgewright.workflows.own_data.proposal import OwnDataRequest, look

MOTION, ROOM, UNKNOWN = ("acc_x", "acc_y", "acc_z"), ("temperature", "humidity"), ("a", "b")


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("t_ms", "ms"), ("millis", "ms"), ("time [us]", "us"), ("micros", "us"), ("elapsed_seconds", "s"),
        ("t (ns)", "ns"), ("tick_ms", "ms"), ("t [µs]", "us"), ("time", ""), ("status", ""), ("ms", "ms"),
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
    ],
)
def test_a_step_means_what_the_sensors_allow(step: float, others: tuple[str, ...], units: tuple[str, ...]) -> None:
    assert choose_unit(np.arange(50, dtype=np.float64) * step, "t", others).units == units


def seconds(*cells: str, column: str = "t") -> list[float]:
    clock = read_clock(np.array(cells), column=column, unit="auto", place=lambda row: f"row {row + 1}")
    return [round(float(second), 6) for second in clock.seconds]


def test_times_of_a_day_go_on_after_midnight() -> None:
    assert seconds("23:59:59.5", "00:00:00.0", "00:00:00.5") == [0.0, 0.5, 1.0]
    assert seconds("7:05", "07:06") == [0.0, 60.0]
    with pytest.raises(InputError, match="row 2"):
        seconds("07:05:00", "25:00:00")


def test_local_dates_have_the_day_first() -> None:
    assert seconds("31.12.2023 23:59:50", "01.01.2024 00:00:00", "1.1.24 00:00:10") == [0.0, 10.0, 20.0]
    with pytest.raises(InputError, match="row 1"):
        seconds("12.31.2023 00:00:00", "31.12.2023 00:00:00")


def test_days_of_a_spreadsheet_are_days() -> None:
    assert seconds("45413.5", "45413.5006944444", "45413.5013888889", column="Date") == [0.0, 59.999996, 120.000001]


def test_a_counter_that_wraps_goes_on_and_one_that_begins_again_does_not() -> None:
    assert seconds("65500", "65520", "4", "24", column="t_ms") == [0.0, 0.02, 0.04, 0.06]
    assert seconds("0", "20", "40", "0", "20", column="t_ms") == [0.0, 0.02, 0.04, 0.0, 0.02]


@pytest.mark.parametrize(("name", "rate"), [("motion", 1.0), ("machine", 1 / 60), ("room", 1 / 600)])
def test_samples_keep_the_rate_that_they_are_made_with(name: str, rate: float, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.csv"
    write_table_file(load_data(SAMPLES[name], seed=0), path)
    assert look(OwnDataRequest(path=str(path))).dataset.rate == pytest.approx(rate)

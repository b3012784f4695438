"""Dates with slashes, AM and PM: the order of day and month is seen, stated or asked for, and kept by a package."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from cli_runner import Cli
from edgewright.core.clocks.reader import (
    ClockReader,
    day_order,
    is_day,
    is_time_of_day,
    is_time_text,
    needs_order,
    seconds_of,
)
from edgewright.core.errors import TimeFormatError
from edgewright.core.package import read_package
from edgewright.core.records.config import ModelConfig, PipelineConfig
from edgewright.data.clock import split_clock
from edgewright.data.load import load_data
from edgewright.data.table_proposal import propose_table
from edgewright.pipeline.package.packaging import recording_columns
from edgewright.pipeline.plan import data_plan

START = datetime(2024, 4, 3, 10, 15, tzinfo=UTC)
DAYS = [START + timedelta(days=day) for day in range(20)]


@pytest.mark.parametrize(
    ("cell", "order", "moment"),
    [
        ("03/04/2024 10:15", "dmy", START),
        ("04/03/2024 10:15", "mdy", START),
        ("3/4/24 10:15:00", "dmy", START),
        ("4/3/2024, 10:15 AM", "mdy", START),
        ("4/3/2024 10:15:00 am", "mdy", START),
        ("03-04-2024 10:15", "dmy", START),
        ("2024/04/03 10:15", "", START),
        ("2024/4/3 10:15 AM", "", START),
        ("2024-04-03 10:15:00 a.m.", "", START),
        ("2024-4-3 10:15", "", START),
        ("3.4.2024 10:15", "", START),
        ("3.4.2024 10:15", "mdy", START),
        ("04/03/2024 10:15 PM", "mdy", START + timedelta(hours=12)),
        ("04/03/2024", "mdy", START.replace(hour=0, minute=0)),
    ],
)
def test_a_date_is_the_moment_that_it_says(cell: str, order: str, moment: datetime) -> None:
    assert is_time_text(cell)
    assert seconds_of(cell, order) == moment.timestamp()


@pytest.mark.parametrize(
    ("cell", "hours"),
    [("12:00 AM", 0), ("12:00 PM", 12), ("1:30 pm", 13.5), ("11:59:60 p.m.", 24), ("12:30:00 AM", 0.5), ("09:00AM", 9)],
)
def test_halves_of_a_day(cell: str, hours: float) -> None:
    assert is_time_of_day(cell)
    assert seconds_of(cell) == 3600 * hours


@pytest.mark.parametrize(
    ("cell", "order"),
    [("03/04/2024", "auto"), *((cell, "dmy") for cell in (
        "13/13/2024", "0/4/2024", "13:00 PM", "0:15 AM", "1/2", "1/2/3/4", "10/4/2", "03/04-2024", "99/99/9999",
        "1/2/2024 3.4.2024", "2024/1/2 3.4.2024", "1.2.2024 2024-01-01",
    ))],
)  # fmt: skip
def test_what_is_no_time_is_none(cell: str, order: str) -> None:
    assert np.isnan(ClockReader("t", order).seconds([cell])).all()


def test_days_without_a_time() -> None:
    days = ("03/04/2024", "3.4.24", "2024/4/3", "2024-04-03", "04/03/2024 12:00:00 AM", "2024-04-03T00:00:00")
    assert all(map(is_day, days))
    assert not any(map(is_day, ("03/04/2024 10:15", "2024-04-03 00:01", "10:15", "")))


@pytest.mark.parametrize(
    ("second", "parts"),
    [("Time", ("date", "Time")), ("uhrzeit", ("date", "uhrzeit")), ("hour", ("date", "hour")), ("bedtime", ())],
)
def test_a_second_column_of_the_clock_is_called_a_time(second: str, parts: tuple[str, ...]) -> None:
    columns = {"date": [f"{day}/12/2024" for day in range(10, 20)], second: [f"22:{day}" for day in range(10, 20)]}
    assert split_clock(columns) == parts
    assert split_clock({"wake": columns[second], **columns}) == parts


def test_numbers_above_twelve_tell_the_order() -> None:
    assert day_order(f"{d:%d/%m/%Y}" for d in DAYS) == "dmy"
    assert day_order(f"{d:%m/%d/%Y}" for d in DAYS) == "mdy"
    assert day_order(f"{d:%d/%m/%Y}" for d in DAYS[:9]) == ""
    assert day_order(["13/01/2024", "01/13/2024"]) == ""
    assert day_order(["13.01.2024", "2024/13/01", "x", ""]) == ""
    assert [needs_order(cell) for cell in ("3/4/2024", "3-4-2024", "3.4.2024", "2024/3/4")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("block", [1, 3, 100])
@pytest.mark.parametrize("form", ["%d/%m/%Y %I:%M %p", "%m/%d/%Y %H:%M", "%m-%d-%Y %H:%M"])
def test_blocks_of_any_size_read_alike_once_the_order_is_stated(form: str, block: int) -> None:
    cells = [day.strftime(form) for day in DAYS]
    reader = ClockReader("t", "dmy" if form.startswith("%d") else "mdy")
    times = [time for at in range(0, len(cells), block) for time in reader.seconds(cells[at : at + block]).tolist()]
    assert times == [day.timestamp() for day in DAYS]
    assert ClockReader("t").seconds(cells).tolist() == times


def test_an_order_says_nothing_of_numbers_and_other_texts() -> None:
    assert ClockReader("t_ms", "dmy").seconds(["1000", "2000"]).tolist() == [1.0, 2.0]
    assert ClockReader("t", "mdy").seconds(["2024-04-03", "03.04.2024"]).tolist() == [1712102400.0] * 2
    assert ClockReader("t", "dmy").state() == []


def _table(path: Path, write: Callable[[datetime], str], days: list[datetime], name: str = "Date") -> Path:
    generator = np.random.default_rng(1)
    rows = [f"{name},temperature,humidity,state"]
    for number, day in enumerate(days):
        state = "open" if number // 40 % 2 else "closed"
        mean = 20 + 3 * (number // 40 % 2)
        rows.append(f"{write(day)},{mean + generator.normal():.2f},{40 + generator.normal():.2f},{state}")
    path.write_text("\n".join(rows) + "\n")
    return path


def _hours(count: int, start: datetime = START) -> list[datetime]:
    return [start + timedelta(hours=hour) for hour in range(count)]


def test_dates_that_nothing_tells_are_a_question(tmp_path: Path, cli: Cli) -> None:
    path = _table(tmp_path / "rows.csv", lambda day: f"{day:%d/%m/%Y %H:%M}", _hours(200))
    for command in (
        ("init", path, "--yes", "--out", tmp_path / "p"),
        ("check", path, "--target", "state"),
        ("run", path),
    ):
        error = cli(*command, code=2)
        assert "expected dates whose order of day and month is clear, got '03/04/2024 10:15'" in error
        assert "say --time-unit dmy (the day first) or mdy (time_unit in [data])" in error
    cli("check", path, "--target", "state", "--time-unit", "dmy")
    assert propose_table(str(path), {"time_unit": "mdy"}).table["time_unit"] == "mdy"
    with pytest.raises(TimeFormatError, match=r"order of day and month is clear.*rows\.csv line 2, column Date"):
        load_data({"kind": "csv", "path": str(path), "time": "Date", "target": "state"}, seed=0)
    dataset = load_data(
        {"kind": "csv", "path": str(path), "time": "Date", "time_unit": "dmy", "target": "state"}, seed=0
    )
    assert dataset.rate == pytest.approx(1 / 3600)


def test_dates_in_another_order_than_time_unit_say_which(tmp_path: Path) -> None:
    path = _table(
        tmp_path / "rows.csv", lambda day: f"{day:%d/%m/%Y}", [START + timedelta(days=14 + n) for n in range(5)]
    )
    table: dict[str, object] = {"kind": "csv", "path": str(path), "time": "Date", "time_unit": "mdy", "target": "state"}
    with pytest.raises(TimeFormatError) as error:
        load_data(table, seed=0)
    assert "Here it is dmy, the day first" in error.value.do


def test_a_later_row_tells_the_order_of_the_whole_column(tmp_path: Path) -> None:
    days = [START + timedelta(minutes=5 * step) for step in range(4000)]
    path = _table(tmp_path / "rows.csv", lambda day: f"{day:%d/%m/%Y %H:%M}", days)
    proposed = propose_table(str(path), {"target": "state"})
    assert (proposed.table["time"], proposed.table["time_unit"]) == ("Date", "dmy")
    assert "the day first" in proposed.roles.why["time"]
    assert load_data(proposed.table, seed=0).rate == pytest.approx(1 / 300)


def test_a_package_keeps_the_order_that_its_training_found(tmp_path: Path) -> None:
    _table(tmp_path / "a.csv", lambda day: f"{day:%m/%d/%Y %H:%M}", _hours(600))
    table: dict[str, object] = {"kind": "csv", "path": str(tmp_path), "time": "Date", "target": "state"}
    config = PipelineConfig(name="p", data=table, model=ModelConfig())
    recordings = load_data(table, seed=0).recordings
    assert recording_columns(data_plan(config), None, recordings).time_unit == "mdy"
    _table(tmp_path / "b.csv", lambda day: day.isoformat(), _hours(600))
    assert recording_columns(data_plan(config), None, load_data(table, seed=0).recordings).time_unit == "mdy"
    _table(tmp_path / "c.csv", lambda day: f"{day:%d/%m/%Y %H:%M}", _hours(600))
    assert recording_columns(data_plan(config), None, load_data(table, seed=0).recordings).time_unit == "auto"
    (tmp_path / "a.csv").unlink()
    (tmp_path / "c.csv").unlink()
    assert recording_columns(data_plan(config), None, load_data(table, seed=0).recordings).time_unit == "auto"


@pytest.mark.slow
def test_a_package_reads_days_that_its_own_training_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    monkeypatch.chdir(tmp_path)
    data = _table(tmp_path / "rows.csv", lambda day: f"{day:%m/%d/%Y %I:%M %p}", _hours(1200))
    cli("init", data, "--yes", "--budget", "1s", "--decision", "8 rows", "--out", "first")
    assert tomllib.loads(Path("first/pipeline.toml").read_text())["data"]["time_unit"] == "mdy"
    cli("run", "first/pipeline.toml", "--out", "runs")
    (run,) = Path("runs").iterdir()
    (package,) = run.glob("*.edge")
    recordings = read_package(package).manifest.recordings
    assert getattr(recordings, "time_unit", "") == "mdy"
    # No number tells, and read with the day first its times would jump.
    whole = _hours(40, datetime(2024, 2, 1, 0, 0, tzinfo=UTC))
    new = _table(tmp_path / "new.csv", lambda day: f"{day:%m/%d/%Y %I:%M %p}", whole)
    answers = len(cli("predict", run, "--csv", new, "--json").splitlines())
    iso = _table(tmp_path / "iso.csv", lambda day: day.isoformat(), whole)
    assert answers == len(cli("predict", run, "--csv", iso, "--json").splitlines())
    cli("score", run, "--data", new)
    fast = _table(
        tmp_path / "fast.csv", lambda day: f"{day:%m/%d/%Y %I:%M %p}", [START + timedelta(minutes=n) for n in range(99)]
    )
    assert "got a row every 60 s by 'Date'" in cli("predict", run, "--csv", fast, code=2)
    cli("device", "run", run, "--source", f"replay:{data}?time=Date", "--store", "store")
    assert "gap" not in cli.out

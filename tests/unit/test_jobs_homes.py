"""Simulated homes follow their equations, and the step `climate` its table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cli_runner import Cli
from edgewright.core.state_machine.validation import read_table
from edgewright.jobs.catalogue import examples, job_folder
from edgewright.jobs.simulation.homes import DARK, LAMP_WATTS, MINUTES, Climate, Homes, Sensors, by_hand, draw_homes
from edgewright.jobs.steps import climate as climate_step
from edgewright.jobs.steps.climate import (
    ARMS,
    Config,
    Lived,
    _chosen,
    _clock,
    _Controller,
    _presence,
    _record,
    _timeline,
)
from edgewright.jobs.steps.homes import EMPTY, THERE
from edgewright.schema.errors import InputError

WARM = {"comfort": 21.0, "left": 21.0, "night": 17.0}


def steady(people: float, outside: float) -> Homes:
    """Return three light homes for 4 days in which nothing changes: people, weather, and no sun."""
    homes = draw_homes(3, 4, 5)
    whole = np.ones_like(homes.weather)
    return replace(
        homes, air=homes.air / 4, walls=homes.walls / 20, people=people * whole, weather=outside * whole,
        sun=0 * whole, awake=whole > 0, daylight=0 * whole,
    )  # fmt: skip


def test_an_empty_home_without_heating_becomes_as_cold_as_the_weather() -> None:
    climate = Climate(steady(0.0, -4.0))
    for _ in range(4 * MINUTES):
        climate.step(np.full(3, -50.0), np.zeros(3, np.bool_))
    np.testing.assert_allclose(climate.temperature, -4.0, atol=0.2)
    np.testing.assert_allclose(climate.co2, 420.0, atol=1.0)
    assert not climate.heat.any()


def test_a_heater_gives_what_the_home_loses_and_people_breathe_what_the_air_takes_away() -> None:
    homes = steady(2.0, 0.0)
    climate = Climate(homes)
    for _ in range(3 * MINUTES):
        climate.step(np.full(3, 21.0), np.zeros(3, np.bool_))
    before = climate.heat.copy()
    for _ in range(MINUTES):
        climate.step(np.full(3, 21.0), np.zeros(3, np.bool_))
    watts = (climate.heat - before) / 86400
    walls = 1 / (1 / homes.inside + 1 / homes.outside)
    lost = (homes.leak + walls) * climate.temperature
    np.testing.assert_allclose(watts, lost - 2 * 90.0, rtol=0.02)
    np.testing.assert_allclose(climate.co2, 420 + 2 * 18.0 / homes.volume / homes.changes * 1e3, rtol=0.01)


def test_lamps_by_hand_are_on_in_the_dark_off_in_bed_and_stay_on_where_they_are_forgotten() -> None:
    homes = replace(steady(1.0, 0.0), forgets=np.array([0.0, 0.5, 1.0]))
    homes.people[10:] = 0
    homes.awake[20:] = False
    lit = by_hand(homes, 5, np.zeros(3, np.bool_), np.full(3, 0.4))
    assert lit.tolist() == [True] * 3
    assert by_hand(homes, 10, lit, np.full(3, 0.4)).tolist() == [False, True, True]
    assert by_hand(homes, 11, np.array([False, True, True]), np.full(3, 0.9)).tolist() == [False, True, True]
    assert by_hand(homes, 20, lit, np.full(3, 0.4)).tolist() == [False] * 3
    homes.daylight[5] = DARK + 1
    assert not by_hand(homes, 5, lit, np.full(3, 0.4)).any()


def test_a_rise_is_over_a_quarter_of_an_hour() -> None:
    climate, sensors = Climate(steady(0.0, 0.0)), Sensors(3, 1)
    rows = []
    for number in range(6):
        climate.co2 = np.full(3, 400.0 + 100 * number)
        rows.append(sensors.read(climate))
    np.testing.assert_allclose(rows[0][:, 1], 0.0)
    np.testing.assert_allclose(rows[5][:, 1], 300.0, atol=40)


def test_a_home_is_cooled_twenty_minutes_after_the_last_person_left_and_warm_with_the_first_who_comes() -> None:
    config = Config(kind="climate", warm=WARM, lit=("comfort", "left"))
    controller = _Controller(read_table(examples() / "home" / "climate.toml"), config, 16.0, 1)

    def at(hour: float, label: str, sure: bool = True) -> tuple[float, bool]:
        row = np.array([[600.0, 0.0, 0.0, 21.0, hour % 24]])
        controller.decide([label], [sure], row, hour * 3600)
        degrees, lit = controller.wanted()
        return float(degrees[0]), bool(lit[0])

    assert at(7.0, "occupied") == (21.0, True)
    assert at(8.0, "empty") == (21.0, True)
    assert at(8.2, "empty") == (21.0, True)
    assert at(8.4, "empty") == (16.0, False)
    assert at(8.5, "occupied") == (21.0, True)
    assert at(9.0, "empty")[0] == 21.0
    assert at(9.1, "occupied") == (21.0, True), "a short walk cools nothing"
    assert at(23.1, "occupied") == (17.0, False)
    assert at(29.6, "occupied") == (21.0, True)
    assert at(30.0, "empty", sure=False)[0] == 21.0
    assert at(32.1, "empty", sure=False) == (16.0, False), "nothing sure for two hours"
    assert controller.states == ["unknown"]


def test_the_clock_heats_from_an_hour_before_somebody_usually_comes() -> None:
    homes = draw_homes(3, 7, 2)
    homes.usual[:] = False
    homes.usual[17 * 60 : 20 * 60, 0] = True
    warm = _clock(homes)[:MINUTES, 0]
    assert (warm[16 * 60 + 5 : 20 * 60]).all()
    assert not warm[: 15 * 60 + 59].any()
    assert not warm[20 * 60 :].any()
    assert _clock(homes)[5 * MINUTES + 12 * 60].all(), "a weekend"


def lived(energy: float, cold: float) -> Lived:
    column = np.array([[1.0], [0.9], [energy], [0.5]])
    return Lived(column, np.array([[0.0], [2.0], [cold], [0.0]]), 0 * column, np.ones(1), [], np.zeros((0, 4)))


def test_the_setback_with_the_lowest_energy_that_is_no_colder_than_the_clock_is_taken() -> None:
    assert _chosen([lived(0.6, 5.0), lived(0.7, 2.0), lived(0.8, 1.0)]) == 1
    assert _chosen([lived(0.6, 5.0), lived(0.7, 4.0)]) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"warm": "{cosy = 21.0}"}, "expected states of climate.toml: comfort, left, away, night, unknown, got cosy"),
        ({"table": "'none.toml'"}, "none.toml"),
        ({}, "a step of kind 'run' before"),
    ],
)
def test_what_does_not_fit_is_one_line(changes: dict[str, str], message: str, tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "climate.toml").write_bytes((examples() / "home" / "climate.toml").read_bytes())
    keys = {"kind": "'climate'", "warm": "{comfort = 21.0}", **changes}
    table = "\n".join(f"{key} = {value}" for key, value in keys.items())
    (folder / "job.toml").write_text(f"title = 'Home?'\nshows = 'A home.'\n[[steps]]\n{table}\n", encoding="utf-8")
    assert message in cli("jobs", "run", str(folder), "--out", str(tmp_path / "runs"), code=2)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (("co2_rise", "co2", "vapour_rise"), "columns co2, co2_rise, vapour_rise, got co2_rise, co2, vapour_rise"),
        (("co2", "co2_rise"), "columns co2, co2_rise, vapour_rise, got co2, co2_rise"),
        (("co2", "co2_rise", "vapour_rise"), "labels occupied, empty, got away, home"),
    ],
)
def test_a_package_of_other_columns_or_labels_is_refused(
    columns: tuple[str, ...], message: str, tmp_path: Path, cli: Cli
) -> None:
    rows = [",".join([*(f"{(row % 2) * 5 + row * 0.1:.1f}" for _ in columns), "home" if row % 2 else "away"])
            for row in range(60)]  # fmt: skip
    (tmp_path / "rows.csv").write_text("\n".join([",".join([*columns, "presence"]), *rows]), encoding="utf-8")
    (tmp_path / "rows.toml").write_text(
        "name = 'rows'\n[data]\nkind = 'csv'\ntarget = 'presence'\n[model]\nkind = 'threshold'\n", encoding="utf-8"
    )
    cli("run", tmp_path / "rows.toml", "--data", tmp_path / "rows.csv", "--out", tmp_path / "runs")
    with pytest.raises(InputError, match=message):
        _presence(next((tmp_path / "runs" / "rows").glob("*.edge*")))


def test_the_time_line_says_how_many_days_it_draws() -> None:
    def title_of(days: int) -> str:
        states, degrees = ["comfort"] * days * MINUTES, np.zeros((days * MINUTES, 4))
        return _timeline(lived(0.5, 0.0)._replace(states=states, temperatures=degrees)).title

    assert title_of(2) == "1 day of the first home that judges"
    assert title_of(14) == "2 days of the first home that judges"


def test_the_share_of_right_decisions_has_limits_up_to_one() -> None:
    ones, states, degrees = np.ones((4, 2)), ["comfort"] * 2 * MINUTES, np.zeros((2 * MINUTES, 4))
    two = Lived(ones, ones, ones, np.array([0.87, 0.97]), states, degrees)
    record = _record(Config(kind="climate", warm=WARM, setbacks=(16.0,)), "home", [two], 0, two)
    right = record.figures[0]
    assert (right.name, right.unit) == ("right", "")
    assert right.interval is not None
    assert 0.95 < right.interval.high <= 1.0


def test_a_job_in_the_working_directory_has_the_name_of_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(examples() / "home")
    assert job_folder(".").name == "home"


class Oracle:
    """Answers each row by the truth of a home: who is there at this minute."""

    def __init__(self, homes: Homes, wrong: int) -> None:
        self.homes, self.wrong, self.calls = homes, wrong, 0

    def predict(self, rows: NDArray[np.float32]) -> SimpleNamespace:
        there = self.homes.people[self.calls * Sensors.EVERY] > 0
        self.calls += 1
        there = there ^ (np.arange(len(there)) < self.wrong)
        labels = np.where(there, THERE, EMPTY)
        return SimpleNamespace(labels=labels, confidence=np.full(len(labels), 0.99))


def test_hours_in_the_dark_and_the_cold_and_shares_are_those_of_a_plain_count(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(kind="climate", homes=3, days=3, warm=WARM, lit=("comfort",))
    checked = read_table(job_folder("home") / "climate.toml")
    homes = draw_homes(3, 3, 7)
    work: Any = SimpleNamespace(each=lambda text, minutes, count: minutes)
    steps: list[tuple[NDArray[np.float64], NDArray[np.bool_]]] = []
    step, heat = Climate.step, list[NDArray[np.float64]]()

    def noted(self: Climate, degrees: NDArray[np.float64], lamps: NDArray[np.bool_]) -> None:
        step(self, degrees, lamps)
        steps.append((self.temperature.copy(), lamps.copy()))
        heat[:] = [self.heat.copy()]

    monkeypatch.setattr(Climate, "step", noted)
    lived = climate_step._live(config, checked, Oracle(homes, 1), 17.0, 7, work)  # type: ignore[arg-type]
    temperatures, lamps = (np.array(part).reshape(-1, len(ARMS), 3) for part in zip(*steps, strict=True))
    awake = ((homes.people > 0) & homes.awake)[:, None]
    night = (homes.daylight < DARK).reshape(len(homes.daylight), 1, -1)
    weeks = 3 / 7
    used = heat[0].reshape(len(ARMS), 3) + LAMP_WATTS * 60 * lamps.sum(axis=0)
    np.testing.assert_allclose(lived.energy, used / 3.6e6 / weeks)
    np.testing.assert_allclose(lived.dark, (awake & night & ~lamps).sum(axis=0) / 60 / weeks)
    np.testing.assert_allclose(lived.cold, (awake & (temperatures < climate_step._COLD)).sum(axis=0) / 60 / weeks)
    assert lived.dark.max() > 0 and lived.cold.max() > 0
    assert lived.right.tolist() == [0.0, 1.0, 1.0]
    np.testing.assert_array_equal(lived.temperatures, temperatures[:, :, 0])
    assert len(lived.states) == 3 * MINUTES

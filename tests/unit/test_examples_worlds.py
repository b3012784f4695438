"""Simulated worlds and helpers of examples follow their equations."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgewright.features import bearing
from edgewright.features.bearing import orders
from folds import Fold, Side
from stage_examples import unfitted
from support import ROOT

Load = Callable[[str, str], Any]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Return a function that imports a module of an example."""
    before = {*sys.modules}

    def load(example: str, module: str) -> Any:  # noqa: ANN401 - a module
        monkeypatch.syspath_prepend(ROOT / "examples" / example)
        return importlib.import_module(module)

    yield load
    for name in {*sys.modules} - before:
        if "/examples/" in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def steady(homes: Any, people: float, outside: float) -> Any:  # noqa: ANN401 - the example's homes
    """Return three light homes for 4 days in which nothing changes: people, weather, and no sun."""
    three = homes.draw_homes(3, 4, 5)
    whole = np.ones_like(three.weather)
    return replace(
        three, air=three.air / 4, walls=three.walls / 20, people=people * whole, weather=outside * whole,
        sun=0 * whole, awake=whole > 0, daylight=0 * whole,
    )  # fmt: skip


def test_an_empty_home_without_heating_becomes_as_cold_as_the_weather(load: Load) -> None:
    homes = load("home", "homes")
    climate = homes.Climate(steady(homes, 0.0, -4.0))
    for _ in range(4 * homes.MINUTES):
        climate.step(np.full(3, -50.0), np.zeros(3, np.bool_))
    np.testing.assert_allclose(climate.temperature, -4.0, atol=0.2)
    np.testing.assert_allclose(climate.co2, 420.0, atol=1.0)
    assert not climate.heat.any()


def lives(names: list[str], error: float, seed: int) -> tuple[Side, dict[str, int]]:
    """Return machines that wear out, with forecasts that are wrong by so much."""
    rng = np.random.default_rng(seed)
    rows = {name: int(rng.integers(60, 200)) for name in names}
    flat = [(name, row, rows[name] - 1 - row) for name in names for row in range(rows[name])]
    groups, when, left = (tuple(column) for column in zip(*flat, strict=True))
    truth = np.array(left, float)
    forecasts = truth + rng.normal(0, error, len(truth))
    return Side(groups=groups, rows=when, truth=tuple(truth), forecasts=tuple(forecasts)), rows


def test_a_window_keeps_the_risk_and_gives_away_less_than_an_age(load: Load) -> None:
    maintenance = load("factory", "maintenance")
    calibration, others = lives([f"a{n}" for n in range(40)], 3.0, 1)
    test, mine = lives([f"b{n}" for n in range(40)], 3.0, 2)
    fold, rows = Fold(calibration=calibration, test=test), {**others, **mine}
    plans = maintenance.plans_of(fold, rows, maintenance.Policy(risk=0.05, notice=5, length=10))
    assert all(plan.decided is not None and plan.opens == plan.decided + 5 for plan in plans)
    assert sum(plan.too_late for plan in plans) <= 6
    assert np.mean([plan.unused for plan in plans]) < 12
    ages = maintenance.plans_by_age(fold, rows, 0.05)
    assert len({plan.closes for plan in ages}) == 1
    assert np.mean([plan.unused for plan in ages]) > 30


def test_a_line_pays_for_what_is_done(load: Load) -> None:
    maintenance = load("factory", "maintenance")
    known = maintenance.Lives(np.array([20]), np.where(np.arange(21) < 20, 20.0 - np.arange(21), np.inf)[None])
    costs = maintenance.Costs(failure=3.0, standing=0.1, planned_rows=2, failure_rows=4)
    options = {"machines": 4, "crews": 1, "notice": 3, "rows": 300, "draws": 5, "seed": 0}
    failing = maintenance.keep_up(known, maintenance.by_age(0), costs, **options)
    planned = maintenance.keep_up(known, maintenance.by_forecast(known), costs, **options)
    assert not failing.planned.any() and failing.failures.all()
    np.testing.assert_allclose(failing.cost, 3.0 * failing.failures + 0.1 * failing.standing)
    assert planned.cost.mean() < failing.cost.mean()


def test_a_bearing_has_the_frequencies_of_its_data_sheet(load: Load) -> None:
    vibration = load("factory", "vibration")
    # SKF 6205 as the bearing data centre of Case Western Reserve University lists it.
    known = orders(9, 7.94 / 39.04, 0.0)
    assert known["inner ring"] == pytest.approx(5.4152, abs=2e-3)
    assert known["outer ring"] == pytest.approx(3.5848, abs=2e-3)
    assert known["cage"] == pytest.approx(0.39828, abs=2e-4)
    assert known["ball"] == pytest.approx(4.7135, abs=2e-2)
    for part, strikes in orders(12, 0.2, 25.0).items():
        if part != "shaft":
            assert vibration.contacts(vibration.Geometry(12, 6.0, 30.0, 25.0), part)[0] == pytest.approx(strikes), part


@pytest.mark.parametrize("part", ["outer ring", "inner ring", "ball", "cage"])
@pytest.mark.parametrize("rpm", [1100.0, 2900.0])
def test_the_damaged_part_stands_out_at_any_speed(part: str, rpm: float, load: Load) -> None:
    simulated, rng, samples = load("factory", "vibration"), np.random.default_rng(3), 8192
    keys = {"speed": "speed", "balls": 9, "ratio": 7.94 / 39.04}
    stage = unfitted(bearing.STAGE, keys, samples, 8192.0, names=("a", "speed"))
    windows = {
        name: np.array([
            simulated.vibration(
                simulated.Geometry(9, 7.94, 39.04), simulated.Specimen(name, 2600.0, 0.04, 3.0),
                simulated.Condition(rpm, 1.0), samples, 8192.0, rng,
            )
            for _ in range(6)
        ], np.float32)
        for name in ("healthy", part)
    }  # fmt: skip
    stage.fit(np.concatenate([*windows.values()]))
    names = list(stage.get_feature_names_out())
    rise = stage.transform(windows[part]).mean(axis=0) - stage.transform(windows["healthy"]).mean(axis=0)
    first = {other: rise[names.index(f"a {other} x1")] for other in simulated.PARTS[1:]}
    assert first[part] > 1.5
    # Nine balls pass the outer ring in a turn of the cage, and the cage swings what a ball strikes.
    if part.endswith("ring"):
        assert max(first, key=lambda other: first[other]) == part


@pytest.mark.parametrize("objects", ["shown", "left out"])
@pytest.mark.parametrize("hour", [6.0, 13.0, 23.0])
def test_every_second_pixel_is_that_of_the_whole_picture(objects: str, hour: float, load: Load) -> None:
    yard = load("camera", "yard")
    scene = yard.Scene(3, 4, objects, hour=hour, seconds=60.0, rate=2.0, busy=40.0)
    for number in (0, 41, 97):
        np.testing.assert_array_equal(scene.picture(number, 2), scene.picture(number)[:, ::2, ::2])


def test_a_shield_keeps_what_its_assumptions_promise(load: Load) -> None:
    shield = load("vehicle", "shield")
    whole = shield.read_envelope(ROOT / "examples" / "vehicle" / "envelope.toml")
    # At a standstill any gap over the margin is enough to stay; at speed, less than the way to stop is not.
    assert shield.needed_gap(whole, 0.0, 0.0, 0.0) == whole.margin
    assert shield.needed_gap(whole, 20.0, 0.0, 0.0) > 20.0 * whole.patience + 20.0**2 / 12

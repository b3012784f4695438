"""Seasons that a forecast takes by itself: those of the calendar, unless the series is against them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.language.forecasting.backtest import BacktestResult, Folds
from edgewright.language.forecasting.calendar_seasons import LONGEST, choose_seasons, find_seasons
from edgewright.language.forecasting.linear import Form
from edgewright.language.forecasting.selection import ForecastRequest, choose, fit_forecaster
from edgewright.monitor.records import CandidateScore

Floats = NDArray[np.float64]
HOUR = 3600.0


def days(rows: int, *, day: int = 24, weekend: float = 0.0, noise: float = 0.3, seed: int = 0) -> Floats:
    """Return a rhythm of days, lower on two of seven."""
    t = np.arange(rows)
    rest = np.where(t // day % 7 < 5, 0.0, -weekend)
    shape = 3 * np.sin(2 * np.pi * t / day) * (1 + rest / 4) + rest
    return np.asarray(20 + shape + noise * np.random.default_rng(seed).normal(size=rows))


def test_a_week_that_the_autocorrelation_does_not_show_is_taken_and_pays() -> None:
    values = days(720, weekend=0.6, noise=0.5)
    assert [one.rows for one in find_seasons(values[:672])] == [24]
    chosen = choose_seasons(values[:672], 48)
    assert chosen.rows == (24, 168)
    assert "the period of 24 rows" in chosen.reason
    errors = {
        seasons: np.abs(
            fit_forecaster(values[:672], ForecastRequest(48, seasons)).start().forecast(48).middle - values[672:]
        )
        for seasons in ((24,), chosen.rows)
    }
    assert errors[24, 168].mean() < 0.8 * errors[24,].mean()


@pytest.mark.parametrize(
    ("day", "step"),
    [(24, HOUR), (48, HOUR / 2), (96, HOUR / 4), (144, HOUR / 6)],
    ids=["1 h", "30 min", "15 min", "10 min"],
)
def test_the_clock_says_how_many_rows_a_day_and_a_week_have(day: int, step: float) -> None:
    values = days(15 * day, day=day, weekend=2.0)
    chosen = choose_seasons(values, day, step)
    assert chosen.rows == (day, 7 * day)
    assert f"every {step:g} s" in chosen.reason


def test_seasons_need_two_of_them_and_memory_for_one() -> None:
    assert choose_seasons(days(300), 24, HOUR).rows == (24,), "a week must be there twice"
    minutes = days(4 * 1440, day=1440, noise=0.05)
    assert choose_seasons(minutes, 60, 60.0).rows == (1440,)
    assert 1440 <= LONGEST < 7 * 1440


def test_a_season_that_is_clearly_better_than_the_calendars_is_kept() -> None:
    t = np.arange(1200)
    four = np.random.default_rng(1).normal(size=4)[t // 24 % 4]
    values = 5 * four + 2 * np.sin(2 * np.pi * t / 24) + 0.1 * np.random.default_rng(2).normal(size=1200)
    chosen = choose_seasons(values, 48, HOUR)
    assert chosen.rows[-1] == 96
    assert "less error in the backtest" in chosen.reason


def test_a_cycle_that_is_no_calendars_stays_as_it_was_found() -> None:
    values = days(600, day=20)
    assert choose_seasons(values, 20).rows == tuple(one.rows for one in find_seasons(values))
    noise = np.random.default_rng(1).normal(size=1000)
    assert choose_seasons(noise, 10).rows == ()
    assert "set one with --season" in choose_seasons(noise, 10).reason


def test_a_year_of_weeks_is_known_by_the_clock() -> None:
    t = np.arange(260)
    values = 100 + 10 * np.sin(2 * np.pi * t / 52) + np.random.default_rng(4).normal(size=260)
    assert choose_seasons(values, 13, 7 * 24 * HOUR).rows == (52,)
    assert choose_seasons(values[:80], 13, 7 * 24 * HOUR).rows != (52,)


def test_too_few_rows_are_left_to_the_fit_that_refuses_them() -> None:
    assert choose_seasons(days(60), 48, HOUR).rows == (24,)
    assert choose_seasons(np.arange(5.0), 48, HOUR).rows == ()


def daylight(days: int, *, seed: int) -> Floats:
    """Return hourly output of a solar panel: zero at night, another level each day, and clouds."""
    generator = np.random.default_rng(seed)
    level = np.repeat(generator.uniform(0.9, 1.0, days), 24)
    sun = np.maximum(0.0, np.sin(2 * np.pi * (np.arange(24 * days) % 24 - 6) / 24))
    return np.asarray(100 * sun * level * (1 + 0.05 * generator.normal(size=24 * days)))


def test_a_short_series_without_times_takes_seasonal_naive_where_it_is_better() -> None:
    ours, naive, names = [], [], []
    for seed in range(20):
        values = daylight(6, seed=seed)
        known, coming = values[:120], values[120:132]
        forecaster = fit_forecaster(known, ForecastRequest(12, choose_seasons(known, 12).rows))
        names.append(forecaster.spec.name)
        ours.append(np.abs(forecaster.start().forecast(12).middle - coming).mean())
        naive.append(np.abs(known[-24:-12] - coming).mean())
    assert names.count("seasonal naive, 24 rows") >= 16
    assert np.mean(ours) <= 1.05 * np.mean(naive)


def result(name: str, errors: Floats, *, fitted: bool) -> BacktestResult:
    score = CandidateScore(name=name, mase=float(errors.mean()))
    return BacktestResult(score, errors, np.empty((0, 8)), Form(name, lags=(24,), fitted=fitted))


def test_the_simplest_candidate_within_one_standard_error_of_the_best_is_chosen() -> None:
    folds = Folds(start=100, origins=np.arange(100, 129), horizon=8, unit=1.0)
    noise = np.resize([-1.0, 1.0], 29)
    # 4.5 forecasts share no row: a difference of standard deviation 1 has a standard error of .47.
    default = result("default", 3 + noise, fitted=True)
    fitted = result("fitted", np.full(29, 1.0), fitted=True)
    naive = result("naive", 1.3 + noise, fitted=False)
    far = result("far", 1.6 + noise, fitted=False)
    assert choose([default, fitted, naive], folds)[0] is naive
    assert choose([default, fitted, far], folds)[0] is fitted
    assert choose([result("default", 1.3 + noise, fitted=True), fitted, far], folds)[0].score.name == "default"

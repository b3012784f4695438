"""Forecasters: the recursion, the choice, intervals, their file, and what a series may be like."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.archive import pack, unpack
from edgewright.core.errors import ForecasterError, InputError, MissingFileError, PackageDamagedError, TooFewRowsError
from edgewright.language.forecasting.backtest import coverage_of, naive_error, smape, widths_of
from edgewright.language.forecasting.calendar_seasons import find_seasons
from edgewright.language.forecasting.linear import Form, fit, lags_for, mixture, run, unscaled
from edgewright.language.forecasting.selection import About, ForecastRequest, adopt, fit_forecaster
from edgewright.language.forecasting.series import referees, season_shape, smoothing, theta
from edgewright.monitor.forecaster import (
    Forecaster,
    forecaster_bytes,
    parse_forecaster,
    read_forecaster,
    start_state,
    write_forecaster,
)
from edgewright.monitor.records import LinearModel

Floats = NDArray[np.float64]


def daily(rows: int, noise: float = 0.1, seed: int = 0) -> Floats:
    """Return a day of 24 rows within a week of 168."""
    t = np.arange(rows)
    week = np.where(t // 24 % 7 < 5, 1.0, -1.0)
    return np.asarray(
        20 + 3 * np.sin(2 * np.pi * t / 24) + week + noise * np.random.default_rng(seed).normal(size=rows)
    )


def test_seasons_of_a_day_and_a_week_are_found_and_none_in_noise() -> None:
    assert [season.rows for season in find_seasons(daily(1000))] == [24, 168]
    assert find_seasons(np.random.default_rng(1).normal(size=1000)) == []
    assert find_seasons(np.full(500, 3.0)) == []
    walk = np.cumsum(np.random.default_rng(2).normal(size=800))
    steps = np.tile([3.0, 0, 0, -3.0, 0, 0, 0, 0, 0, 0, 0, 0], 67)[:800]
    strongest = find_seasons(walk + np.cumsum(steps))[0]
    assert (strongest.rows, strongest.of_changes) == (12, True)
    assert not find_seasons(daily(1000))[0].of_changes


def test_counts_are_forecast_by_several_weeks_not_the_last_one() -> None:
    rng = np.random.default_rng(4)
    busy = np.where((np.arange(24) > 8) & (np.arange(24) < 18), 12.0, 0.5)
    counts = rng.poisson(np.tile(np.concatenate([np.tile(busy, 5), np.full(48, 0.5)]), 8)).astype(float)
    forecaster = fit_forecaster(counts[:1176], ForecastRequest(24, (24, 168)))
    assert any(len(part.lags) == 4 and set(part.weights) == {0.25} for part in forecaster.spec.model.parts)
    assert "mean of 4 seasons, 168 rows" in [one.name for one in forecaster.spec.candidates]
    origins = np.arange(1176, len(counts) - 23, 6)
    truth = counts[origins[:, None] + np.arange(24)]
    error = np.abs(unscaled(forecaster.spec.model, run(forecaster.spec.model, counts, origins, 24)) - truth).mean()
    assert error < 0.9 * np.abs(counts[origins[:, None] + np.arange(24) - 168] - truth).mean()


def test_lags_are_thirteen_at_most_and_within_reach() -> None:
    for seasons in ((), (7,), (52,), (24, 168), (2,), (3, 9)):
        lags = lags_for(seasons, 400)
        assert 1 <= len(lags) <= 13
        assert list(lags) == sorted(set(lags))
    assert max(lags_for((24, 168), 30)) <= 30


@pytest.mark.parametrize(
    "form",
    [
        Form("levels", "level", 0, (1, 2, 24), 24),
        Form("differences", "level", 1, (1, 2, 24)),
        Form("logarithms", "log", 1, (1, 24)),
        Form("naive", "level", 1, (), 0, fitted=False),
    ],
    ids=lambda form: form.name,
)
def test_the_device_goes_on_from_row_to_row_as_the_desk_forecasts(form: Form) -> None:
    values = daily(500)
    model = fit(form, values[:400])
    desk = unscaled(model, run(model, values, [450], 30))[0]
    device = Forecaster(model, start_state(model, values[:400]), np.zeros((1, 30), np.float32), (80.0,))
    for value in values[400:450]:
        device.push(float(value))
    np.testing.assert_allclose(device.forecast(30).middle, desk, rtol=2e-5)
    again = Forecaster(model, device.state(), np.zeros((1, 30), np.float32), (80.0,))
    np.testing.assert_array_equal(again.forecast(30).middle, device.forecast(30).middle)


def test_a_mixture_is_the_weighted_mean_of_its_recursions() -> None:
    values = daily(600)
    forms = [(Form("a", "level", 0, (1, 24), 24), 0.5), (Form("b", "level", 1, (1, 2)), 0.3),
             (Form("c", "level", 0, (24,), 24, fitted=False), 0.2)]  # fmt: skip
    alone = [share * unscaled(m := fit(form, values), run(m, values, [600], 40))[0] for form, share in forms]
    mixed = mixture(forms, values)
    np.testing.assert_allclose(unscaled(mixed, run(mixed, values, [600], 40))[0], sum(alone), rtol=1e-9)


def test_a_missing_value_stands_as_foretold_and_is_counted() -> None:
    values = daily(400)
    forecaster = fit_forecaster(values, ForecastRequest(24, (24,)))
    first, second = forecaster.start(), forecaster.start()
    for _ in range(5):
        coming = first.forecast(1).middle[0]
        first.push(float("nan"))
        second.push(float(coming))
    assert first.forecast(24).stale == 5
    np.testing.assert_allclose(first.forecast(24).middle, second.forecast(24).middle, rtol=1e-4)
    first.push(20.0)
    assert first.forecast(1).stale == 0
    with pytest.raises(ForecasterError):
        first.forecast(25)


def test_the_choice_beats_the_naive_forecast_and_its_intervals_hold() -> None:
    values = daily(2000, noise=0.5)
    forecaster = fit_forecaster(values[:1900], ForecastRequest(48, (24, 168)), referees=referees(24))
    scores = {score.name: score for score in forecaster.spec.candidates}
    assert scores[forecaster.spec.name].mase < scores["seasonal naive, 24 rows"].mase
    assert not scores["Theta"].device
    for one in forecaster.spec.coverage:
        assert abs(one.inside / one.of - one.level / 100) < 0.1
    coming = forecaster.start().forecast(48)
    truth = values[1900:1948]
    assert ((truth >= coming.low[1]) & (truth <= coming.high[1])).mean() > 0.8
    assert (coming.low[1] <= coming.low[0]).all()


def test_intervals_follow_a_series_whose_noise_grows() -> None:
    values = daily(2400, noise=0.5)
    values[1200:] += np.random.default_rng(1).normal(0, 4, 1200)
    forecaster = fit_forecaster(values[:1200], ForecastRequest(24, (24,)))
    running, within, sizes = forecaster.start(), [], []
    for row in range(1200, 2376):
        coming = running.forecast(24)
        truth = values[row : row + 24]
        within.append((truth >= coming.low) & (truth <= coming.high))
        sizes.append(coming.high - coming.low)
        assert (coming.low[1] <= coming.low[0]).all()
        running.push(float(values[row]))
    covered = np.mean(within[200:], axis=(0, 2))
    np.testing.assert_allclose(covered, [0.80, 0.95], atol=0.03)
    fixed = forecaster.start().forecast(24)
    assert np.mean(sizes[0]) == pytest.approx(np.mean(fixed.high - fixed.low))
    assert np.mean(sizes[-1]) > 3 * np.mean(sizes[0])


@pytest.mark.parametrize("levels", [(), (80.0,), (50.0, 80.0, 99.0)])
@pytest.mark.parametrize("horizon", [1, 2, 3, 11])
def test_scales_change_by_the_intervals_that_were_issued(levels: tuple[float, ...], horizon: int) -> None:
    """As one list an anchor says it, in float64; missing rows change nothing."""
    rng = np.random.default_rng(horizon)
    model = LinearModel(lags=(1, 3), weights=(0.5, 0.2))
    widths = np.sort(rng.uniform(0.5, 2, (len(levels), horizon)), axis=0).astype(np.float32)
    running = Forecaster(model, np.zeros(4, np.float32), widths, levels)
    steps = [step for step in (1, 2, 4, 8) if step < horizon] + [horizon]
    scales = {(step, k): 1.0 for step in steps for k in range(len(levels))}
    issued = []
    for row in range(60):
        coming = running.forecast(horizon)
        issued.append(coming)
        for step in steps:
            halves = [scales[step, k] * widths[k, step - 1] for k in range(len(levels))]
            expected: Floats = np.maximum.accumulate(np.array(halves)) if halves else np.empty(0)
            np.testing.assert_allclose((coming.high - coming.low)[:, step - 1] / 2, expected, rtol=1e-4, atol=1e-6)
        value = float("nan") if row % 7 == 3 else float(rng.normal(0, 1 + row / 10))
        running.push(value)
        for step, k in scales:
            if row - step + 1 >= 0 and np.isfinite(value):
                past = issued[row - step + 1]
                beyond = not past.low[k, step - 1] <= value <= past.high[k, step - 1]
                share = 1 - levels[k] / 100
                scales[step, k] *= np.exp(0.4 / step**0.5 * ((1 - share) if beyond else -share))


def test_rows_pushed_at_once_and_one_by_one_give_the_same_bits() -> None:
    values = daily(900, noise=0.5)
    forecaster = fit_forecaster(values[:400], ForecastRequest(30, (24,)))
    later = values[400:].copy()
    later[100:140] = np.nan
    first, second = forecaster.start(), forecaster.start()
    for value in later:
        first.push(float(value))
        second.push(float(value))
        second.forecast(1)
    for key in ("middle", "low", "high"):
        np.testing.assert_array_equal(getattr(first.forecast(30), key), getattr(second.forecast(30), key))


def test_a_missing_row_costs_the_same_after_many_rows() -> None:
    model = LinearModel(lags=(1, 3), weights=(0.5, 0.4))
    running = Forecaster(model, np.zeros(4, np.float32), np.ones((1, 2), np.float32), (80.0,))
    for value in np.sin(np.arange(20_000.0)).tolist():
        running.push(value)
    tracemalloc.start()
    running.push(np.nan)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000


def test_widths_are_conformal_quantiles_that_never_shrink() -> None:
    residuals = np.random.default_rng(0).normal(size=(200, 6)) * np.arange(1, 7)
    widths = widths_of(residuals, (50.0, 90.0))
    assert (np.diff(widths, axis=1) >= 0).all()
    assert (widths[1] > widths[0]).all()
    assert (np.abs(residuals[:, 5]) <= widths[1, 5]).mean() > 0.85
    few = coverage_of(residuals[:1], np.arange(1), (80.0,))
    assert few[0].of == 0


def test_measures_are_those_of_m4() -> None:
    assert smape(np.array([1.0, 0.0]), np.array([3.0, 0.0])) == 50.0
    assert naive_error(np.array([1.0, 2, 4, 8]), 2) == 4.5
    assert naive_error(np.full(9, 2.0), 3) == 1.0


def test_referees_follow_a_season_and_a_trend() -> None:
    t = np.arange(240.0)
    values = 10 + 0.1 * t + 3 * np.sin(2 * np.pi * t / 12)
    truth = 10 + 0.1 * np.arange(240.0, 252) + 3 * np.sin(2 * np.pi * np.arange(240, 252) / 12)
    # Theta takes half the slope as drift, on purpose.
    assert np.abs(theta(values, 12, 12) - truth).max() < 1.0
    assert np.abs(smoothing(values, 12, 12) - truth).max() < 1.0
    assert season_shape(values, 1).tolist() == [0.0]


@pytest.mark.parametrize(
    "values", [np.full(60, 5.0), np.full(60, 0.0), -1e30 * (1 + np.arange(60.0)), 1e-30 * daily(60)]
)
def test_constant_negative_huge_and_tiny_series_have_finite_forecasts(values: Floats) -> None:
    forecaster = fit_forecaster(values, ForecastRequest(6, ()))
    coming = parse_forecaster(forecaster_bytes(forecaster), "memory").start().forecast(6)
    assert np.isfinite(coming.middle).all()
    assert (coming.low <= coming.high).all()
    if np.ptp(values) == 0:
        np.testing.assert_allclose(coming.middle, values[:6], atol=1e-6)


def test_too_few_rows_are_refused_with_the_longest_horizon_that_they_carry() -> None:
    with pytest.raises(TooFewRowsError):
        fit_forecaster(daily(12), ForecastRequest(48, ()))
    forecaster = fit_forecaster(daily(12), ForecastRequest(4, ()))
    assert np.isfinite(forecaster.start().forecast(4).middle).all()


def test_a_file_reads_back_and_an_altered_one_is_refused(tmp_path: Path) -> None:
    forecaster = fit_forecaster(daily(600), ForecastRequest(24, (24, 168)), about=About(column="load", step=3600.0))
    write_forecaster(tmp_path / "a.forecaster", forecaster)
    read = read_forecaster(tmp_path / "a.forecaster")
    assert read.spec == forecaster.spec
    np.testing.assert_array_equal(read.start().forecast(24).high, forecaster.start().forecast(24).high)
    data = forecaster_bytes(forecaster)
    assert data == forecaster_bytes(forecaster)
    with pytest.raises(PackageDamagedError, match="other bytes"):
        parse_forecaster(data[:200] + bytes([data[200] ^ 1]) + data[201:], "a")
    with pytest.raises(MissingFileError, match="no such file"):
        read_forecaster(tmp_path / "none")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("version", 99, "format 1 or older"),
        ("horizon", 0, "horizon"),
        ("horizon", 65_536, "floats of shape"),
        ("horizon", 65_537, "horizon"),
        ("levels", [0.9, 0.5], "levels in order"),
        ("levels", [level / 17 for level in range(1, 17)], "floats of shape"),
        ("levels", [level / 18 for level in range(1, 18)], "levels in order"),
        ("model", {"lags": [3, 2], "weights": [1.0, 1.0]}, "lags in order"),
        ("model", {"lags": [24], "weights": [0.3], "spread": -1.0}, "finite weights"),
        ("model", {"lags": [1 << 21], "weights": [0.3]}, "lags in order"),
        ("model", {"bias": 9.0}, "its own test"),
    ],
)
def test_a_forged_file_is_refused(key: str, value: object, message: str) -> None:
    files = unpack(forecaster_bytes(fit_forecaster(daily(300), ForecastRequest(12, (24,)))), "a")
    spec = msgspec.json.decode(files["forecaster.json"])
    spec[key] = {**spec[key], **value} if isinstance(value, dict) else value
    with pytest.raises(InputError, match=message):
        parse_forecaster(pack({**files, "forecaster.json": msgspec.json.encode(spec)}), "a")


def test_a_recursion_serves_a_series_it_was_not_learnt_on() -> None:
    model = fit(Form("other", "level", 0, lags_for((24, 168), 400), 168), daily(800, seed=1) * 2)
    values = daily(500, seed=9) * 1000
    adopted = adopt(model, values[:450], ForecastRequest(24, (24, 168)), name="pooled", about=About())
    error = np.abs(adopted.start().forecast(24).middle - values[450:474]).mean() / naive_error(values[:450], 24)
    assert error < 1
    with pytest.raises(TooFewRowsError):
        adopt(model, values[:100], ForecastRequest(24, (24, 168)), name="pooled", about=About())

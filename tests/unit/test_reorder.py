"""The re-order point and the forecast that is judged: counts of a shop, by weeks that chose nothing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.errors import ForecasterError, TooFewRowsError
from edgewright.language.forecasting.selection import ForecastRequest
from forecasts import judge_forecast
from orders import Margin, reorder_point, served

DAY, WEEK = 12, 84
REQUEST = ForecastRequest(DAY, (DAY, WEEK))


def sold(weeks: int, seed: int = 0) -> NDArray[np.float64]:
    """Return counts of two hours each: busy at noon, quiet at weekends."""
    rows = np.arange(weeks * WEEK)
    rate = 6 * np.exp(-(((rows % DAY) - 6) ** 2) / 6) * np.where(rows // DAY % 7 < 5, 1.0, 0.3) + 0.2
    return np.random.default_rng(seed).poisson(rate).astype(float)


def test_the_margin_goes_up_when_something_is_sold_out() -> None:
    margin = Margin(value=1.0, step=0.5, floor=1.0, service=0.9)
    assert margin.point(16.0) == 20.0
    assert margin.point(0.0) == 1.0
    margin.learn(False)
    assert margin.value == pytest.approx(1.45)
    margin.learn(True)
    assert margin.value == pytest.approx(1.40)
    assert Margin(value=-9.0, step=0.5, floor=1.0, service=0.9).point(4.0) == 0.0


@pytest.mark.parametrize("service", [0.8, 0.95])
def test_the_service_level_is_about_the_one_asked_for(service: float) -> None:
    shares = [served(sold(10, seed), 6 * WEEK, REQUEST, service).served.mean() for seed in range(5)]
    assert abs(float(np.mean(shares)) - service) < 0.06


def test_a_demand_that_grows_is_followed() -> None:
    values = sold(10)
    values[6 * WEEK :] *= 1.5
    outcome = served(values, 6 * WEEK, REQUEST, 0.9)
    # A margin that stayed as it began would be sold out more often.
    fixed = reorder_point(values[: 6 * WEEK], REQUEST, 0.9).margin
    still = np.array([fixed.point(one) for one in outcome.demand.expected])
    assert outcome.served.mean() > (outcome.demand.came <= still).mean()
    assert outcome.served.mean() > 0.8


def test_a_point_needs_rows_and_a_share() -> None:
    with pytest.raises(ForecasterError):
        reorder_point(sold(6), REQUEST, 1.0)
    with pytest.raises(TooFewRowsError):
        served(sold(6), 6 * WEEK - 20, REQUEST, 0.9)


def test_a_forecast_of_counts_is_judged_against_the_best_naive_one() -> None:
    values = sold(10)
    evaluation = judge_forecast(values, 6 * WEEK, REQUEST)
    assert evaluation.naive_name == f"the value {WEEK} rows before"
    ratio = evaluation.ratio(6 * WEEK)
    assert 0.5 < ratio.low <= ratio.value <= ratio.high
    assert ratio.value < 0.9
    assert "by season" in ratio.method
    assert set(evaluation.blocks(6 * WEEK).tolist()) == {0, 1, 2, 3}

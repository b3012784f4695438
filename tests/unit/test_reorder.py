"""The re-order point and the forecast that is judged: counts of a shop, by weeks that chose nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from cli_runner import Cli
from edgewright.jobs.steps.reorder import _shelf
from edgewright.language.forecasting.judging import judge_forecast
from edgewright.language.forecasting.reorder import Margin, reorder_point, served
from edgewright.language.forecasting.selection import ForecastRequest
from edgewright.schema.errors import InputError
from edgewright.schema.job import JobRecord

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
    with pytest.raises(InputError, match="a service level between 0 and 1"):
        reorder_point(sold(6), REQUEST, 1.0)
    with pytest.raises(InputError, match="at least 24 rows that judge"):
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


def test_the_command_prints_the_point_and_what_it_was_worth(tmp_path: Path, cli: Cli) -> None:
    file = tmp_path / "sold.csv"
    file.write_text("sold\n" + "\n".join(f"{value:g}" for value in sold(8)))
    report = cli.json("forecast", "reorder", file, "--lead", DAY, "--service", 90, "--season", f"{DAY},{WEEK}")
    assert report["point"] > report["expected"] > 0
    assert 75 < report["served"] <= 100
    out = cli("forecast", "reorder", file, "--lead", DAY, "--season", f"{DAY},{WEEK}")
    assert "order again at" in out
    assert "95 % asked" in out


JOB = """
title = "When to order?"
shows = "Counts."
minutes = 0.1
limits = ["Simulated."]
[[steps]]
kind = "forecast"
data = { kind = "csv", time = "time", path = "FILE" }
column = "sold"
horizon = 12
judge = 336
[[steps]]
kind = "reorder"
data = { kind = "csv", time = "time", path = "FILE" }
column = "sold"
horizon = 12
judge = 336
"""


def test_both_are_steps_of_a_job_with_a_chart_each(tmp_path: Path, cli: Cli) -> None:
    file = tmp_path / "sold.csv"
    lines = [f"{number * 7200},{value:g},1" for number, value in enumerate(sold(10))]
    file.write_text("time,sold,other\n" + "\n".join(lines))
    folder = tmp_path / "stock"
    folder.mkdir()
    (folder / "job.toml").write_text(JOB.replace("FILE", str(file)))
    cli("jobs", "run", folder, "--out", tmp_path / "runs")
    stock_folder = tmp_path / "runs" / "stock"
    record = msgspec.json.decode((stock_folder / "job.json").read_bytes(), type=JobRecord)
    assert record.passed
    forecast, reorder = record.steps
    assert {figure.name for figure in forecast.figures} >= {"ratio", "mae", "naive_mae", "mase", "covered_80"}
    assert "seasons of 12 and 84 rows" in forecast.says[0]
    assert {figure.name for figure in reorder.figures} == {"service", "gap", "stock", "demand", "left"}
    shelf = reorder.timeline
    assert shelf is not None
    ((stock, point),) = shelf.signals
    assert min(value for _, value in stock.points) >= 0
    limits = dict(point.points)
    orders = [mark for mark in shelf.marks if mark.kind == "event"]
    assert orders
    assert len(shelf.answers) == len(orders)
    # What is ordered first brings the stock up one lead time later.
    shown, step = dict(stock.points), shelf.seconds / len(stock.points)
    before, after = (shown[orders[0].time + (DAY + rows) * step] for rows in (-1, 0))
    assert after > before
    assert shown[orders[0].time] <= limits[orders[0].time]
    assert [len(step.charts) for step in record.steps] == [1, 1]
    page = (stock_folder / "job.html").read_text()
    assert page.count("<figcaption>") == 2
    assert "re-order point" in page
    out = cli("score", stock_folder / "forecast" / "sold.forecaster", "--data", file)
    assert "mase" in out


def test_a_series_that_is_too_short_or_not_there_is_an_error(tmp_path: Path, cli: Cli) -> None:
    file = tmp_path / "sold.csv"
    file.write_text("time,sold,other\n" + "\n".join(f"{number * 7200},1,1" for number in range(340)))
    folder = tmp_path / "stock"
    folder.mkdir()
    table = JOB.replace("FILE", str(file))
    (folder / "job.toml").write_text(table)
    assert "at least 36 rows before the 336 that judge" in cli(
        "jobs", "run", folder, "--out", tmp_path / "runs", code=2
    )
    (folder / "job.toml").write_text(table.replace('"sold"', '"slod"'))
    assert "no column 'slod'" in cli("jobs", "run", folder, "--out", tmp_path / "runs", code=2)


@pytest.mark.parametrize("step", [0.0, 3600.0])
@pytest.mark.parametrize("lead", [1, 5])
def test_a_shelf_has_what_came_less_what_went_and_orders_up_to_the_point_and_a_mean_demand(
    step: float, lead: int
) -> None:
    rng = np.random.default_rng(lead)
    values = rng.integers(0, 9, 90).astype(np.float64)
    origins = np.arange(20, 90, 2)
    result: Any = SimpleNamespace(
        origins=origins, points=rng.uniform(3, 9, len(origins)), demand=SimpleNamespace(came=np.array([7.0, 9.0]))
    )
    series: Any = SimpleNamespace(values=values, step=step, when=lambda row: f"row {row}")
    shelf, unit = _shelf(series, result, lead), step or 1.0
    rows = min(70, 14 * lead)
    assert "row 20 on" in shelf.title and (shelf.seconds, shelf.unit) == (rows * unit, "" if step else "rows")
    stock, point = np.array(shelf.signals[0][0].points), dict(shelf.signals[0][1].points)
    np.testing.assert_allclose(stock[:, 0], np.arange(rows) * unit)
    assert point == {
        (row - 20) * unit: value for row, value in zip(origins, result.points, strict=True) if row - 20 < rows
    }
    ordered = {mark.time: float(mark.text.split()[-1]) for mark in shelf.marks if mark.kind == "event"}
    short = {mark.time: float(mark.text.split()[0]) for mark in shelf.marks if mark.kind == "missed"}
    assert [part.start for part in shelf.answers] == list(ordered)
    assert [part.end for part in shelf.answers] == [min(rows * unit, time + lead * unit) for time in ordered]
    before, limit = point[0.0] + 8.0, point[0.0]
    for row in range(rows):
        there = before + ordered.get((row - lead) * unit, 0.0) - values[20 + row]
        assert stock[row, 1] == pytest.approx(max(0.0, there), abs=0.02 * (row + 2))
        if there < -0.02 * (row + 2):
            assert short[row * unit] == pytest.approx(-there, abs=0.02 * (row + 2))
        elif there > 0.02 * (row + 2):
            assert row * unit not in short
        limit = point.get(row * unit, limit)
        coming = sum(size for time, size in ordered.items() if row - lead < time / unit < row)
        if abs(before_order := stock[row, 1] + coming - limit) > 0.02 * (row + 2):
            assert (row * unit in ordered) == (before_order < 0)
        if row * unit in ordered:
            assert ordered[row * unit] == pytest.approx(limit + 8.0 - stock[row, 1] - coming, abs=0.1)
        before = stock[row, 1]
    assert len(ordered) > 3 and bool(short) == (lead == 5)

"""Intervals of amounts: as wide as asked, for groups never seen, and in the package that predicts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgewright as ew
from edgewright.core.errors import InputError, UnknownNameError
from edgewright.core.package import around
from edgewright.core.records.package import IntervalSpec
from edgewright.pipeline.run_folder.journal import Listener
from edgewright.workflows.intervals import band_of, write_interval_package
from folds import FoldRequest, Side, forecast_folds, group_factor, together, widened

RUN = """
name = "wear"
task = "regression"
[data]
kind = "csv"
target = "left"
group = "machine"
[split]
by = "group"
[model]
kind = "linear"
[device]
profile = "cortex-m4"
"""


def test_an_interval_holds_as_often_as_was_asked_whatever_the_size_of_the_forecast() -> None:
    rng = np.random.default_rng(2)

    def sample(count: int) -> tuple[np.ndarray, np.ndarray]:
        forecasts = rng.uniform(0, 100, count)
        # Far forecasts are wrong by more, and too low.
        return forecasts, forecasts + rng.normal(forecasts / 20, 1 + forecasts / 10)

    band = band_of(*sample(8000), 0.05, 0.05)
    forecasts, truth = sample(8000)
    low, high = around(band, forecasts)
    covered = (low <= truth) & (truth <= high)
    for part in (forecasts < 30, forecasts > 70):
        assert covered[part].mean() == pytest.approx(0.9, abs=0.03)
    assert (high - low)[forecasts > 70].mean() > 2 * (high - low)[forecasts < 30].mean()
    one_side, nothing = around(band_of(*sample(4000), 0.05, 0.0), forecasts)
    assert np.isinf(nothing).all()
    assert (truth < one_side).mean() == pytest.approx(0.05, abs=0.015)


def test_an_interval_needs_samples_that_took_no_part() -> None:
    with pytest.raises(InputError, match="at least 100"):
        band_of(np.zeros(5), np.zeros(5), 0.05, 0.05)


def test_a_band_is_widened_until_it_holds_for_single_machines() -> None:
    def side(names: list[str], seed: int) -> Side:
        rng = np.random.default_rng(seed)
        # A machine in three is forecast badly; its rows are wrong in the same direction.
        off = {name: rng.normal(0, 9 if number % 3 == 0 else 1) for number, name in enumerate(names)}
        groups = tuple(name for name in names for _ in range(60))
        forecasts = rng.uniform(0, 100, len(groups))
        truth = forecasts + np.array([off[name] for name in groups]) + rng.normal(0, 1, len(groups))
        return Side(groups=groups, rows=(0,) * len(groups), truth=tuple(truth), forecasts=tuple(forecasts))

    def kept(band: IntervalSpec, side: Side) -> float:
        low, high = around(band, np.array(side.forecasts))
        inside = (low <= np.array(side.truth)) & (np.array(side.truth) <= high)
        return float(np.mean([inside[np.array(side.groups) == name].mean() >= 0.75 for name in set(side.groups)]))

    seen, new = side([f"a{n}" for n in range(60)], 1), side([f"b{n}" for n in range(300)], 2)
    band = band_of(np.array(seen.forecasts), np.array(seen.truth), 0.1, 0.1, 1)
    assert kept(band, new) < 0.86
    factor = group_factor(seen, 0.1, 1, within=0.75, of_groups=0.9)
    assert 1 < factor < 2.5
    assert kept(widened(band, factor), new) >= 0.88
    # The widest of eight holds for eight further ones of nine, which is less than nine of ten.
    with pytest.raises(InputError, match="of_groups"):
        group_factor(side([f"a{n}" for n in range(8)], 1), 0.1, 1, within=0.75, of_groups=0.9)
    assert group_factor(side([f"a{n}" for n in range(9)], 1), 0.1, 1, within=0.75, of_groups=0.9) >= 1


@pytest.mark.slow
def test_folds_forecast_groups_left_out_and_the_package_predicts_with_the_interval(tmp_path: Path) -> None:
    rng, lines = np.random.default_rng(5), ["heat,noise,left,machine"]
    for machine in range(15):
        life = int(rng.integers(40, 90))
        lines += [
            f"{100 - left + rng.normal(0, 2):.3f},{rng.normal():.3f},{left},m{machine}"
            for left in range(life - 1, -1, -1)
        ]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    (tmp_path / "pipeline.toml").write_text(RUN)
    data = str(tmp_path / "rows.csv")
    pipeline = ew.Pipeline.from_toml(tmp_path / "pipeline.toml", data=data)
    assert pipeline.config is not None
    folds = forecast_folds(pipeline.config, data, FoldRequest(folds=3, inner=2), Listener())
    assert {name for fold in folds.folds for name in fold.test.groups} == {f"m{number}" for number in range(15)}
    assert all(not {*fold.test.groups} & {*fold.calibration.groups} for fold in folds.folds)
    side = together([fold.test for fold in folds.folds])
    band = band_of(np.array(side.forecasts), np.array(side.truth), 0.05, 0.05, 3)
    run = pipeline.run(out=tmp_path / "runs")
    assert run.package is not None
    write_interval_package(run.package, tmp_path / "wear.edge", band, 15)
    answers = ew.load(tmp_path / "wear.edge").predict(np.array([[50.0, 0.0]], np.float32))
    low, high = np.asarray(answers.interval)[0]
    assert low < np.asarray(answers.predictions)[0] < high
    with pytest.raises(UnknownNameError):
        forecast_folds(pipeline.config, data, FoldRequest(judge=("m0", "mm")), Listener())
    with pytest.raises(InputError):
        forecast_folds(pipeline.config, data, FoldRequest(folds=30), Listener())

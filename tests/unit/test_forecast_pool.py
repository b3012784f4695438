"""Forecasts of series that nothing was fitted on: recursions learnt on many others."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.errors import ForecasterError, InputError, TooFewRowsError
from edgewright.language.forecasting.backtest import naive_error
from edgewright.language.forecasting.pool import fit_pool, pool_bytes, read_pool, write_pool
from edgewright.language.forecasting.selection import ForecastRequest, adopt_pool
from edgewright.monitor.forecaster import forecaster_bytes, parse_forecaster, read_forecaster
from support import shared_data

Floats = NDArray[np.float64]
REQUEST = ForecastRequest(24, (24,))


def rhythm(kind: int, rows: int = 400, seed: int = 0) -> Floats:
    """Return a day of 24 rows: one kind returns to it, the other wanders on."""
    random, t = np.random.default_rng(seed), np.arange(rows)
    wave = np.sin(2 * np.pi * t / 24 + seed) + 0.5 * np.sin(4 * np.pi * t / 24)
    rest = np.cumsum(random.normal(size=rows)) if kind else random.normal(size=rows)
    return np.asarray((1 + seed) * (10 * wave + rest) + 1000 * seed)


def others(count: int = 6) -> list[Floats]:
    return [rhythm(kind, seed=seed) for seed in range(count) for kind in (0, 1)]


def test_a_pool_forecasts_a_series_of_another_unit_and_level() -> None:
    pool = fit_pool(others(), (24,), 24)
    assert pool.series == 12
    assert sum(one.series for one in pool.members if "levels" in one.name) == 12
    for one in pool.members:
        assert sum(one.weights) == pytest.approx(1, abs=1e-9)
    for kind in (0, 1):
        ours, naive = 0.0, 0.0
        for seed in range(20, 28):
            values = rhythm(kind, 450, seed=seed)
            known, coming = values[:400], values[400:424]
            forecast = adopt_pool(pool, known, REQUEST).start().forecast(24).middle
            ours += float(np.abs(forecast - coming).mean()) / (1 + seed)
            naive += float(np.abs(known[376:400] - coming).mean()) / (1 + seed)
        assert ours < naive
        # Nothing depends on the unit: the same series times 7 plus 5e5 has the forecasts times 7 plus 5e5.
        other = adopt_pool(pool, 7 * known + 5e5, REQUEST).start().forecast(24)
        assert np.abs((other.middle - 5e5) / 7 - forecast).max() < 1e-3 * np.ptp(known)
        assert (other.low[1] <= other.low[0]).all()
        assert (other.low[0] < other.middle).all()


def test_a_forecaster_of_a_pool_is_one_like_others(tmp_path: Path) -> None:
    adopted = adopt_pool(fit_pool(others(), (24,), 24), rhythm(0, seed=30), REQUEST)
    again = parse_forecaster(forecaster_bytes(adopted), "a")
    assert again.spec == adopted.spec
    assert adopted.spec.name.endswith("not fitted here")
    assert "12 other series" in adopted.spec.reason
    assert {one.name for one in adopted.spec.candidates} >= {"seasonal naive, 24 rows", adopted.spec.name}
    assert all(one.of > 0 for one in adopted.spec.coverage)


def test_short_and_constant_series_have_forecasts() -> None:
    pool = fit_pool(others(), (24,), 24)
    short = rhythm(0, 75, seed=9)
    assert np.isfinite(adopt_pool(pool, short, REQUEST).start().forecast(24).middle).all()
    flat = adopt_pool(pool, np.full(200, 3.5), REQUEST).start().forecast(24).middle
    assert flat == pytest.approx(np.full(24, 3.5))
    with pytest.raises(TooFewRowsError):
        adopt_pool(pool, short[:60], REQUEST)
    with pytest.raises(ForecasterError):
        adopt_pool(pool, short, ForecastRequest(24, (12,)))
    with pytest.raises(ForecasterError):
        fit_pool([np.full(400, 1.0), short], (24,), 24)


def test_a_pool_without_seasons_and_of_one_series() -> None:
    walk = np.cumsum(np.random.default_rng(0).normal(size=300))
    pool = fit_pool([walk], (), 5)
    assert len(pool.members) == 2
    assert np.isfinite(adopt_pool(pool, 100 - walk, ForecastRequest(5)).start().forecast(5).middle).all()


@pytest.mark.slow
def test_the_same_series_give_the_same_file_and_bad_files_are_refused(tmp_path: Path) -> None:
    pool = fit_pool(others(), (24,), 24)
    assert pool_bytes(pool) == pool_bytes(fit_pool(others(), (24,), 24))
    write_pool(tmp_path / "a.pool", pool)
    assert read_pool(tmp_path / "a.pool") == pool
    record: dict[str, Any] = msgspec.to_builtins(pool)
    first = record["members"][0]
    for change, message in (
        ({"version": 2}, "newer than this"), ({"members": []}, "recursions"), ({"seasons": [24, 3]}, "in order"),
        ({"members": [{**first, "lags": first["lags"][::-1]}]}, "lags in order"),
        ({"members": [{**first, "weights": [2 * w for w in first["weights"]]}]}, "sum to 1"),
        ({"horizon": "x"}, "JSON file of a pool"),
    ):  # fmt: skip
        (tmp_path / "b.pool").write_bytes(msgspec.json.encode({**record, **change}))
        with pytest.raises(InputError, match=message):
            read_pool(tmp_path / "b.pool")
    (tmp_path / "b.pool").write_bytes(b'{"version": 1, "name": "\xff\xfe"}')
    with pytest.raises(InputError, match="JSON file of a pool"):
        read_pool(tmp_path / "b.pool")
    with pytest.raises(InputError, match="the file of a pool"):
        read_pool(tmp_path / "none.pool")


def test_commands_pool_and_forecast_a_new_series(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "meters"
    folder.mkdir()
    for number, values in enumerate(others(3)):
        (folder / f"{number}.csv").write_text("kW\n" + "\n".join(f"{v:.5g}" for v in values) + "\n")
    (folder / "broken.csv").write_text("kW\nabc\n")
    out = str(tmp_path / "m.pool")
    pooling = ["forecast", "pool", str(folder), "--season", "24", "--horizon", "24", "--out", out]
    record = cli.json(*pooling)
    assert record["series"] == 6
    assert "skipped broken.csv" in record["notes"][0]
    assert "--force" in cli(*pooling, code=2)
    new, forecaster = tmp_path / "new.csv", tmp_path / "new.forecaster"
    new.write_text("kW\n" + "\n".join(f"{v:.5g}" for v in rhythm(0, 300, seed=7)) + "\n")
    requested = ["forecast", str(new), "--horizon", "24", "--pooled", out, "--out", str(forecaster)]
    record = cli.json(*requested)
    assert record["seasons"] == [24]
    assert record["tried"][0]["mase"] < 1
    assert run(["forecast", "run", str(forecaster), "--horizon", "3"]) == 0
    assert read_forecaster(forecaster).spec.reason.startswith("its recursions come from 6 other series")
    (tmp_path / "bad.pool").write_text("{")
    (tmp_path / "empty").mkdir()
    for wrong, message in (
        ([str(new), "--horizon", "24", "--pooled", str(tmp_path / "bad.pool")], "JSON file of a pool"),
        ([str(new), "--horizon", "24", "--pooled", out, "--season", "12"], "seasons of the pool"),
        ([str(new), "--horizon", "24", "--pooled", str(tmp_path / "no.pool")], "no such file"),
        (["pool", str(tmp_path / "empty"), "--season", "24", "--horizon", "24", "--out", out, "--force"], "folder of"),
        (["run", out], "A pool makes one for a series"),
        (["pool", str(new), "--season", "24", "--horizon", "24", "--out", out, "--force"], "a file"),
        (["pool", str(folder), "--season", "x", "--horizon", "24", "--out", out, "--force"], "--season"),
    ):
        assert message in cli("forecast", *wrong, code=2)


@pytest.mark.slow
@pytest.mark.needs_data
def test_on_m4_it_beats_the_seasonal_naive_forecast_clearly() -> None:
    """Forty hourly series, judged on the tails of their training parts, from a pool of forty others."""
    with gzip.open(shared_data("m4") / "Hourly-train.csv.gz", "rt") as file:
        rows = [np.array([float(cell) for cell in row[1:] if cell]) for row in list(csv.reader(file))[::3]]
    pool = fit_pool([values[:-48] for values in rows[:80:2]], (24, 168), 48)
    ours, naive = [], []
    for values in rows[1:80:2]:
        known, coming = values[:-48], values[-48:]
        unit = naive_error(known, 24)
        ours.append(
            np.abs(adopt_pool(pool, known, ForecastRequest(48)).start().forecast(48).middle - coming).mean() / unit
        )
        naive.append(np.abs(np.tile(known[-24:], 2) - coming).mean() / unit)
    assert np.mean(ours) < 0.85 * np.mean(naive)

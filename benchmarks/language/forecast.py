"""Forecasts of M4 (hourly, weekly) and ETTh1: everything was chosen on training parts, the test part is the report.

Peers run between our own fits, series by series, where EDGEWRIGHT_PEERS names a Python with statsforecast.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.language.row import DATA, Row, left_out
from benchmarks.table import ONE_THREAD, ROOT
from edgewright.language.forecasting.backtest import bootstrap, naive_error, smape
from edgewright.language.forecasting.calendar_seasons import choose_seasons
from edgewright.language.forecasting.linear import Form, fit, run, unscaled
from edgewright.language.forecasting.pool import fit_pool
from edgewright.language.forecasting.selection import ForecastRequest, adopt_pool, fit_forecaster
from edgewright.monitor.forecaster import Forecast, ForecasterFile, forecaster_bytes
from edgewright.monitor.records import LinearModel

Floats = NDArray[np.float64]
# A fit takes 4 ms; the default tries up to six sets of seasons.
LIMIT_MS = 30.0
PEERS = os.environ.get("EDGEWRIGHT_PEERS", "")
# The convention of Informer and DLinear: 12 months to train, 4 to validate, 4 to test.
_ETT_TRAIN, _ETT_KNOWN, _ETT_END, _ETT_AHEAD = 8640, 11520, 14400, 96

ETT = ForecastRequest(_ETT_AHEAD, (24, 168))


@dataclass(frozen=True)
class Part:
    """A frequency of M4: file, rows ahead, season of MASE and of peers, seasons to name, step, what is asked for."""

    name: str
    horizon: int
    unit: int
    seasons: tuple[int, ...]
    step: float
    target: float


PARTS = (
    Part("Hourly", 48, 24, (24, 168), 3600.0, 0.72),
    Part("Weekly", 13, 1, (52,), 7 * 86_400.0, 2.15),
)
# What a user gets without a word comes first; M4 has no times, so no clock helps it.
DEFAULT, BY_CLOCK, NAMED = "ours, default", "ours, the step known", "ours, seasons named"


def series(part: Part, which: str) -> list[Floats]:
    """All series of a frequency, 'train' or 'test', in the order of the file."""
    with gzip.open(DATA / "m4" / f"{part.name}-{which}.csv.gz", "rt", encoding="utf-8") as file:
        return [np.array([float(cell) for cell in row[1:] if cell]) for row in csv.reader(file)]


def rows() -> list[Row]:
    """Ours, the pooled one, and peers."""
    rows: list[Row] = []
    for part in PARTS:
        rows += _m4(part)
    pool = fit_pool(series(PARTS[0], "train"), PARTS[0].seasons, PARTS[0].horizon)
    fitted = _ett("ours, seasons named", lambda values: fit_forecaster(values, ETT))
    default = _ett(
        DEFAULT,
        lambda values: fit_forecaster(values, ForecastRequest(_ETT_AHEAD, _seasons(values, _ETT_AHEAD, 3600.0))),
    )
    unseen = _ett("ours, zero-shot: learnt on M4 hourly", lambda values: adopt_pool(pool, values, ETT))
    weekly = Form("week", "level", 0, (168,), 168, fitted=False)
    naive = _ett("seasonal naive, a week", lambda values: fit(weekly, values))
    return [*rows, default, fitted, unseen, naive]


def _m4(part: Part) -> list[Row]:
    train, test = series(part, "train"), series(part, "test")
    request, task = ForecastRequest(part.horizon, part.seasons), f"M4 {part.name.lower()}, {len(train)} series, MASE"
    errors: dict[str, list[tuple[float, float, float]]] = {}
    covered, sizes = np.zeros(2), []

    def add(name: str, number: int, forecast: Floats, seconds: float) -> None:
        error = float(np.abs(forecast - test[number]).mean()) / naive_error(train[number], part.unit)
        errors.setdefault(name, []).append((error, smape(test[number], forecast), seconds))

    def ours(name: str, number: int, seasons: Callable[[], tuple[int, ...]]) -> tuple[ForecasterFile, Forecast]:
        began = time.process_time()
        forecaster = fit_forecaster(train[number], ForecastRequest(part.horizon, seasons()))
        spent = time.process_time() - began
        coming = forecaster.start().forecast(part.horizon)
        add(name, number, coming.middle, spent)
        return forecaster, coming

    with _peers() as peers:
        for number, values in enumerate(train):
            forecaster, coming = ours(DEFAULT, number, partial(_seasons, values, part.horizon))
            ours(BY_CLOCK, number, partial(_seasons, values, part.horizon, part.step))
            ours(NAMED, number, lambda: part.seasons)
            covered += ((test[number] >= coming.low) & (test[number] <= coming.high)).mean(axis=1) / len(train)
            sizes.append(len(forecaster_bytes(forecaster)))
            question = {"values": values.tolist(), "horizon": part.horizon, "season": part.unit}
            for name, (forecast, seconds) in peers(question).items():
                add(f"{name}, statsforecast", number, np.array(forecast), seconds)
    for number, forecaster, seconds in _zero_shot(part, train, request):
        add(
            "ours, zero-shot: learnt on other series", number, forecaster.start().forecast(part.horizon).middle, seconds
        )
    made_rows = [
        _row(task, name, scores, part, f"; intervals held {covered[0]:.0%}, {covered[1]:.0%} of 80, 95 %; "
             f"file {np.median(sizes) / 1000:.1f} kB" if name == DEFAULT else "", len(train))
        for name, scores in errors.items()
    ]  # fmt: skip
    return made_rows if PEERS else [*made_rows, left_out(task, "statsforecast", "EDGEWRIGHT_PEERS names no Python")]


def _seasons(values: Floats, horizon: int, step: float = 0.0) -> tuple[int, ...]:
    return choose_seasons(values, horizon, step).rows


def _row(task: str, name: str, scores: list[tuple[float, float, float]], part: Part, more: str, whole: int) -> Row:
    errors, percent, seconds = (np.array(column) for column in zip(*scores, strict=True))
    low, high = bootstrap(errors)
    each = 1000 * float(seconds.mean())
    some = f" on {len(errors)} of {whole}" if len(errors) < whole else ""
    reached = f"{errors.mean():.3f} ({low:.3f} to {high:.3f}){some}, sMAPE {percent.mean():.2f}{more}"
    ours = name == DEFAULT
    within = float(errors.mean()) <= part.target and each <= LIMIT_MS if ours else None
    return Row(
        task, name, reached, f"{each:.2f} ms CPU a series", f"{part.target}; {LIMIT_MS:g} ms" if ours else "", within
    )


def _zero_shot(
    part: Part, train: list[Floats], request: ForecastRequest
) -> Iterator[tuple[int, ForecasterFile, float]]:
    """Each half of the series by recursions that were learnt on the other half."""
    for half in (0, 1):
        pool = fit_pool(train[1 - half :: 2], part.seasons, part.horizon)
        for number in range(half, len(train), 2):
            began = time.process_time()
            adopted = adopt_pool(pool, train[number], request)
            yield number, adopted, time.process_time() - began


def _ett(name: str, make: Callable[[Floats], ForecasterFile | LinearModel]) -> Row:
    """Mean squared error of all seven columns, each in deviations of its training part, from every hour of the test."""
    with gzip.open(DATA / "ett" / "ETTh1.csv.gz", "rt", encoding="utf-8") as file:
        table = np.array([[float(cell) for cell in row[1:]] for row in list(csv.reader(file))[1:]])
    errors, spent = [], 0.0
    origins = np.arange(_ETT_KNOWN, _ETT_END - _ETT_AHEAD + 1)
    for column in table.T:
        began = time.process_time()
        forecaster = make(column[:_ETT_KNOWN])
        spent += time.process_time() - began
        model = forecaster.spec.model if isinstance(forecaster, ForecasterFile) else forecaster
        forecasts = unscaled(model, run(model, column, origins, _ETT_AHEAD))
        truth = column[origins[:, None] + np.arange(_ETT_AHEAD)]
        errors.append(float(np.mean(((truth - forecasts) / column[:_ETT_TRAIN].std()) ** 2)))
    each = ", ".join(f"{error:.2f}" for error in errors)
    return Row("ETTh1, 96 hours ahead, MSE of 7 columns", name, f"{np.mean(errors):.3f} ({each})",
               f"{1000 * spent / 7:.1f} ms CPU a column", "DLinear .375 published")  # fmt: skip


@contextmanager
def _peers() -> Iterator[Callable[[dict[str, Any]], dict[str, Any]]]:
    """Ask the process of the peers; nothing where there is none."""
    if not PEERS:
        yield lambda question: {}
        return
    command = [PEERS, "-m", "benchmarks.language.forecast_peers"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **ONE_THREAD}
    ) as process:
        assert process.stdin is not None  # noqa: S101 - it was asked for
        assert process.stdout is not None  # noqa: S101
        given, reported = process.stdin, process.stdout

        def ask(question: dict[str, Any]) -> dict[str, Any]:
            given.write(json.dumps(question) + "\n")
            given.flush()
            answer: dict[str, Any] = json.loads(reported.readline())
            return answer

        yield ask
        given.close()

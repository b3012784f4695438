"""The rolling backtest: candidates fitted before a stretch of the training part, and judged within it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import TooFewRowsError
from edgewright.language.forecasting.linear import Form, fit, run, scaled, unscaled
from edgewright.monitor.forecaster import ForecasterFile
from edgewright.monitor.records import CandidateScore, Coverage, LinearModel


def score_forecaster(forecaster: ForecasterFile, values: NDArray[np.float64], where: str) -> dict[str, Any]:
    """MASE, sMAPE and the share within each interval; values that are missing are not judged.

    MASE is in units of the seasonal naive error of the rows that the forecaster was fitted on. Its interval draws
    origins anew, which overlap: it is too narrow where few horizons lie in the rows.

    Args:
        forecaster: as read.
        values: coming rows in order, shape (rows,), NaN where missing.
        where: of the rows, for messages.

    Raises:
        InputError: fewer rows than the horizon, or none with a value.
    """
    spec, running = forecaster.spec, forecaster.start()
    origins = len(values) - spec.horizon + 1
    if origins < 1:
        do = f"Give {spec.horizon} rows or more"
        raise TooFewRowsError(f"rows for a horizon of {spec.horizon}", f"{len(values)}", where, do)
    errors, ratios, within = [], [], np.zeros(len(spec.levels), np.int64)
    for origin in range(origins):
        coming, truth = running.forecast(spec.horizon), values[origin : origin + spec.horizon]
        known = np.isfinite(truth)
        error = np.abs(coming.middle - truth)[known]
        size = (np.abs(coming.middle) + np.abs(truth))[known]
        errors.append(error)
        ratios.append(np.where(size > 0, 200 * error / np.where(size > 0, size, 1.0), 0.0))
        within += ((truth >= coming.low) & (truth <= coming.high)).sum(axis=1)
        running.push(float(values[origin]))
    every = np.concatenate(errors)
    if not len(every):
        raise TooFewRowsError("rows with values", "none", where)
    low, high = bootstrap(np.array([error.mean() for error in errors if len(error)]) / spec.naive)
    return {
        "rows": len(values), "origins": origins, "mase": float(every.mean() / spec.naive), "low": low, "high": high,
        "smape": float(np.concatenate(ratios).mean()), "mae": float(every.mean()),
        "coverage": [{"level": a, "held": int(b), "of": len(every)} for a, b in zip(spec.levels, within, strict=True)],
    }  # fmt: skip


Floats = NDArray[np.float64]
# Horizons that the stretch of the choice is long, at most, and origins a horizon: chosen on the training parts of M4.
_HORIZONS, _ORIGINS = 4, 8
# Of the stretch that gives the intervals: residuals of a few weeks say little of the next ones.
_WIDER, _FEWER = 20, 4
# Origins at which a referee is asked, at most: it is fitted anew at each.
_FITTED_ANEW = 4


@dataclass(frozen=True)
class Folds:
    """Where the backtest looks.

    Attributes:
        start: rows before it fit the candidates.
        origins: rows known at each fold, ascending.
        horizon: rows ahead.
        unit: mean absolute error of the seasonal naive forecast in all training rows, by which errors are scaled.
    """

    start: int
    origins: NDArray[np.int64]
    horizon: int
    unit: float


@dataclass(frozen=True)
class BacktestResult:
    """A candidate after the backtest: its score, the errors of its folds, and residuals (folds, horizon) in u.

    `form` says what a single recursion is; `fit` gives the model of any candidate of the device from rows.
    """

    score: CandidateScore
    errors: Floats
    residuals: Floats
    form: Form | None = None
    fit: Callable[[Floats], LinearModel] | None = None
    forecasts: Floats | None = None


def naive_error(values: Floats, season: int) -> float:
    """Return mean absolute difference over a season (Hyndman and Koehler 2006); 1 where the series never changes."""
    season = season if season < len(values) else 1
    error = float(np.mean(np.abs(values[season:] - values[:-season]))) if len(values) > season else 0.0
    return error if error > 0 else 1.0


def folds_of(values: Floats, horizon: int, season: int, *, horizons: int = _HORIZONS, each: int = _ORIGINS) -> Folds:
    """Origins over the last third of the rows, or so many horizons, whichever is less.

    Args:
        values: shape (rows,), at least three horizons.
        horizon: rows ahead.
        season: of the unit of errors.
        horizons: that the stretch is long, at most.
        each: origins a horizon.
    """
    rows = len(values)
    start = rows - min(horizons * horizon, rows // 3)
    origins = np.arange(start, rows - horizon + 1, max(1, horizon // each))
    return Folds(start, origins, horizon, naive_error(values, season))


def wider(values: Floats, folds: Folds) -> Folds:
    """Fold over a longer stretch, for the intervals."""
    return replace(folds_of(values, folds.horizon, 1, horizons=_WIDER, each=_FEWER), unit=folds.unit)


def smape(values: Floats, forecasts: Floats) -> float:
    """Symmetric mean absolute percentage error of M4, in per cent; where both are zero it is right."""
    size = np.abs(values) + np.abs(forecasts)
    return float(np.mean(np.where(size > 0, 200 * np.abs(values - forecasts) / np.where(size > 0, size, 1.0), 0.0)))


def actual(values: Floats, folds: Folds) -> Floats:
    """Return what came: shape (folds, horizon)."""
    return np.asarray(values[folds.origins[:, None] + np.arange(folds.horizon)])


def judge(form: Form, values: Floats, folds: Folds) -> BacktestResult:
    """Judge a candidate, fitted once before the stretch; later rows reach it as they would on a device."""
    began = time.perf_counter()
    model = fit(form, values[: folds.start])
    spent = time.perf_counter() - began
    result = judge_model(form.name, model, values, folds, numbers=len(model.weights) + 1 if form.fitted else 0)
    score = msgspec.structs.replace(result.score, seconds=result.score.seconds + spent)
    return BacktestResult(score, result.errors, result.residuals, form, partial(fit, form), result.forecasts)


def judge_model(name: str, model: LinearModel, values: Floats, folds: Folds, numbers: int = 0) -> BacktestResult:
    """Return a recursion as it is, from every origin."""
    began = time.perf_counter()
    path = run(model, values, folds.origins, folds.horizon)
    forecasts = unscaled(model, path)
    truth = actual(values, folds)
    residuals = scaled(model, truth.ravel()).reshape(truth.shape) - path
    spent = time.perf_counter() - began
    result = _result(name, truth, forecasts, folds, spent, numbers=numbers, device=True)
    return BacktestResult(result.score, result.errors, residuals, forecasts=forecasts)


def judge_mixture(
    name: str, forecasts: Floats, values: Floats, folds: Folds, spread: float, *, numbers: int
) -> BacktestResult:
    """Judge a mixture of candidates from their forecasts, shape (folds, horizon), in units of the column."""
    truth = actual(values, folds)
    result = _result(name, truth, forecasts, folds, 0.0, numbers=numbers, device=True)
    return BacktestResult(result.score, result.errors, (truth - forecasts) / spread)


def judge_referee(name: str, forecast: Callable[[Floats, int], Floats], values: Floats, folds: Folds) -> BacktestResult:
    """Return a method that has no form on a device, fitted anew at each of a few origins."""
    began = time.perf_counter()
    chosen = np.unique(np.linspace(0, len(folds.origins) - 1, min(_FITTED_ANEW, len(folds.origins))).astype(int))
    some = replace(folds, origins=folds.origins[chosen])
    forecasts = np.stack([forecast(values[:origin], folds.horizon) for origin in some.origins])
    spent = time.perf_counter() - began
    return _result(name, actual(values, some), forecasts, folds, spent, numbers=0, device=False)


def _result(
    name: str, truth: Floats, forecasts: Floats, folds: Folds, spent: float, *, numbers: int, device: bool
) -> BacktestResult:
    errors = np.abs(truth - forecasts).mean(axis=1) / folds.unit
    low, high = bootstrap(errors)
    score = CandidateScore(
        name=name, mase=float(errors.mean()), smape=smape(truth, forecasts), low=low, high=high, numbers=numbers,
        seconds=spent, device=device,
    )  # fmt: skip
    return BacktestResult(score, errors, np.empty((0, folds.horizon)))


def bootstrap(values: Floats) -> tuple[float, float]:
    """95 % interval of a mean, over what was measured (folds, series), with a fixed seed."""
    if len(values) < 2:
        return float(values.mean()), float(values.mean())
    low, high = np.quantile(_draws(len(values)) @ values, [0.025, 0.975])
    return float(low), float(high)


@lru_cache(maxsize=8)
def _draws(count: int) -> Floats:
    """How often each of so many values is drawn, as shares: shape (400, count)."""
    return np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), 400) / count


def widths_of(residuals: Floats, levels: Sequence[float]) -> Floats:
    """Half widths of intervals, shape (levels, horizon), by split conformal prediction per step ahead.

    The quantile of the absolute residuals is the one that n exchangeable folds owe, ceil((n + 1) * level) of n (Lei et
    al. 2018). A step's residuals are joined with those of its neighbours, and widths never shrink with the horizon.
    """
    folds, horizon = residuals.shape
    sizes = np.abs(residuals)
    widths = np.empty((len(levels), horizon))
    for h in range(horizon):
        near = np.sort(sizes[:, max(0, h - 1) : h + 2].ravel())
        for row, level in enumerate(levels):
            rank = min(int(np.ceil((len(near) + 1) * level / 100)), len(near))
            widths[row, h] = near[rank - 1] if folds else 0.0
    return np.maximum.accumulate(widths, axis=1)


def coverage_of(residuals: Floats, origins: NDArray[np.int64], levels: Sequence[float]) -> tuple[Coverage, ...]:
    """Intervals made from the earlier half of the folds, checked on later folds that share no row with them."""
    folds, horizon = residuals.shape
    half = folds // 2
    later = [i for i in range(half, folds) if origins[i] >= origins[half - 1] + horizon] if half else []
    if not later:
        return tuple(Coverage(level=level, inside=0, of=0) for level in levels)
    widths = widths_of(residuals[:half], levels)
    sizes = np.abs(residuals[later])
    return tuple(
        Coverage(level=level, inside=int((sizes <= widths[row]).sum()), of=sizes.size)
        for row, level in enumerate(levels)
    )

"""A forecaster of a series without fitting: recursions of a pool, mixed by how well they did on its own past."""

from __future__ import annotations

from dataclasses import asdict, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.language.forecasting.backtest import (
    BacktestResult,
    Folds,
    coverage_of,
    folds_of,
    judge_mixture,
    judge_model,
    wider,
    widths_of,
)
from edgewright.language.forecasting.linear import Form, fit
from edgewright.language.forecasting.selection import LEAST_ROWS, SHARPNESS, About, ForecastRequest
from edgewright.monitor.forecasting.forecaster import start_state
from edgewright.monitor.forecasting.forecaster_file import ForecasterFile, with_test
from edgewright.schema.errors import InputError
from edgewright.schema.forecast import ForecasterSpec, LinearModel, Part
from edgewright.schema.forecast_pool import ForecastPool

Floats = NDArray[np.float64]
_TEST_ROWS = 16


def adopt_pool(
    pool: ForecastPool, values: Floats, asked: ForecastRequest, *, about: About | None = None
) -> ForecasterFile:
    """A forecaster of a series with the weights of a pool: none is fitted to it.

    Of the series come only its mean and spread (units), how much of each recursion is mixed in (by the inverse MASE of
    a rolling backtest, as `choose` mixes what it fitted) and the widths of the intervals. Seasonal naive forecasts take
    part in the mixture.

    Args:
        pool: as read.
        values: shape (rows,), finite.
        asked: horizon, seasons and levels; the seasons of the pool where it has none.
        about: its column and times.

    Raises:
        InputError: fewer rows than three horizons, or other seasons than the pool's.
    """
    about = about or About()
    least = max(LEAST_ROWS, 3 * asked.horizon)
    if len(values) < least:
        raise InputError(f"at least {least} rows for a horizon of {asked.horizon}", str(len(values)),
                         f"column {about.column}", "Give more rows")  # fmt: skip
    seasons = asked.seasons or pool.seasons
    if seasons != pool.seasons:
        told = ", ".join(map(str, pool.seasons)) or "none"
        got = ", ".join(map(str, seasons))
        raise InputError(f"a series with the seasons of the pool, {told}", got, f"pool {pool.name}", f"--season {told}")
    asked = replace(asked, seasons=seasons)
    folds = folds_of(values, asked.horizon, seasons[0] if seasons else 1)
    base = fit(Form("pooled", fitted=False), values)
    models = [(name, model) for name, model in _candidates(pool, base) if model.reach + 1 < folds.start]
    # A series too short for the shortest season has the last value alone.
    models = models or [("naive (the last value)", msgspec.structs.replace(base, lags=(1,), weights=(1.0,), bias=0.0))]
    judged = [judge_model(name, model, values, folds, numbers=len(model.weights)) for name, model in models]
    shares = _shares(judged)
    mixed = _mixed([model for _, model in models], shares)
    first = _judged_mixture(judged, shares, values, folds, mixed)
    far = wider(values, folds)
    far = replace(far, origins=far.origins[far.origins > mixed.reach])
    final = judge_model(first.score.name, mixed, values, far) if len(far.origins) > len(folds.origins) else first
    used = far if final is not first else folds
    scores = sorted([first.score, *(one.score for one in judged)], key=lambda one: one.mase)
    spec = ForecasterSpec(
        name=first.score.name, seasons=seasons, horizon=asked.horizon, levels=asked.levels, model=mixed,
        rows=len(values), tried=tuple(scores),
        reason=f"its recursions were learnt on {pool.series:,} other series; only their shares are this one's",
        coverage=coverage_of(final.residuals, used.origins, asked.levels), naive=folds.unit, **asdict(about),
    )  # fmt: skip
    widths = widths_of(final.residuals, asked.levels).astype(np.float32)
    return with_test(spec, start_state(mixed, values), widths, values[-_TEST_ROWS:])


def _candidates(pool: ForecastPool, base: LinearModel) -> list[tuple[str, LinearModel]]:
    """The recursions in the units of a series, and its seasonal naive forecasts."""
    made = [
        (one.name, msgspec.structs.replace(base, lags=one.lags, weights=one.weights, bias=0.0)) for one in pool.members
    ]
    naive = [
        (f"seasonal naive, {s} rows", msgspec.structs.replace(base, lags=(s,), weights=(1.0,), bias=0.0))
        for s in pool.seasons
    ]
    return made + naive


def _shares(judged: list[BacktestResult]) -> Floats:
    sizes = np.array([one.score.mase for one in judged])
    sizes = np.maximum(np.where(np.isfinite(sizes), sizes, 1e12), 1e-12)
    weights = (sizes.min() / sizes) ** SHARPNESS
    return np.asarray(weights / weights.sum())


def _mixed(models: list[LinearModel], shares: Floats) -> LinearModel:
    others = tuple(
        Part(share=float(share), lags=model.lags, weights=model.weights)
        for model, share in zip(models[1:], shares[1:], strict=True)
    )
    return msgspec.structs.replace(models[0], others=others)


def _judged_mixture(
    judged: list[BacktestResult], shares: Floats, values: Floats, folds: Folds, mixed: LinearModel
) -> BacktestResult:
    forecasts = sum(
        share * one.forecasts for share, one in zip(shares, judged, strict=True) if one.forecasts is not None
    )
    numbers = sum(len(part.weights) + 1 for part in mixed.parts)
    return judge_mixture("pooled mixture, not fitted here", np.asarray(forecasts), values, folds, mixed.spread,
                         numbers=numbers)  # fmt: skip

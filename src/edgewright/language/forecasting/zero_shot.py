"""Forecasters of a series without fitting: recursions of a pool or of another forecaster, in the series' units."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.language.forecasting.backtest import folds_of, judge_mixture, judge_model, wider
from edgewright.language.forecasting.linear import Form, fit
from edgewright.language.forecasting.selection import LEAST_ROWS, About, ForecastRequest, finished, mixed
from edgewright.monitor.forecaster import ForecasterFile
from edgewright.schema.errors import InputError
from edgewright.schema.forecast import ForecastPool, LinearModel, Part

Floats = NDArray[np.float64]


def adopt_pool(
    pool: ForecastPool, values: Floats, request: ForecastRequest, *, about: About | None = None
) -> ForecasterFile:
    """Return a forecaster of a series with the weights of a pool: none is fitted to it.

    Of the series come only its mean and spread (units), how much of each recursion is mixed in (by the inverse MASE of
    a rolling backtest, as `choose` mixes what it fitted) and the widths of the intervals. Seasonal naive forecasts take
    part in the mixture.

    Args:
        pool: as read.
        values: shape (rows,), finite.
        request: horizon, seasons and levels; the seasons of the pool where it has none.
        about: its column and times.

    Raises:
        InputError: fewer rows than three horizons, or other seasons than the pool's.
    """
    about = about or About()
    minimum = max(LEAST_ROWS, 3 * request.horizon)
    if len(values) < minimum:
        raise InputError(f"at least {minimum} rows for a horizon of {request.horizon}", str(len(values)),
                         f"column {about.column}", "Give more rows")  # fmt: skip
    seasons = request.seasons or pool.seasons
    if seasons != pool.seasons:
        text = ", ".join(map(str, pool.seasons)) or "none"
        got = ", ".join(map(str, seasons))
        raise InputError(f"a series with the seasons of the pool, {text}", got, f"pool {pool.name}", f"--season {text}")
    request = replace(request, seasons=seasons)
    folds = folds_of(values, request.horizon, seasons[0] if seasons else 1)
    base = fit(Form("pooled", fitted=False), values)
    models = [(name, model) for name, model in _candidates(pool, base) if model.reach + 1 < folds.start]
    # A series too short for the shortest season has the last value alone.
    models = models or [("naive (the last value)", msgspec.structs.replace(base, lags=(1,), weights=(1.0,), bias=0.0))]
    results = [judge_model(name, model, values, folds, numbers=len(model.weights)) for name, model in models]
    shares, forecasts = mixed(results)
    others = tuple(
        Part(share=float(share), lags=model.lags, weights=model.weights)
        for (_, model), share in zip(models[1:], shares[1:], strict=True)
    )
    model = msgspec.structs.replace(models[0][1], others=others)
    numbers = sum(len(part.weights) + 1 for part in model.parts)
    first = judge_mixture("pooled mixture, not fitted here", forecasts, values, folds, model.spread, numbers=numbers)
    far = wider(values, folds)
    far = replace(far, origins=far.origins[far.origins > model.reach])
    final = judge_model(first.score.name, model, values, far) if len(far.origins) > len(folds.origins) else first
    used = far if final is not first else folds
    scores = sorted([first.score, *(result.score for result in results)], key=lambda result: result.mase)
    reason = f"its recursions come from {pool.series:,} other series; this series sets only their weights"
    used = replace(used, unit=folds.unit)
    return finished(values, model, request, about, scores, reason, used, final.residuals, first.score.name)


def _candidates(pool: ForecastPool, base: LinearModel) -> list[tuple[str, LinearModel]]:
    """Return the recursions in the units of a series, and its seasonal naive forecasts."""
    recursions = [
        (member.name, msgspec.structs.replace(base, lags=member.lags, weights=member.weights, bias=0.0))
        for member in pool.members
    ]
    naive = [
        (f"seasonal naive, {s} rows", msgspec.structs.replace(base, lags=(s,), weights=(1.0,), bias=0.0))
        for s in pool.seasons
    ]
    return recursions + naive


def adopt(model: LinearModel, values: Floats, request: ForecastRequest, *, name: str, about: About) -> ForecasterFile:
    """Return a forecaster with the weights of another; only its centre and spread come from the series.

    Args:
        model: of another forecaster.
        values: shape (rows,), finite.
        request: horizon, seasons and levels.
        name: name of the model, for people.
        about: its column and times.

    Raises:
        InputError: fewer rows than the recursion reaches back and a horizon more, or logarithms of what has none.
    """
    minimum = model.reach + model.difference + request.horizon + 1
    if len(values) < minimum:
        raise InputError(f"at least {minimum} rows for this recursion", str(len(values)), "pooled forecaster")
    if model.scale == "log" and not (values > 0).all():
        raise InputError("values above 0 for a recursion on logarithms", "others", "pooled forecaster")
    own = fit(Form(name, model.scale, model.difference, (), 0, fitted=False), values)
    mine = msgspec.structs.replace(own, lags=model.lags, weights=model.weights, bias=model.bias, others=model.others)
    folds = folds_of(values, request.horizon, request.seasons[0] if request.seasons else 1)
    reach = model.reach + model.difference
    # Nothing is fitted, so every origin that the recursion reaches is one it has not seen.
    folds = replace(folds, origins=folds.origins[folds.origins >= reach])
    result = judge_model(f"{name}, not fitted here", mine, values, folds)
    reason, score = "its recursion comes from other series", result.score
    return finished(values, mine, request, about, [score], reason, folds, result.residuals, score.name)

"""A forecaster against seasonal naive forecasts, on later rows that chose nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import InputError
from edgewright.core.records.trace import Interval
from edgewright.language.forecasting.linear import Form, fit, run, unscaled
from edgewright.language.forecasting.selection import About, ForecastRequest, fit_forecaster
from edgewright.monitor.forecaster import ForecasterFile
from edgewright.training.metrics import group_interval

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class JudgedForecast:
    """What a forecaster did on rows after those that it was fitted on.

    Attributes:
        forecaster: fitted on the rows before.
        origins: rows known at each forecast, shape (n,).
        forecasts, truth: shape (n, horizon).
        errors: mean absolute error of each forecast, shape (n,).
        naive: the same of the best seasonal naive forecast.
        naive_name: which one that is.
    """

    forecaster: ForecasterFile
    origins: NDArray[np.int64]
    forecasts: Floats
    truth: Floats
    errors: Floats
    naive: Floats
    naive_name: str

    def blocks(self, start: int) -> NDArray[np.int64]:
        """Return the block of each origin: rows of the longest season from `start` on, so that weeks stay whole."""
        return np.asarray((self.origins - start) // max([1, *self.forecaster.spec.seasons]))

    def ratio(self, start: int) -> Interval:
        """Return the error in units of the naive error, with its interval over blocks."""

        def share(rows: NDArray[np.int64]) -> float:
            return float(self.errors[rows].sum() / max(float(self.naive[rows].sum()), 1e-12))

        return group_interval(self.blocks(start), share, by="season", within=(0.0, float("inf")))


def judge_forecast(values: Floats, start: int, request: ForecastRequest, *, column: str = "value") -> JudgedForecast:
    """Fit before `start`, and forecast from every later row.

    The naive forecast that it is compared with repeats the last value or a season, whichever is best on the rows that
    judge: the comparison favours it.

    Args:
        values: shape (rows,), finite.
        start: rows that fit.
        request: horizon and seasons.
        column: name of the values, for the forecaster.

    Raises:
        InputError: too few rows before or behind.
    """
    horizon = request.horizon
    if len(values) - start < 2 * horizon:
        raise InputError(f"at least {2 * horizon} rows that judge", f"{len(values) - start}", "forecast")
    forecaster = fit_forecaster(values[:start], request, about=About(column=column))
    origins = np.arange(start, len(values) - horizon + 1)
    truth = values[origins[:, None] + np.arange(horizon)]
    forecasts = unscaled(forecaster.spec.model, run(forecaster.spec.model, values, origins, horizon))
    rivals = {}
    for season in (1, *request.seasons):
        name = f"the value {season} rows before" if season > 1 else "the last value"
        model = fit(Form(name, lags=(season,), fitted=False), values[:start])
        rivals[name] = _errors(unscaled(model, run(model, values, origins, horizon)), truth)
    best = min(rivals, key=lambda name: float(rivals[name].mean()))
    return JudgedForecast(forecaster, origins, forecasts, truth, _errors(forecasts, truth), rivals[best], best)


def _errors(forecasts: Floats, truth: Floats) -> Floats:
    return np.asarray(np.abs(forecasts - truth).mean(axis=1))

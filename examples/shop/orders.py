"""A re-order point that follows the forecast of a lead time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import ForecasterError, TooFewRowsError
from edgewright.language.forecasting.backtest import folds_of, wider
from edgewright.language.forecasting.linear import run, unscaled
from edgewright.language.forecasting.selection import ForecastRequest, fit_forecaster
from edgewright.monitor.forecaster import ForecasterFile

Floats = NDArray[np.float64]
# Of the spread of the errors, by which the margin moves a row at most. Chosen on M4 hourly and people counts.
STEP = 1 / 12
# Of the mean demand, below which a demand has the spread of this one: nothing at all is no forecast without error.
_FLOOR = 0.01


@dataclass(frozen=True)
class Demand:
    """Demand over the lead time, from each origin; shape (origins,) each.

    Attributes:
        expected: by the forecast.
        came: what was asked for.
    """

    expected: Floats
    came: Floats


@dataclass
class Margin:
    """How far a re-order point lies above the expected demand, in roots of it: a count of n varies by about n's root.

    It begins as the quantile of past errors (split conformal), and each lead time that ends moves it: up by
    `service` steps if the demand was above the point, else down by 1 - `service` steps. So the share of lead times that
    were served goes to `service`, however the errors change (quantile tracking: Angelopoulos, Candes and Tibshirani
    2023).

    Attributes:
        value: now.
        step: it moves.
        floor: demand, below which the root is that of the floor.
        service: share of lead times, between 0 and 1.
    """

    value: float
    step: float
    floor: float
    service: float

    def point(self, expected: float) -> float:
        """Return the re-order point, never below 0."""
        return max(0.0, expected + self.value * math.sqrt(max(expected, self.floor)))

    def learn(self, served: bool) -> None:
        """Take in how a lead time ended."""
        self.value += self.step * (self.service - served)


@dataclass(frozen=True)
class Reorder:
    """A forecaster of the lead time's rows, and the margin to begin with."""

    forecaster: ForecasterFile
    margin: Margin


@dataclass(frozen=True)
class Served:
    """How the re-order points of later rows did, at each origin.

    Attributes:
        origins: rows known at each.
        demand: over the lead time.
        points: re-order points, shape (origins,).
    """

    origins: NDArray[np.int64]
    demand: Demand
    points: Floats

    @property
    def served(self) -> NDArray[np.bool_]:
        """Whether the point was enough."""
        return np.asarray(self.demand.came <= self.points)


def reorder_point(values: Floats, request: ForecastRequest, service: float) -> Reorder:
    """Return the re-order point after the last row.

    Args:
        values: demand a row, shape (rows,), finite.
        request: its horizon is the lead time in rows.
        service: share of lead times in which nothing is sold out, between 0 and 1.

    Raises:
        InputError: too few rows, or a service that is no share.
    """
    if not 0 < service < 1:
        raise ForecasterError("a service level between 0 and 1", f"{service:g}", "re-order point")
    forecaster = fit_forecaster(values, request)
    folds = wider(values, folds_of(values, request.horizon, 1))
    # The errors are those of rows that the forecaster of the errors has not seen.
    fits = folds.start >= 3 * max(request.horizon, *request.seasons, 3)
    before = fit_forecaster(values[: folds.start], request) if fits else forecaster
    past = _demand(before, values, np.arange(folds.start, len(values) - request.horizon + 1))
    floor = max(_FLOOR * float(past.came.mean()), 1e-9)
    errors = (past.came - past.expected) / np.sqrt(np.maximum(past.expected, floor))
    rank = min(int(np.ceil((len(errors) + 1) * service)), len(errors))
    margin = Margin(float(np.sort(errors)[rank - 1]), STEP * float(errors.std()), floor, service)
    return Reorder(forecaster, margin)


def served(values: Floats, start: int, request: ForecastRequest, service: float) -> Served:
    """Follow a re-order point through later rows, which choose nothing; only its margin learns from them.

    Args:
        values: shape (rows,), finite.
        start: rows that fit.
        request: its horizon is the lead time in rows.
        service: as in `reorder_point`.

    Raises:
        InputError: too few rows before or behind.
    """
    lead = request.horizon
    if len(values) - start < 2 * lead:
        raise TooFewRowsError(f"at least {2 * lead} rows that judge", f"{len(values) - start}", "re-order point")
    begun = reorder_point(values[:start], request, service)
    margin = begun.margin
    origins = np.arange(start, len(values) - lead + 1)
    demand = _demand(begun.forecaster, values, origins)
    points = np.empty(len(origins))
    for row in range(len(origins)):
        # What was ordered a lead time ago has been sold or not by now.
        if row >= lead:
            margin.learn(bool(demand.came[row - lead] <= points[row - lead]))
        points[row] = margin.point(float(demand.expected[row]))
    return Served(origins, demand, points)


def _demand(forecaster: ForecasterFile, values: Floats, origins: NDArray[np.int64]) -> Demand:
    model, lead = forecaster.spec.model, forecaster.spec.horizon
    origins = origins[origins >= model.reach + model.difference]
    expected = unscaled(model, run(model, values, origins, lead)).sum(axis=1)
    return Demand(np.maximum(expected, 0.0), values[origins[:, None] + np.arange(lead)].sum(axis=1))

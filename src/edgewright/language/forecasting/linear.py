"""Fitting a linear recursion on the desk, and running it from many origins at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.monitor.records import LinearModel, Part, Scale

# Differences have no season of their own to lean on, and more noise: a stronger pull to no change.
_PENALTY_DIFFERENCES = 1e-2
_NO_SEASON = (1, 2, 3, 4, 5, 6, 8, 13)


def lags_for(seasons: Sequence[int], reach: int) -> tuple[int, ...]:
    """Twelve or thirteen lags: the last rows, and what lies a season back with its neighbours.

    With a day of 24 and a week of 168 rows: 1-3, 23-25, 47-49 and 167-169; with a year of 52:
    1-5, its quarters, 51-53 and 104-105. Chosen on the training parts of M4 (docs/research/forecasting.md).

    Args:
        seasons: ascending; the last two count.
        reach: longest lag that the series carries; longer ones are left out.
    """
    if not seasons:
        wanted: tuple[int, ...] = _NO_SEASON
    elif len(seasons) == 1:
        s = seasons[0]
        wanted = (1, 2, 3, 4, 5, s // 4, s // 2, 3 * s // 4, s - 1, s, s + 1, 2 * s, 2 * s + 1)
    else:
        s, long = seasons[-2:]
        wanted = (1, 2, 3, s - 1, s, s + 1, 2 * s - 1, 2 * s, 2 * s + 1, long - 1, long, long + 1)
    return tuple(sorted({lag for lag in wanted if 0 < lag <= reach})) or (1,)


def forms_for(seasons: Sequence[int], rows: int, *, positive: bool) -> list[Form]:
    """Return the candidates, the default first.

    Levels come first where two seasons hold a series in place, differences where one or none does: on the training
    parts of M4 the wrong one of the two loses a fifth, and a choice by backtest alone lies between them. Logarithms are
    tried where differences come first: with two seasons they were chosen for one series of a hundred.

    Args:
        seasons: ascending.
        rows: that they will be fitted on.
        positive: whether logarithms exist.
    """
    forms: list[Form] = []
    # A regression needs some rows a weight.
    lags = lags_for(seasons, max(1, rows // 2))
    while len(lags) > 1 and rows - lags[-1] - 1 < 3 * len(lags) + 4:
        lags = lags[:-1]
    enough = rows - lags[-1] - 1 >= 3 * len(lags) + 4
    season = max((s for s in seasons if s <= rows // 2), default=1)
    prior = season if season in lags else 1
    order: tuple[Literal[0, 1], ...] = (0, 1) if len(seasons) > 1 else (1, 0)
    scales: tuple[Scale, ...] = ("level", "log") if positive and len(seasons) < 2 else ("level",)
    for difference in order:
        for scale in scales if enough else ():
            kind = "differences" if difference else "levels"
            name = f"ridge, {kind}{' of logarithms' if scale == 'log' else ''}"
            penalty = _PENALTY_DIFFERENCES if difference else PENALTY
            forms.append(Form(name, scale, difference, lags, 0 if difference else prior, True, penalty))
    forms += [Form(f"seasonal naive, {s} rows", "level", 0, (s,), s, False) for s in seasons if s <= rows // 2]
    if len(seasons) > 1 and (count := min(SEASONS_OF_MEAN, (rows - 1) // seasons[-1])) > 1:
        back = tuple(seasons[-1] * (k + 1) for k in range(count))
        forms.append(Form(f"mean of {count} seasons, {seasons[-1]} rows", "level", 0, back, 0, False))
    return [*forms, Form("naive (the last value)", "level", 1, (), 0, False)]


# Counts vary by chance from week to week: a mean of some weeks has less of it than the last one.
SEASONS_OF_MEAN = 4
Floats = NDArray[np.float64]
# Share of the mean variance of the lags that the ridge adds; chosen on the training parts of M4 hourly and weekly.
PENALTY = 1e-5
_FAR = 1e6


@dataclass(frozen=True)
class Form:
    """What a candidate is before it is fitted.

    Attributes:
        name: for people.
        scale, difference: as in `LinearModel`.
        lags: rows back.
        prior: lag whose weight the ridge pulls to 1, all others to 0; 0 for none.
        fitted: False for a naive forecast: the mean of its lags, and there is nothing to learn.
        penalty: of the ridge.
    """

    name: str
    scale: Scale = "level"
    difference: Literal[0, 1] = 0
    lags: tuple[int, ...] = ()
    prior: int = 0
    fitted: bool = True
    penalty: float = PENALTY

    @property
    def reach(self) -> int:
        """Rows that must be known before the recursion can say anything."""
        return max(self.lags, default=0) + self.difference


def scaled(model: LinearModel, values: Floats) -> Floats:
    """Return values as the recursion sees them, before differences."""
    return (np.log(values) if model.scale == "log" else values) / model.spread - model.centre / model.spread


def unscaled(model: LinearModel, u: Floats) -> Floats:
    """Return the way back."""
    level = u * model.spread + model.centre
    return np.exp(level) if model.scale == "log" else level


def fit(form: Form, values: Floats) -> LinearModel:
    """Return a ridge regression of each value on its lags, pulled to the prior (Hoerl and Kennard 1970).

    Args:
        form: of which at least one row lies beyond `reach`.
        values: shape (rows,), finite; positive where the scale is 'log'.
    """
    level = np.log(values) if form.scale == "log" else values
    centre, spread = float(level.mean()), float(level.std())
    step = np.diff(level)
    if form.difference and len(step):
        spread = float(np.sqrt(np.mean(step * step)))
    # A constant series has no spread: the values themselves are then the unit.
    spread = spread if spread > 1e-12 * max(1.0, abs(centre)) else max(1.0, abs(centre))
    u = (level - centre) / spread
    low, high = float(u.min()), float(u.max())
    slack = max(high - low, 1.0)
    base = LinearModel(
        scale=form.scale, difference=form.difference, centre=centre, spread=spread, lags=form.lags,
        low=max(low - slack, -_FAR), high=min(high + slack, _FAR),
    )  # fmt: skip
    weights = np.full(len(form.lags), 1.0 / max(1, len(form.lags)))
    bias = 0.0
    if form.fitted and form.lags:
        weights = np.array([1.0 if lag == form.prior else 0.0 for lag in form.lags])
        weights, bias = _ridge(form, np.diff(u) if form.difference else u, weights)
    return msgspec.structs.replace(base, weights=tuple(weights.tolist()), bias=bias)


def _ridge(form: Form, z: Floats, prior: Floats) -> tuple[Floats, float]:
    reach, rows = max(form.lags), len(z)
    X = np.stack([z[reach - lag : rows - lag] for lag in form.lags], axis=1)
    y = z[reach:]
    mean_x, mean_y = X.mean(axis=0), float(y.mean())
    X = X - mean_x
    gram = X.T @ X
    penalty = form.penalty * max(float(np.trace(gram)) / len(gram), 1e-9)
    weights = prior + np.linalg.solve(gram + penalty * np.eye(len(gram)), X.T @ (y - mean_y - X @ prior))
    return weights, mean_y - float(mean_x @ weights)


def run(model: LinearModel, values: Floats, origins: Sequence[int] | NDArray[np.int64], horizon: int) -> Floats:
    """Forecasts of u from each origin: shape (origins, horizon).

    Args:
        model: as fitted.
        values: shape (rows,), finite.
        origins: rows known at each: the first row forecast is `values[origin]`; none below the reach of the model.
        horizon: rows ahead.
    """
    u = scaled(model, values)
    at = np.asarray(origins, np.int64)
    parts = model.parts
    if len(parts) == 1:
        return _run_part(model, parts[0], u, at, horizon)
    return np.asarray(sum(part.share * _run_part(model, part, u, at, horizon) for part in parts))


def _run_part(model: LinearModel, part: Part, u: Floats, at: NDArray[np.int64], horizon: int) -> Floats:
    z = np.diff(u, prepend=u[:1]) if model.difference else u
    if part.weights == (1.0,) and part.bias == 0.0 and not model.difference:
        # A naive forecast repeats its season: no step needs the one before.
        season = part.lags[0]
        return np.asarray(np.clip(z[at[:, None] - season + np.arange(horizon) % season], model.low, model.high))
    reach = max(part.lags, default=1)
    known = z[at[:, None] + np.arange(-reach, 0)[None, :]] if reach else np.empty((len(at), 0))
    buffer = np.concatenate([known, np.empty((len(at), horizon))], axis=1).T.copy()
    where = reach - np.array(part.lags, np.int64)
    weights = np.array(part.weights)
    level = u[at - 1]
    for h in range(horizon):
        fresh = weights @ buffer[where + h] + part.bias if len(where) else np.full(len(at), part.bias)
        if model.difference:
            after = np.minimum(np.maximum(level + fresh, model.low), model.high)
            buffer[reach + h] = after - level
            level = after
        else:
            buffer[reach + h] = np.minimum(np.maximum(fresh, model.low), model.high)
    steps = buffer[reach:].T
    return np.asarray(u[at - 1][:, None] + np.cumsum(steps, axis=1) if model.difference else steps)


def mixture(forms: Sequence[tuple[Form, float]], values: Floats) -> LinearModel:
    """Several recursions on the levels of a series, fitted and mixed by their shares.

    A recursion on differences is one on levels: u[t] = u[t-1] + bias + sum(w[k] * (u[t-l] - u[t-l-1])).

    Args:
        forms: of the scale 'level', with their shares; the first is one on levels, and gives u.
        values: shape (rows,), finite.
    """
    first = fit(forms[0][0], values)
    parts = []
    for form, share in forms[1:]:
        model = fit(form, values)
        weights: dict[int, float] = {}
        if form.difference:
            weights[1] = 1.0
            for lag, weight in zip(model.lags, model.weights, strict=True):
                weights[lag] = weights.get(lag, 0.0) + weight
                weights[lag + 1] = weights.get(lag + 1, 0.0) - weight
            bias = model.bias * model.spread / first.spread
        else:
            weights, bias = dict(zip(model.lags, model.weights, strict=True)), model.bias
        lags = tuple(sorted(weights))
        parts.append(Part(share=share, lags=lags, weights=tuple(weights[lag] for lag in lags), bias=bias))
    return msgspec.structs.replace(first, others=tuple(parts))

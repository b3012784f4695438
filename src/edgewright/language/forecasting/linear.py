"""Fitting a linear recursion on the desk, and running it from many origins at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.schema.forecast import LinearModel, Part, Scale

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
        fitted: False for a naive forecast: its weight at `prior` is 1, and there is nothing to learn.
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
    """Values as the recursion sees them, before differences."""
    return (np.log(values) if model.scale == "log" else values) / model.spread - model.centre / model.spread


def unscaled(model: LinearModel, u: Floats) -> Floats:
    """The way back."""
    level = u * model.spread + model.centre
    return np.exp(level) if model.scale == "log" else level


def fit(form: Form, values: Floats) -> LinearModel:
    """A ridge regression of each value on its lags, pulled to the prior (Hoerl and Kennard 1970).

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
    weights = np.array([1.0 if lag == form.prior else 0.0 for lag in form.lags])
    bias = 0.0
    if form.fitted and form.lags:
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
        origins: rows known at each: the first row foretold is `values[origin]`; none below the reach of the model.
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

"""Zero-shot forecasting: one recursion learnt on many series, used on a new one without fitting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.language.forecasting.backtest import coverage_of, folds_of, judge_model, widths_of
from edgewright.language.forecasting.choose import About, Asked
from edgewright.language.forecasting.forms import lags_for
from edgewright.language.forecasting.linear import PENALTY, Form, fit
from edgewright.runtime.forecasting.forecaster import start_state
from edgewright.runtime.forecasting.forecaster_file import ForecasterFile, with_test
from edgewright.schema.errors import InputError
from edgewright.schema.forecast import ForecasterSpec, LinearModel

Floats = NDArray[np.float64]


def fit_pooled(series: Sequence[Floats], seasons: tuple[int, ...], *, difference: Literal[0, 1]) -> LinearModel:
    """One ridge recursion over all series, each in units of its own spread: every row counts alike.

    Args:
        series: shape (rows,) each, finite; those that are too short for the lags are passed over.
        seasons: ascending.
        difference: on differences instead of levels.

    Raises:
        InputError: no series is long enough.
    """
    lags = lags_for(seasons, 1 << 20)
    reach = max(lags) + difference
    usable = [values for values in series if len(values) > reach + len(lags)]
    if not usable:
        raise InputError(f"a series of more than {reach + len(lags)} rows", "none")
    form = Form("pooled", "level", difference, lags, 0, fitted=False)
    many = len(lags)
    gram, moment = np.zeros((many + 1, many + 1)), np.zeros(many + 1)
    for values in usable:
        model = fit(form, values)
        u = (values - model.centre) / model.spread
        z = np.diff(u) if difference else u
        longest = max(lags)
        X = np.stack([*(z[longest - lag : len(z) - lag] for lag in lags), np.ones(len(z) - longest)], axis=1)
        gram += X.T @ X / len(X)
        moment += X.T @ z[longest:] / len(X)
    penalty = PENALTY * float(np.trace(gram[:many, :many])) / many
    weights = np.linalg.solve(gram + penalty * np.eye(many + 1), moment)
    # The bias belongs to the units of each series; their means are zero already.
    return LinearModel(difference=difference, lags=lags, weights=tuple(weights[:many].tolist()))


def adopt(model: LinearModel, values: Floats, asked: Asked, *, name: str, about: About) -> ForecasterFile:
    """A forecaster of a series with the weights of another: only its centre and spread are taken from the series.

    Args:
        model: of `fit_pooled` or another forecaster.
        values: shape (rows,), finite.
        asked: horizon, seasons and levels.
        name: of the model, for people.
        about: its column and times.

    Raises:
        InputError: fewer rows than the recursion reaches back and a horizon more, or logarithms of what has none.
    """
    least = model.reach + model.difference + asked.horizon + 1
    if len(values) < least:
        raise InputError(f"at least {least} rows for this recursion", str(len(values)), "pooled forecaster")
    if model.scale == "log" and not (values > 0).all():
        raise InputError("values above 0 for a recursion on logarithms", "others", "pooled forecaster")
    own = fit(Form(name, model.scale, model.difference, (), 0, fitted=False), values)
    mine = msgspec.structs.replace(own, lags=model.lags, weights=model.weights, bias=model.bias, others=model.others)
    folds = folds_of(values, asked.horizon, asked.seasons[0] if asked.seasons else 1)
    reach = model.reach + model.difference
    # Nothing is fitted, so every origin that the recursion reaches is one it has not seen.
    folds = replace(folds, origins=folds.origins[folds.origins >= reach])
    judged = judge_model(f"{name}, not fitted here", mine, values, folds)
    spec = ForecasterSpec(
        name=judged.score.name, seasons=asked.seasons, horizon=asked.horizon, levels=asked.levels, model=mine,
        rows=len(values), tried=(judged.score,), reason="its recursion was learnt on other series",
        coverage=coverage_of(judged.residuals, folds.origins, asked.levels), naive=folds.unit,
        **asdict(about),
    )  # fmt: skip
    return with_test(spec, start_state(mine, values), widths_of(judged.residuals, asked.levels).astype(np.float32),
                  values[-16:])  # fmt: skip

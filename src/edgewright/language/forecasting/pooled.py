"""The recursion of another forecaster on a series that it was not fitted on; of many series, see `pool`."""

from __future__ import annotations

from dataclasses import asdict, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.language.forecasting.backtest import coverage_of, folds_of, judge_model, widths_of
from edgewright.language.forecasting.linear import Form, fit
from edgewright.language.forecasting.selection import About, ForecastRequest
from edgewright.monitor.forecasting.forecaster import start_state
from edgewright.monitor.forecasting.forecaster_file import ForecasterFile, with_test
from edgewright.schema.errors import InputError
from edgewright.schema.forecast import ForecasterSpec, LinearModel

Floats = NDArray[np.float64]


def adopt(model: LinearModel, values: Floats, asked: ForecastRequest, *, name: str, about: About) -> ForecasterFile:
    """A forecaster of a series with the weights of another: only its centre and spread are taken from the series.

    Args:
        model: of another forecaster.
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

"""A forecaster on rows that came after those it knows: a forecast from every row, compared with what came."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.language.forecasting.backtest import bootstrap
from edgewright.monitor.forecasting.forecaster_file import ForecasterFile
from edgewright.schema.errors import InputError


def score_forecaster(made: ForecasterFile, values: NDArray[np.float64], where: str) -> dict[str, Any]:
    """MASE, sMAPE and the share within each interval; values that are missing are not judged.

    MASE is in units of the seasonal naive error of the rows that the forecaster was fitted on. Its interval draws
    origins anew, which overlap: it is too narrow where few horizons lie in the rows.

    Args:
        made: as read.
        values: coming rows in order, shape (rows,), NaN where missing.
        where: of the rows, for messages.

    Raises:
        InputError: fewer rows than the horizon, or none with a value.
    """
    spec, running = made.spec, made.start()
    origins = len(values) - spec.horizon + 1
    if origins < 1:
        do = f"Give {spec.horizon} rows or more"
        raise InputError(f"rows for a horizon of {spec.horizon}", f"{len(values)}", where, do)
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
        raise InputError("rows with values", "none", where)
    low, high = bootstrap(np.array([error.mean() for error in errors if len(error)]) / spec.naive)
    return {
        "rows": len(values), "origins": origins, "mase": float(every.mean() / spec.naive), "low": low, "high": high,
        "smape": float(np.concatenate(ratios).mean()), "mae": float(every.mean()),
        "coverage": [{"level": a, "held": int(b), "of": len(every)} for a, b in zip(spec.levels, within, strict=True)],
    }  # fmt: skip

"""Referees: what a method that no microcontroller carries would reach on the same folds. They are never exported.

Theta and exponential smoothing are written here, in NumPy: the libraries that have them (statsmodels, statsforecast)
bring pandas and more along, and a referee needs neither their options nor their intervals
(docs/adr/0035-forecasting.md).
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.errors import InputError

_PACKAGE = "chronos"


def chronos(directory: Path) -> Referee:
    """Return a model of the Chronos family (Ansari et al. 2024) in a directory with its config and weights.

    The directory is never looked up on a network. Without the package `chronos-forecasting` the referee is left out,
    with a reason.

    Raises:
        InputError: no such directory, or one without weights.
    """
    if not (directory / "config.json").is_file():
        raise InputError("a model's directory with config.json", "none", str(directory), "Download the model first")
    if not any(directory.glob("*.safetensors")) and not any(directory.glob("*.bin")):
        raise InputError("weights (*.safetensors) next to config.json", "none", str(directory))
    name = f"Chronos, {directory.name}"
    there = importlib.util.find_spec(_PACKAGE) is not None
    loaded: list[Any] = []

    def forecast(values: Floats, horizon: int) -> Floats:
        if not loaded:
            pipeline: Any = importlib.import_module(_PACKAGE).BaseChronosPipeline
            loaded.append(pipeline.from_pretrained(str(directory), device_map="cpu", local_files_only=True))
        torch: Any = importlib.import_module("torch")
        quantiles, _ = loaded[0].predict_quantiles(
            torch.tensor(values, dtype=torch.float32)[None], prediction_length=horizon, quantile_levels=[0.5]
        )
        return np.asarray(quantiles[0, :, 0].numpy(), np.float64)

    return Referee(name, forecast, "" if there else "its package is not installed (pip install chronos-forecasting)")


Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Referee:
    """A method: rows known and a horizon in, forecasts out.

    Attributes:
        name: for people.
        forecast: shape (rows,), finite, and rows ahead -> shape (horizon,).
        why: a reason why it is left out; empty where it is not.
    """

    name: str
    forecast: Callable[[Floats, int], Floats]
    why: str = ""


def referees(season: int) -> list[Referee]:
    """Theta and exponential smoothing for a season of so many rows; 1 for none."""
    return [
        Referee("Theta", lambda values, horizon: theta(values, horizon, season)),
        Referee("exponential smoothing (ETS)", lambda values, horizon: smoothing(values, horizon, season)),
    ]


def season_shape(values: Floats, season: int) -> Floats:
    """Additive seasonal figures, shape (season,), of classical decomposition: means of what a moving mean leaves."""
    rows = len(values)
    if season < 2 or rows < 2 * season + 1:
        return np.zeros(max(season, 1))
    kernel = np.r_[0.5, np.ones(season - 1), 0.5] / season if season % 2 == 0 else np.ones(season) / season
    half = len(kernel) // 2
    rest = values[half : rows - half] - np.convolve(values, kernel, mode="valid")
    location = np.arange(half, rows - half) % season
    figures = np.array([rest[location == k].mean() if (location == k).any() else 0.0 for k in range(season)])
    return np.asarray(figures - figures.mean())


def theta(values: Floats, horizon: int, season: int) -> Floats:
    """Forecast by the Theta method: smoothing with half the slope of the line as drift (Hyndman and Billah, 2003)."""
    rows = len(values)
    figures = season_shape(values, season)
    flat = values - figures[np.arange(rows) % len(figures)]
    alphas = np.linspace(0.05, 0.99, 20)
    level = np.full(len(alphas), flat[0])
    cost = np.zeros(len(alphas))
    for value in flat[1:]:
        error = value - level
        cost += error * error
        level = level + alphas * error
    best = int(np.argmin(cost))
    alpha, x = alphas[best], np.arange(rows) - (rows - 1) / 2
    drift = 0.5 * float(x @ (flat - flat.mean())) / float(x @ x)
    ahead = np.arange(horizon)
    flat_forecast = level[best] + drift * (ahead + (1 - (1 - alpha) ** rows) / alpha)
    return np.asarray(flat_forecast + figures[(rows + ahead) % len(figures)])


# Level, trend, season; damping of the trend (0: no trend). Every combination is run at once.
_GRID = list(itertools.product((0.05, 0.15, 0.3, 0.5, 0.8), (0.01, 0.1, 0.3), (0.02, 0.1, 0.3, 0.6), (0.0, 0.8, 0.95)))


def smoothing(values: Floats, horizon: int, season: int) -> Floats:
    """Additive exponential smoothing, with or without a damped trend and a season, by its error correction form.

    ETS(A,N,N), (A,Ad,N), (A,N,A) and (A,Ad,A) of Hyndman et al. 2008, over a grid of their parameters; the lowest sum
    of squared one-step errors is taken.
    """
    rows, many = len(values), len(_GRID)
    alpha, beta, gamma, damping = (np.array(column) for column in zip(*_GRID, strict=True))
    figures = season_shape(values, season)
    length = len(figures)
    gamma = gamma * (1 - alpha) if length > 1 else np.zeros(many)
    shape = np.tile(figures[:, None], (1, many))
    start = values[: max(2, min(length, rows))]
    level = np.full(many, float((start - figures[np.arange(len(start)) % length]).mean()))
    trend = np.zeros(many)
    cost = np.zeros(many)
    for t, value in enumerate(values):
        moved = level + damping * trend
        location = shape[t % length]
        error = value - moved - location
        cost += error * error
        trend = damping * trend + alpha * beta * error * (damping > 0)
        level = moved + alpha * error
        shape[t % length] = location + gamma * error
    best = int(np.argmin(cost))
    growth = np.cumsum(damping[best] ** np.arange(1, horizon + 1)) if damping[best] else np.zeros(horizon)
    return np.asarray(level[best] + growth * trend[best] + shape[(rows + np.arange(horizon)) % length, best])

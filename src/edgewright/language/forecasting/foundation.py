"""Chronos-class models as referees: through their own package, from a local directory, when both are there."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.language.forecasting.baselines import Referee
from edgewright.schema.errors import InputError

Floats = NDArray[np.float64]
_PACKAGE = "chronos"


def chronos(directory: Path) -> Referee:
    """A model of the Chronos family (Ansari et al. 2024) in a directory with its config and weights.

    The directory is never looked up on a network. Without the package `chronos-forecasting` the referee is left out,
    with a reason.

    Raises:
        InputError: no such directory, or one without weights.
    """
    if not (directory / "config.json").is_file():
        raise InputError("a model's directory with config.json", "none", str(directory), "Download the model first")
    if not any(directory.glob("*.safetensors")) and not any(directory.glob("*.bin")):
        raise InputError("weights (*.safetensors) beside config.json", "none", str(directory))
    name = f"Chronos, {directory.name}"
    if importlib.util.find_spec(_PACKAGE) is None:
        return Referee(name, _absent, why="its package is not installed (pip install chronos-forecasting)")
    held: list[Any] = []

    def forecast(values: Floats, horizon: int) -> Floats:
        if not held:
            pipeline: Any = importlib.import_module(_PACKAGE).BaseChronosPipeline
            held.append(pipeline.from_pretrained(str(directory), device_map="cpu", local_files_only=True))
        torch: Any = importlib.import_module("torch")
        quantiles, _ = held[0].predict_quantiles(
            torch.tensor(values, dtype=torch.float32)[None], prediction_length=horizon, quantile_levels=[0.5]
        )
        return np.asarray(quantiles[0, :, 0].numpy(), np.float64)

    return Referee(name, forecast)


def _absent(values: Floats, horizon: int) -> Floats:
    raise InputError("the package chronos-forecasting", "none", do="pip install chronos-forecasting")

"""What every file of `models` that can be fitted as the last stage offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgewright.schema.config import ModelConfig, TrainingConfig


@dataclass(frozen=True)
class Model:
    """The one object `MODEL` of a model's file; the file name is its `kind`.

    Attributes:
        build: (model table, training table, 'classification' or 'regression', seed) -> unfitted estimator.
        state: fitted attributes that are stored (arrays, numbers, text, lists and dicts of these); an estimator that
            was built anew and given them predicts and emits as the fitted one did.
        settings: keys of the model table that this model alone takes.
    """

    build: Callable[[ModelConfig, TrainingConfig, str, int], Any]
    state: tuple[str, ...]
    settings: tuple[str, ...] = ()

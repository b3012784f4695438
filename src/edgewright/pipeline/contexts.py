"""What each stage is built for: the shape, names, units and rate that arrive at it."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewright.graph.stage import Context
from edgewright.schema.data import Samples


def first_context(samples: Samples, task: str, seed: int) -> Context:
    """What the first stage is built for."""
    return Context(
        shape=tuple(int(n) for n in samples.X.shape[1:]),
        names=tuple(column.name for column in samples.columns),
        units=tuple(column.unit for column in samples.columns),
        rate=samples.rate,
        task=task,
        seed=seed,
    )


def next_context(context: Context, fitted: Any, shape: tuple[int, ...]) -> Context:  # noqa: ANN401 - any estimator
    """What the stage after `fitted` is built for; units as `fitted` states them, or those of names that stay."""
    names = tuple(str(name) for name in fitted.get_feature_names_out(np.asarray(context.names, dtype=object)))
    units = dict(zip(context.names, context.units, strict=True))
    if hasattr(fitted, "units_out"):
        units = dict(zip(names, fitted.units_out, strict=True))
    return Context(
        shape=tuple(int(n) for n in shape),
        names=names,
        units=tuple(units.get(name, "") for name in names),
        rate=getattr(fitted, "rate_", context.rate),
        task=context.task,
        seed=context.seed,
    )

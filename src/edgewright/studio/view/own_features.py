"""Features that a model would receive of a person's own data: their values, and those that differ most by class."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.data.targets import class_codes
from edgewright.pipeline.fitting import fit_stages
from edgewright.pipeline.plan import build, parts
from edgewright.race.motion import motion_stages
from edgewright.race.stages import FILL, IMPUTE
from edgewright.schema.data import Column, Floats, Samples
from edgewright.schema.errors import EdgewrightError
from edgewright.studio.view.data_cache import Opened
from edgewright.studio.view.feature_map import chosen
from edgewright.studio.view.histogram import Spread, spread_of
from edgewright.workflows.own_data.proposal import OwnData
from edgewright.workflows.own_data.recipes import SELECT

SHOWN = 6
"""Features whose values are drawn."""


@dataclass(frozen=True, eq=False)
class FeatureValues:
    """Features of the samples on the map.

    Attributes:
        columns: of the features.
        values: shape (samples, features).
        order: places of the features, those that differ most with the target first.
        codes: number of each sample's class; None for an amount.
        classes: by their numbers.
    """

    columns: tuple[Column, ...]
    values: Floats
    order: NDArray[np.int64]
    codes: NDArray[np.int64] | None
    classes: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, those that differ most with the target first."""
        return tuple(self.columns[int(place)].name for place in self.order)

    def best(self, count: int | None) -> Floats:
        """Return the values of so many features, of all for None."""
        return self.values if count is None else self.values[:, np.sort(self.order[:count])]

    @cached_property
    def spreads(self) -> tuple[Spread, ...]:
        """How the values of the best features are spread, of all samples and of each class."""
        first = [int(place) for place in self.order[:SHOWN]]
        return tuple(spread_of(self.values[:, i], self.codes, self.classes, self.columns[i]) for i in first)


def feature_values(opened: Opened, found: OwnData) -> FeatureValues | None:
    """Return the features of some samples; None where the model takes signals, or the features cannot be made.

    All chosen samples rank them here, as a look at the data. A run ranks them by its training samples.
    """
    samples, _ = opened.samples()
    tables = _feature_tables(found)
    if samples is None or not tables:
        return None
    made: FeatureValues | None = opened.once("features", lambda: _made(opened, samples, tables, found.framing.task))
    return made


def _feature_tables(found: OwnData) -> list[dict[str, object]]:
    """Return the stages that make features of the person's data; empty where models take signals."""
    window = found.framing.window
    if window is None:
        return [] if found.framing.kind == "picture" else [IMPUTE]
    return [] if found.framing.kind == "sound" else [FILL, *motion_stages(found.dataset, window.samples)]


def _made(opened: Opened, samples: Samples, tables: list[dict[str, object]], task: str) -> FeatureValues | None:
    picked = chosen(np.asarray(samples.y))
    some = msgspec.structs.replace(samples, X=np.asarray(samples.X[picked], np.float32), y=samples.y[picked])
    every = np.arange(len(picked), dtype=np.int64)
    try:
        *stages, select = parts([*tables, {**SELECT, "k": 1}], "features")
        flow = fit_stages(some, every, stages, task, 0, None, lambda card: None)
        values, context = flow.array(every), flow.context
        scores = build(select, context).fit(values, some.y).scores_
    except EdgewrightError:
        return None
    columns = tuple(Column(name=name, unit=unit) for name, unit in zip(context.names, context.units, strict=True))
    codes = class_codes(some.y, opened.classes) if opened.classes else None
    return FeatureValues(columns, values, np.argsort(-scores, kind="stable"), codes, opened.classes)

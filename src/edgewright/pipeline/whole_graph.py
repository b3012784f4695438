"""All fitted steps as one graph: raw sample in, answer out."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import get_tags

from edgewright.core.catalogue import listing
from edgewright.core.input.input_ranges import METADATA as RANGES
from edgewright.core.input.input_ranges import MISSING_METADATA as LIMIT
from edgewright.core.input.input_ranges import ROW_LIMIT, ranges_text
from edgewright.graph.builder import Builder
from edgewright.graph.formula import Term, choose, present
from edgewright.graph.mask import answerable, masked_label, masked_value
from edgewright.graph.stage import emit, names_of
from edgewright.pipeline.plan import ROOMS
from edgewright.preprocessing.fill import Fill
from edgewright.preprocessing.impute import Impute
from edgewright.schema.data import Column
from edgewright.schema.graph import Graph


def graph_of(
    steps: list[tuple[str, Any]], shape: tuple[int, ...], name: str, columns: tuple[Column, ...] = ()
) -> Graph:
    """Emit fitted steps, the model last; every stage's end and the float/int8 boundary are marked.

    A sample that misses more values than the stage that fills them allows has no answer: label -1, probabilities and
    confidence 0, or the prediction NaN. Without such a stage one missing value is too many.

    Args:
        steps: fitted, by name.
        shape: of one sample.
        name: of the graph.
        columns: whose declared ranges travel with the graph.
    """
    model = steps[-1][1]
    labels = tuple(str(label) for label in getattr(model, "classes_", ()))
    builder = Builder(name, tuple(shape), labels=labels)
    limit = limit_of(steps)
    requested = answerable(builder, tuple(shape), limit)
    value = builder.input
    if limit and not _fills(steps[0][1]):
        # What a stage before the one that fills would make of an infinity may be finite.
        source = Term(builder, value)
        value = choose(present(source), source, np.nan).name
    if not all(_is_own(estimator) for _, estimator in steps):
        for room in ROOMS:  # a file there may know how to write a class of another library
            listing(room, "STAGE")
    for stage, estimator in steps[:-1]:
        value = emit(estimator, builder, value)
        builder.stage(stage, value)
    builder.boundary(value)
    value = emit(model, builder, value)
    builder.stage("model", value)
    outputs = model.outputs(builder, masked_value(builder, requested, value, len(labels)))
    if "label" in outputs:
        label, *kind = outputs["label"]
        outputs["label"] = (masked_label(builder, label, outputs["confidence"][0]), *kind)
    metadata = {LIMIT: f"{limit:g}"}
    if declared := ranges_text(columns):
        metadata[RANGES] = declared
    if hasattr(model, "graph_metadata"):
        metadata |= model.graph_metadata(shape)
    return builder.finish(outputs, metadata)


def limit_of(steps: list[tuple[str, Any]]) -> float:
    """Return the share of missing values up to which fitted steps answer.

    The stage that fills them says it. Without such a stage it is 0, or 1 for a model that was fitted with missing
    values.
    """
    own = 1.0 if steps and getattr(steps[-1][1], "answers_missing", False) else 0.0
    return next((_limit(estimator) for _, estimator in steps if _fills(estimator)), own)


def takes_missing(steps: list[tuple[str, Any]]) -> bool:
    """Return whether samples may miss values: each step takes them, up to one that fills them."""
    for _, estimator in steps:
        if _fills(estimator):
            return True
        if hasattr(estimator, "fit") and not get_tags(estimator).input_tags.allow_nan:
            return False
    return True


def _fills(estimator: Any) -> bool:  # noqa: ANN401 - any estimator
    return isinstance(estimator, Fill | Impute) or "sklearn.SimpleImputer" in names_of(estimator)


def _is_own(estimator: Any) -> bool:  # noqa: ANN401 - any estimator
    return type(estimator).__module__.startswith("edgewright.") and all(map(_is_own, getattr(estimator, "parts_", ())))


def _limit(estimator: Any) -> float:  # noqa: ANN401 - any estimator
    return float(getattr(estimator, "limit", ROW_LIMIT))

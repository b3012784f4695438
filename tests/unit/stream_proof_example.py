"""A package of windows whose answers are averaged inputs, with decisions and alarms: faults in its stream show."""

from __future__ import annotations

from functools import cache

import numpy as np

from edgewright.core.input.samples import METADATA, ranges_text
from edgewright.core.records.data import Column
from edgewright.core.records.device import DecisionSpec
from edgewright.core.records.network import Graph
from edgewright.core.records.package import WindowSpec
from edgewright.graph.builder import Builder
from edgewright.workflows.proof.subject import Chosen

LABELS = ("rest", "walk", "fall")
WINDOW = WindowSpec(samples=8, step=3, rate=50.0)
SPEC = DecisionSpec(smoothing=4, debounce=2, alarms=("walk", "fall"), refractory=2.0, thresholds={"fall": 0.3})
COLUMNS = tuple(Column(name=name, minimum=-1.0, maximum=2.0) for name in "abc")


@cache
def samples() -> Chosen:
    """Return windows of probabilities that dwell on a label; what goes in comes out, averaged over the window."""
    rng = np.random.default_rng(1)
    kinds = np.repeat(rng.integers(0, 3, 40), 5)
    probabilities = rng.dirichlet((1.0, 1.0, 1.0), (len(kinds), 8)).transpose(0, 2, 1)
    probabilities = probabilities * 0.5 + 0.5 * np.eye(3)[kinds][..., None]
    return Chosen(
        probabilities.astype(np.float32), tuple(f"window {i}" for i in range(len(kinds))), "windows of the example"
    )


def model() -> Graph:
    """Return the mean of each channel over a window."""
    builder = Builder("through", (3, WINDOW.samples), labels=LABELS)
    value = builder.op("Flatten", builder.op("GlobalAveragePool", builder.op("Mul", builder.input, builder.number(1))))
    label = builder.op("ArgMax", value, axis=1, keepdims=0)
    confidence = builder.op("ReduceMax", value, builder.integers(1), keepdims=0)
    return builder.finish(
        {
            "label": (label, "int64", ()),
            "probabilities": (value, "float32", (3,)),
            "confidence": (confidence, "float32", ()),
        },
        {METADATA: ranges_text(COLUMNS)},
    )

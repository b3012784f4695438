"""Prediction trace: one right and one wrong sample, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from edgewright.schema.trace import LayerTrace, PredictionRecord, Trace
from edgewright.trace.bars import bars
from edgewright.trace.sections import Section
from edgewright.trace.words import number, percent, plural, shape_text

_VALUES = 64


def view(trace: Trace) -> Mapping[str, object] | None:
    """The traced samples."""
    if not trace.predictions:
        return None
    return {"samples": [sample(record) for record in trace.predictions]}


def sample(record: PredictionRecord) -> Mapping[str, object]:
    """What the template shows of one traced sample; `edgewright trace` uses it too."""
    ranked = sorted(record.probabilities, key=lambda p: (-p[1], p[0]))
    windows = len(record.raw_shape) > 1
    return {
        "record": record,
        "unit": "window" if windows else "row",
        "said": f"{record.answer}, {percent(record.confidence)}" if record.probabilities else record.answer,
        "raw": _values(record.raw, record.input_names, record.raw_shape),
        "raw_bars": _profile(record.raw, "The first channel over time") if windows else "",
        "features": _values(record.features, record.feature_names, record.feature_shape),
        "layers": [_layer(layer, layer is record.layers[-1] and bool(ranked)) for layer in record.layers],
        "ranked": ranked,
    }


def _values(values: Sequence[float | None], names: Sequence[str], shape: Sequence[int]) -> Mapping[str, object] | None:
    """Readings by name (of a window none: its profile shows them), and how many the record does not hold."""
    if not values:
        return None
    total = math.prod(shape) if shape else len(values)
    windows = len(shape) > 1
    pairs = (
        []
        if windows
        else [(names[i] if i < len(names) else f"{i + 1}", number(value)) for i, value in enumerate(values)]
    )
    return {
        "pairs": pairs,
        "more": 0 if windows else total - len(values),
        "shape": shape_text(shape or (len(values),)),
        "channel": (names[0] if names else "channel 1") if windows else "",
    }


def _layer(layer: LayerTrace, output: bool) -> Mapping[str, object]:
    cut = f", the first {len(layer.values)} shown" if len(layer.values) < layer.size else ""
    active = f"{layer.active:,} of {layer.size:,} active"
    label = f"{layer.name}: {active}"
    if layer.values:
        label += f", largest {number(max(layer.values))}{cut}"
    return {
        "layer": layer,
        "name": f"{layer.name} ({layer.activation})" if layer.activation not in ("", "linear") else layer.name,
        "output": output,
        "active": active,
        "largest": number(max(layer.values)) if layer.values else "",
        "cut": cut,
        "bars": _profile(layer.values, label) if layer.values and not output else "",
        "scores": ", ".join(number(value) for value in layer.values[:8]) if output else "",
        "more": plural(layer.size - 8, "more score") if output and layer.size > 8 else "",
    }


def _profile(values: Sequence[float | None], label: str) -> Markup:
    finite = [0.0 if value is None or not math.isfinite(value) else value for value in values[:_VALUES]]
    return bars(finite, label)


SECTION = Section(60, "Prediction trace", view, missing="No prediction was traced in this run.")
